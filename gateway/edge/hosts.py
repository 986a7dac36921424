"""Refuses requests for hosts that this gateway does not serve.

A service builds links from the Host header; one of a stranger's making ends up in a password mail.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.edge.proxies import path_within
from gateway.problems import Refusal, refuse


class UnknownHost(Refusal):
    """The request is for another host."""

    status = HTTPStatus.MISDIRECTED_REQUEST
    detail = "This gateway does not serve the host that the request names (edge.allowed_hosts)."


class AllowedHosts:
    """Answers 421 to a request for another host (RFC 9110, section 15.5.20).

    Args:
        app: What the request goes to.
        allowed: Host names, lower case, `*.example.com` for all below; without ports.
        exempt: Paths that any host reaches: probes ask for an address.
    """

    def __init__(self, app: ASGIApp, allowed: Sequence[str], exempt: Sequence[str] = ()) -> None:
        self.app = app
        self._exact = frozenset(name for name in allowed if not name.startswith("*."))
        self._suffixes = tuple(name[1:] for name in allowed if name.startswith("*."))
        self._exempt = frozenset(exempt)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass on what is for a host of ours."""
        if scope["type"] == "lifespan" or self._allows(scope) or path_within(scope) in self._exempt:
            return self.app(scope, receive, send)
        return refuse(UnknownHost(), scope, receive, send)

    def _allows(self, scope: Scope) -> bool:
        name = host_name(Headers(scope=scope).get("host", ""))
        return name in self._exact or name.endswith(self._suffixes or ("\0",))


def host_name(host: str) -> str:
    """The name in a Host header's value, lower case, without port and final dot."""
    if host.startswith("["):
        return host.lower().partition("]")[0] + "]"
    return host.lower().partition(":")[0].rstrip(".")
