"""What carries an ASGI request to a WSGI service: one function per adapter of the settings."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, cast

from a2wsgi import WSGIMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.config import MountSettings

logger = logging.getLogger("gateway.adapters")

WSGIApp = Callable[..., Any]


def adapt(app: WSGIApp, mount: MountSettings) -> ASGIApp:
    """A WSGI service as an ASGI one, by the adapter that its mount names."""
    return RefuseWebSockets(_ADAPTERS[mount.adapter](app, mount), mount.name)


class RefuseWebSockets:
    """Answers a WebSocket handshake with 403: WSGI has no WebSockets, and it crashes some adapters.

    Args:
        app: The adapted service.
        name: Its mount, for the log.
    """

    def __init__(self, app: ASGIApp, name: str) -> None:
        self.app = app
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass requests on; refuse handshakes."""
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        logger.warning('refused a WebSocket to the WSGI mount "%s": %s', self._name, scope["path"])
        await receive()
        # Closing before accepting is a 403 on the wire (ASGI, HTTP & WebSocket, "Close").
        await send({"type": "websocket.close", "code": 1008})


def _a2wsgi(app: WSGIApp, mount: MountSettings) -> ASGIApp:
    return cast(ASGIApp, WSGIMiddleware(app, workers=mount.threads))


_ADAPTERS: dict[str, Callable[[WSGIApp, MountSettings], ASGIApp]] = {"a2wsgi": _a2wsgi}
