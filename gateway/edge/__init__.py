"""What a request passes before its service, listed twice: for the gateway, and for each mount."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from limits import parse
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Scope

from gateway.config import EdgeSettings, MountSettings, Settings
from gateway.edge.bodies import BodyLimit, BodyRules
from gateway.edge.compression import Compression
from gateway.edge.concurrency import ConcurrencyLimit
from gateway.edge.cross_origin import CrossOriginProtection
from gateway.edge.deadlines import Deadlines, Sweeper
from gateway.edge.hosts import AllowedHosts
from gateway.edge.hygiene import RequestHygiene
from gateway.edge.proxies import TrustedProxies
from gateway.edge.rate_limit import RateLimit, RateLimitPolicy, RateLimits
from gateway.edge.security_headers import SecurityHeaders
from gateway.edge.streams import EndStreams
from gateway.exchange import ExchangeMiddleware, Observers
from gateway.problems import ProblemsMiddleware

__all__ = [
    "Deadlines",
    "EndStreams",
    "MountEdge",
    "RateLimits",
    "SecurityHeaders",
    "Sweeper",
    "edge",
    "rate_limit_policy",
    "security_headers",
]

_OFF = frozenset({"", "off"})
_GATEWAY = "gateway"
# A request to compare, with a body of its own, is the largest that is sent to the admin endpoints.
_ADMIN = BodyRules(max_bytes=2 * 1024 * 1024, idle_seconds=5.0, total_seconds=30.0)


def edge(settings: Settings, observers: Observers) -> list[Middleware]:
    """What every request passes, outermost first."""
    rules = settings.edge
    probes = [f"{settings.admin.prefix}/livez", f"{settings.admin.prefix}/readyz"]
    stack = [
        # The request's ID and the one record of it; whatever happens further in refers to it.
        Middleware(ExchangeMiddleware, observers),
        # Directly inside, so that an error of anything further in is answered with that ID.
        Middleware(ProblemsMiddleware),
        # Before anything looks at the client, the host or the path: here they become what they are.
        Middleware(
            TrustedProxies,
            rules.trusted_proxies,
            settings.server.root_path,
            frozenset(rules.proxy_headers),
        ),
        # Before anything decides by host or path: they have one reading from here on.
        Middleware(RequestHygiene, rules.underscores),
    ]
    if rules.allowed_hosts:
        # Before a service can build a link from a host of a stranger's making.
        stack.append(Middleware(AllowedHosts, rules.allowed_hosts, probes))
    if rules.concurrency:
        # Last, so that what is refused anyway takes no place.
        stack.append(Middleware(ConcurrencyLimit, rules.concurrency, probes))
    return stack


@dataclass(frozen=True)
class MountEdge:
    """Makes what the requests of one mount pass.

    Attributes:
        rules: The edge's settings.
        rate_limits: Where requests are counted.
        session_value: Reads a value of the shared session from a request, by its name.
    """

    rules: EdgeSettings
    rate_limits: RateLimits
    session_value: Callable[[Scope, str], str]

    def of(self, mount: MountSettings, *, reads_body: bool) -> list[Middleware]:
        """The mount's own part of the edge, outermost first.

        Args:
            mount: Its settings.
            reads_body: Whether what comes next keeps the limits of bodies itself.
        """
        rules = self.rules
        chosen = rules.cors_origins if mount.cors_origins is None else mount.cors_origins
        origins = [origin.lower() for origin in chosen]  # as browsers write them
        stack: list[Middleware] = []
        if origins:
            # Outermost, so that a page can read a refusal, too.
            stack += [
                Middleware(
                    CORSMiddleware,
                    allow_origins=origins,
                    allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
                    allow_headers=rules.cors_headers,
                    allow_credentials=rules.cors_credentials,
                    expose_headers=["X-Request-ID", "Retry-After", "RateLimit", "RateLimit-Policy"],
                ),
                Middleware(ProblemsMiddleware),
            ]
        # One rule for both stacks, so that no native route passes by a Flask app's own check.
        stack.append(Middleware(CrossOriginProtection, (*rules.trusted_origins, *origins)))
        policy = rate_limit_policy(rules, mount)
        if policy is not None:
            # After what is refused for free: counting may be a question to Redis.
            stack.append(
                Middleware(
                    RateLimit, policy, self.rate_limits, self._identify(rules.rate_limit_key)
                )
            )
        if rules.compression if mount.compression is None else mount.compression:
            # Inside of what may answer in the service's place: such answers are small.
            stack.append(Middleware(Compression))
        if not reads_body:
            # Innermost: it stands where the service reads.
            stack.append(
                Middleware(
                    BodyLimit,
                    BodyRules(
                        mount.max_body_bytes, mount.body_idle_seconds, mount.body_timeout_seconds
                    ),
                )
            )
        return stack

    def of_admin(self) -> list[Middleware]:
        """The admin endpoints' part: nobody else's pages write there, nor anybody much."""
        return [
            Middleware(CrossOriginProtection),
            Middleware(BodyLimit, _ADMIN),
        ]

    def _identify(self, key: str) -> Callable[[Scope], str]:
        kind, _, name = key.partition(":")
        if kind == "session":
            return lambda scope: self.session_value(scope, name)
        if kind == "header":
            return lambda scope: Headers(scope=scope).get(name, "")
        return lambda scope: ""


def rate_limit_policy(rules: EdgeSettings, mount: MountSettings) -> RateLimitPolicy | None:
    """The limit that holds for a mount, its own or the edge's; None for none."""
    own = mount.rate_limit
    limit, name = (own, mount.name) if own else (rules.rate_limit, _GATEWAY)
    if limit in _OFF:
        return None
    return RateLimitPolicy(parse(limit), name, rules.rate_limit_fail_open)


def security_headers(settings: Settings) -> SecurityHeaders:
    """The observer that adds them, for all mounts."""
    default: Mapping[str, str] = {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        **settings.edge.security_headers,
    }
    return SecurityHeaders(default, {m.name: m.security_headers for m in settings.mounts})
