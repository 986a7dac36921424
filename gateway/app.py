"""Assembly: settings and services in, the gateway's root application out."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import __version__
from gateway.adapters import adapt, keeps_body_limits, pool_of
from gateway.admin import AdminAccess
from gateway.config import Configuration, Settings
from gateway.edge import Deadlines, EndStreams, MountEdge, RateLimits, Sweeper, edge
from gateway.edge import security_headers as security_headers_of
from gateway.edge.proxies import path_within
from gateway.exchange import Exchange, Observers, Running
from gateway.health import Health, health_routes
from gateway.lifespan import LifespanMiddleware, ServiceLifespan
from gateway.loading import Service
from gateway.mounts import Mount, MountTable
from gateway.portal import Portal, Surroundings
from gateway.problems import NotFound
from gateway.protocol import ConnectionCounts
from gateway.sessions import SessionCookie, SharedSession, session_value, shared_cookie
from gateway.switch.shadows.copying import Tap
from gateway.switches import Around, build_switches, services_behind
from gateway.switching import SwitchInterval
from gateway.telemetry.logs import log_access
from gateway.telemetry.metrics import Metrics


def create_app(
    settings: Settings,
    services: Sequence[Service],
    health: Health,
    connections: ConnectionCounts | None = None,
    surroundings: Surroundings | None = None,
) -> Gateway:
    """The root application.

    Args:
        settings: Sound settings.
        services: The service of each mount, loaded once.
        health: Told of what starts and stops.
        connections: What the server's connections have seen, where it counts them.
        surroundings: The process, for the portal.
    """
    cookie = shared_cookie(settings.session, {service.name: service.app for service in services})
    rate_limits = RateLimits(settings.edge.rate_limit_store.get_secret_value())
    mount_edge = MountEdge(settings.edge, rate_limits, session_value(cookie))
    mounted = [_mounted(service, settings, cookie, mount_edge) for service in services]
    pools = {one.mount.name: one.pool for one in mounted if one.pool is not None}
    running: Running = {}
    metrics = Metrics(__version__, pools, running, connections)
    around = surroundings or Surroundings(Configuration(Path(), settings, settings.mounts))
    by_name = {one.mount.name: one.mount for one in mounted}

    async def is_admin(scope: Scope) -> bool:
        return await admin.vouches_for(scope)

    switches = build_switches(Around(around.configuration, services, by_name, cookie, is_admin))
    health.on_stop.append(switches.stop)
    metrics.switches = switches.totals
    portal = Portal(settings, services, health, pools, around, switches=switches.keeper)
    observing = _observing(settings, services, health, metrics, running)
    wsgi = [service.name for service in services if service.interface == "wsgi"]
    interval = SwitchInterval(
        settings.server.switch_interval_seconds, wsgi, running, switches.is_asking
    )
    closed = [*observing.observers.closed, *switches.closed, *portal.closed]
    observers = replace(observing.observers, closed=closed)

    async def root(scope: Scope, receive: Receive, send: Send) -> None:
        await gateway(scope, receive, send)

    own_routes = [
        *health_routes(health),
        *_metrics_routes(settings, metrics),
        *portal.routes(root, cookie.name if cookie else None),
    ]
    admin = _admin(settings, own_routes)
    hidden = {service.name for service in services if service.hidden}
    mounts = [one.mount for one in mounted if one.mount.name not in hidden]
    mounts += switches.mounts
    # For each host too: a host's own mounts come before those for any host, the admin endpoints
    # before both.
    for host in {"", *(mount.host for mount in settings.mounts)}:
        app = _within(mount_edge.of_admin(), admin)
        mounts.append(Mount(settings.admin.prefix, app, host, "gateway", "gateway"))
    nothing_mounted = FrontDoor(
        f"{settings.admin.prefix}/",
        NotFound("No service is mounted here.", _links(settings, services)),
    )
    lifespan_middleware = Middleware(
        LifespanMiddleware,
        [*(one.lifespan for one in mounted), *switches.lifespans],
        health,
        settings.server.startup_seconds,
        settings.server.drain_seconds,
        background=[
            *observing.background,
            *switches.background,
            *portal.background,
            interval.keep,
            rate_limits.close_at_end,
        ],
    )
    gateway = Gateway(
        MountTable(mounts, nothing_mounted), [lifespan_middleware, *edge(settings, observers)]
    )
    return gateway


def _admin(settings: Settings, routes: Sequence[Route]) -> AdminAccess:
    """The gateway's own endpoints, for those who may see them."""
    nothing = NotFound("The gateway has no such endpoint.")
    return AdminAccess(
        Router(routes, redirect_slashes=False, default=nothing),
        settings.admin.token.get_secret_value(),
        development=settings.environment == "development",
    )


