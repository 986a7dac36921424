"""The session: the gateway's where there is one, and else Starlette's."""

from itsdangerous import TimestampSigner
from starlette.middleware.sessions import SessionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from services.catalog.settings import CatalogSettings

COOKIE = "fastapi_session"


class SessionWhenAlone:
    """Provides `request.session` unless the server around the application has done so.

    The cookie has a name of its own: Flask's `session` has another format.
    """

    def __init__(self, app: ASGIApp, settings: CatalogSettings) -> None:
        self._app = app
        self._over_tls, self._in_the_clear = (
            SessionMiddleware(app, settings.signing_key, COOKIE, https_only=https_only)
            for https_only in (True, False)
        )
        # itsdangerous signs with the last key and accepts all of them.
        signer = TimestampSigner([*settings.secret_key_fallbacks, settings.signing_key])
        self._over_tls.signer = self._in_the_clear.signer = signer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with a session."""
        if scope["type"] == "lifespan" or "session" in scope:
            await self._app(scope, receive, send)
        elif scope["scheme"] in {"https", "wss"}:
            await self._over_tls(scope, receive, send)
        else:
            await self._in_the_clear(scope, receive, send)
