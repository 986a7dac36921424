"""The documentation pages need nothing from outside, and this holds them to it."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# fastapi-offline serves the scripts and styles, but ReDoc's script still asks a CDN for a logo.
POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"


class NothingFromOutside:
    """Has the browser refuse what a page asks of other hosts."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; an answer that is a page carries the policy."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers["Content-Security-Policy"] = POLICY
            await send(message)

        await self._app(scope, receive, send_with_policy)