class FrontDoor:
    """Shows who comes to `/`, where nothing is mounted, to the portal.

    Args:
        portal: Its path.
        otherwise: Answers every other path.
    """

    def __init__(self, portal: str, otherwise: ASGIApp) -> None:
        self._portal = portal
        self._otherwise = otherwise

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Redirect, or pass on."""
        if scope["type"] != "http" or path_within(scope) not in {"", "/"}:
            return self._otherwise(scope, receive, send)
        if scope["method"] not in {"GET", "HEAD"}:
            return self._otherwise(scope, receive, send)
        there = RedirectResponse(scope.get("root_path", "") + self._portal)
        return there(scope, receive, send)


class Gateway(Starlette):
    """The root application: the edge, then the one route that finds the mount.

    Starlette's own stack for errors and routing would be passed by every request of every service:
    services handle their own errors, the edge those of the gateway, and there is nothing to route.

    Args:
        table: Answers everything.
        middleware: What a request passes first, outermost first.
    """

    def __init__(self, table: MountTable, middleware: Sequence[Middleware]) -> None:
        super().__init__(routes=[table], middleware=middleware)
        self._table = table
        self._stack = self.build_middleware_stack()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        await self._stack(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """The middleware around the table, and nothing else."""
        return _within(self.user_middleware, self._table)


@dataclass(frozen=True)
class _Mounted:
    """A service where it answers, and what else the gateway has to do with it."""

    mount: Mount
    lifespan: ServiceLifespan
    pool: Any


@dataclass(frozen=True)
class _Observing:
    """Who watches the exchanges, and what they do besides."""

    observers: Observers
    background: list[Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=list)


def _mounted(
    service: Service, settings: Settings, cookie: SessionCookie | None, mount_edge: MountEdge
) -> _Mounted:
    """A service with its adapter, its lifespan, its session and its part of the edge."""
    where = service.mount
    wsgi = service.interface == "wsgi"
    adapted = adapt(service.app, where, settings.server) if wsgi else service.app
    lifespan = ServiceLifespan(service.name, adapted)
    app = adapted
    if cookie is not None and not wsgi:
        # A Flask app has its session; the others are given it.
        app = SharedSession(app, cookie)
    if service.name in services_behind(settings):
        app = Tap(app)
    app = _within(mount_edge.of(where, reads_body=wsgi and keeps_body_limits(where)), app)
    mount = Mount(
        where.prefix,
        app,
        where.host,
        service.name,
        service.stack,
        lifespan.state,
        path_may_be_empty=wsgi,
    )
    return _Mounted(mount, lifespan, pool_of(adapted))


def _observing(
    settings: Settings,
    services: Sequence[Service],
    health: Health,
    metrics: Metrics,
    running: Running,
) -> _Observing:
    """Everyone who watches, in the order in which they hear of it."""
    streams = EndStreams(health, running)
    sweeper = Sweeper({service.name: _deadlines(service) for service in services}, running)
    opened: list[Callable[[Exchange, Scope], None]] = []
    answered: list[Callable[[Exchange, Message], None]] = [security_headers_of(settings)]
    closed: list[Callable[[Iterable[Exchange]], None]] = []
    background: list[Callable[[], Coroutine[Any, Any, None]]] = [
        sweeper.sweep,
        streams.keep_ending,
    ]
    if settings.telemetry.metrics:
        closed.append(metrics.closed)
        background.append(metrics.sample)
    if settings.server.access_log:
        closed.append(log_access(query_strings=settings.server.log_query_strings))
    if settings.telemetry.traces:
        # Loaded where it is wanted: it is an extra.
        tracing = importlib.import_module("gateway.telemetry.traces").Tracing(__version__)
        opened.append(tracing.opened)
        closed.append(tracing.closed)
        background.append(tracing.keep)
    return _Observing(Observers(opened, answered, closed, running), background)


def _deadlines(service: Service) -> Deadlines:
    """What the edge has to end; the bridge keeps the first deadline itself, thread and all."""
    mount = service.mount
    bridged = service.adapter == "bridge"
    return Deadlines(0 if bridged else mount.response_timeout_seconds, mount.stream_idle_seconds)


def _metrics_routes(settings: Settings, metrics: Metrics) -> list[Route]:
    if not settings.telemetry.metrics:
        return []

    async def expose(request: Request) -> Response:
        text = await metrics.exposition()
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    return [Route("/metrics", expose)]


def _within(stack: Sequence[Middleware], app: ASGIApp) -> ASGIApp:
    for middleware in reversed(stack):
        app = middleware.cls(app, *middleware.args, **middleware.kwargs)
    return app


def _links(settings: Settings, services: Sequence[Service]) -> Mapping[str, str]:
    """Where to go from a path that is not there: an aid to developers, nobody else's business."""
    if settings.environment != "development":
        return {}
    return {
        f"{service.name} ({service.stack})": f"{service.mount.prefix.rstrip('/')}/"
        for service in services
        if not service.mount.host
    }
