"""What carries an ASGI request to a WSGI service: one function per adapter of the settings."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

from a2wsgi import WSGIMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.bridge import Bridge, BridgeLimits
from gateway.bridge.pool import WorkerPool
from gateway.config import MountSettings, ServerSettings
from gateway.exchange import note_route
from gateway.problems import refuse_websocket
from gateway.switch.sides import SHADOW

logger = logging.getLogger("gateway.adapters")

_SHARE_OF_THREADS = 0.1

WSGIApp = Callable[..., Any]


def adapt(app: WSGIApp, mount: MountSettings, server: ServerSettings) -> ASGIApp:
    """A WSGI service as an ASGI one, by the adapter that its mount names."""
    adapted = _ADAPTERS[mount.adapter](_noting_rule(app), mount, server)
    return RefuseWebSockets(adapted, mount.name)


def pool_of(adapted: object) -> WorkerPool | None:
    """The pool of threads of an adapted service, where it has one of its own."""
    inner = getattr(adapted, "app", None)
    return inner.pool if isinstance(inner, Bridge) else None


def keeps_body_limits(mount: MountSettings) -> bool:
    """Whether the mount's adapter keeps the limits of bodies itself."""
    return mount.adapter == "bridge"


class RefuseWebSockets:
    """Answers a WebSocket handshake with 403: WSGI has no WebSockets, and it crashes some adapters.

    Args:
        app: The adapted service.
        name: Its mount, for the log.
    """

    def __init__(self, app: ASGIApp, name: str) -> None:
        self.app = app
        self._name = name

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass requests on; refuse handshakes."""
        if scope["type"] != "websocket":
            return self.app(scope, receive, send)
        logger.warning('refused a WebSocket to the WSGI mount "%s": %r', self._name, scope["path"])
        return refuse_websocket(receive, send)


def _noting_rule(app: WSGIApp) -> WSGIApp:
    """The application, telling the exchange which of its rules matched.

    Werkzeug keeps the request in the environ until the end of the call, so this sees the rule of a
    Flask application also behind middleware, and asks nothing of others.
    """

    def noting(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if SHADOW in environ["asgi.scope"]:
            environ[SHADOW] = True

        def start(*args: Any, **options: Any) -> Any:
            rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
            if rule is not None:
                note_route(environ["asgi.scope"], rule.rule)
            return start_response(*args, **options)

        return app(environ, start)

    return noting


def _bridge(app: WSGIApp, mount: MountSettings, server: ServerSettings) -> ASGIApp:
    limits = BridgeLimits(
        threads=mount.threads,
        queue=mount.queue,
        buffering=mount.request_buffering,
        memory_bytes=mount.spool_memory_bytes,
        max_body_bytes=mount.max_body_bytes,
        body_idle_seconds=mount.body_idle_seconds,
        body_seconds=mount.body_timeout_seconds,
        response_seconds=mount.response_timeout_seconds,
        write_seconds=mount.write_timeout_seconds,
        # The requests are over by then; a thread that still runs is most likely stuck.
        drain_seconds=server.drain_seconds * _SHARE_OF_THREADS,
    )
    return Bridge(app, mount.name, limits, multiprocess=server.workers > 1)


def _a2wsgi(app: WSGIApp, mount: MountSettings, server: ServerSettings) -> ASGIApp:
    return cast(ASGIApp, WSGIMiddleware(app, workers=mount.threads))


_ADAPTERS: dict[str, Callable[[WSGIApp, MountSettings, ServerSettings], ASGIApp]] = {
    "a2wsgi": _a2wsgi,
    "bridge": _bridge,
}
