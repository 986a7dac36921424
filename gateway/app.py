"""Assembly: settings and services in, the gateway's root application out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.adapters import adapt
from gateway.config import Settings
from gateway.edge import edge
from gateway.health import Health, health_routes
from gateway.lifespan import LifespanMiddleware, ServiceLifespan
from gateway.loading import Service
from gateway.mounts import Mount, MountTable
from gateway.problems import NotFound
from gateway.sessions import SessionCookie, SharedSession, shared_cookie


def create_app(settings: Settings, services: Sequence[Service], health: Health) -> Gateway:
    """The root application.

    Args:
        settings: Sound settings.
        services: The service of each mount, loaded once.
        health: Told of what starts and stops.
    """
    cookie = shared_cookie(settings.session, {service.name: service.app for service in services})
    lifespans: list[ServiceLifespan] = []
    mounts: list[Mount] = []
    for service in services:
        app = service.app
        if service.interface == "wsgi":
            app = adapt(app, service.mount, settings.server)
        lifespan = ServiceLifespan(service.name, app)
        lifespans.append(lifespan)
        mounts.append(_mount(service, app, lifespan.state, cookie))
    admin = Router(
        health_routes(health),
        redirect_slashes=False,
        default=NotFound("The gateway has no such endpoint."),
    )
    # For each host too: a host's own mounts come before those for any host, the admin endpoints
    # before both.
    hosts = {"", *(service.mount.host for service in services)}
    mounts += [Mount(settings.admin.prefix, admin, host, name="gateway") for host in hosts]
    nothing_mounted = NotFound("No service is mounted here.", _links(settings, services))

    lifespan_middleware = Middleware(
        LifespanMiddleware,
        lifespans,
        health,
        settings.server.startup_seconds,
        settings.server.drain_seconds,
    )
    return Gateway(
        MountTable(mounts, nothing_mounted), [lifespan_middleware, *edge(settings, health)]
    )


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
        app: ASGIApp = self._table
        for middleware in reversed(self.user_middleware):
            app = middleware.cls(app, *middleware.args, **middleware.kwargs)
        return app


def _mount(
    service: Service, app: ASGIApp, state: Mapping[str, Any], cookie: SessionCookie | None
) -> Mount:
    """Where a service answers. A Flask app has its session; the others are given it."""
    wsgi = service.interface == "wsgi"
    if cookie is not None and not wsgi:
        app = SharedSession(app, cookie)
    where = service.mount
    return Mount(where.prefix, app, where.host, service.name, state, path_may_be_empty=wsgi)


def _links(settings: Settings, services: Sequence[Service]) -> dict[str, str]:
    """Where to go from a path that is not there: an aid to developers, nobody else's business."""
    if settings.environment != "development":
        return {}
    return {
        f"{service.name} ({service.stack})": f"{service.mount.prefix.rstrip('/')}/"
        for service in services
        if not service.mount.host
    }
