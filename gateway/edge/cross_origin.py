"""Refuses writes that a page of another origin sent (cross-site request forgery).

The rule of Go's `net/http.CrossOriginProtection`: browsers say themselves where a request comes
from, so no token is needed. Both stacks stand behind it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.problems import problem, refuse_websocket

logger = logging.getLogger("gateway.edge")

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110, section 9.2.1, less TRACE


class CrossOriginProtection:
    """Answers 403 to an unsafe request, or a WebSocket, from another origin that is not trusted.

    A WebSocket counts as unsafe: it brings the session's cookie, and messages may do anything.

    A request without `Sec-Fetch-Site` and `Origin` is not a browser's, and passes.

    Args:
        app: What the request goes to.
        trusted_origins: Origins (`https://app.example.com`) that may write. With `*` among them,
            any may write what it may without what a browser adds by itself: cookies, and
            credentials of another scheme than Bearer.
    """

    def __init__(self, app: ASGIApp, trusted_origins: Sequence[str] = ()) -> None:
        self.app = app
        self._trusted = frozenset(origin.lower() for origin in trusted_origins)
        self._anyone = "*" in self._trusted

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass on what is allowed; refuse the rest."""
        method = scope.get("method", "WEBSOCKET")
        harmless = method in _SAFE_METHODS or scope["type"] == "lifespan"
        if harmless or self._allows(scope):
            return self.app(scope, receive, send)
        return self._refuse(method, scope, receive, send)

    async def _refuse(self, method: str, scope: Scope, receive: Receive, send: Send) -> None:
        # The path is a stranger's: quoted, it can forge no line of the log.
        logger.warning("refused a cross-origin %s %r", method, scope["path"])
        if scope["type"] == "websocket":
            await refuse_websocket(receive, send)
            return
        answer = problem(
            scope,
            HTTPStatus.FORBIDDEN,
            "The request comes from a page of another origin. "
            "If that origin may write here, name it in edge.trusted_origins.",
        )
        await answer(scope, receive, send)

    def _allows(self, scope: Scope) -> bool:
        site = origin = host = ""
        ambient = False
        for name, value in scope["headers"]:
            if name == b"sec-fetch-site":
                site = value.decode("latin-1")
            elif name == b"origin":
                origin = value.decode("latin-1").lower()
            elif name == b"host":
                host = value.decode("latin-1").lower()
            elif name == b"cookie" or (
                name == b"authorization" and value[:7].lower() != b"bearer "
            ):
                ambient = True
        if not site and not origin:
            return True
        if origin in self._trusted or (self._anyone and not ambient):
            return True
        if site:
            return site in {"same-origin", "none"}
        # An older browser. The scheme is not compared: TLS may end before the gateway.
        return _host_of(origin) == host != ""


def _host_of(origin: str) -> str | None:
    """Host and port of an origin; None where it is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
