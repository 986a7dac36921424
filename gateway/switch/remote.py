"""A service at an address, asked with HTTP: the candidate of a switch that runs elsewhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import httpx
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from gateway.problems import GaveUp, Refusal, refuse_websocket
from gateway.switch.sides import SHADOW

logger = logging.getLogger("gateway.switch")

Header = tuple[bytes, bytes]

# RFC 9110, section 7.6.1, and what else is between two neighbours alone. An `Expect` has been met
# by our own server.
_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"expect",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# A `Connection` that names these would break the request, or hide who sent it.
_NEVER_OPTIONS: Final = frozenset({b"content-length", b"host", b"x-request-id"})
# Ours to say, whatever the client has said.
_OURS: Final = frozenset(
    {
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-gateway-shadow",
    }
)
# Our own server's to say.
_SERVERS: Final = frozenset({b"date"})
# Below what servers usually keep a connection for (uvicorn: 5 s): one that is closed just as it is
# used again costs a request, as nothing is asked twice.
_KEEP_ALIVE_SECONDS: Final = 2.0
_CONNECTIONS_KEPT: Final = 20
_NO_CONTENT: Final = 204


class Unreachable(Refusal):
    """The service at the address does not answer, or not in HTTP."""

    status = HTTPStatus.BAD_GATEWAY
    detail = "The service behind the gateway could not be asked."
    outcome = "error"


class TooLate(Refusal):
    """The service at the address does not answer in time."""

    status = HTTPStatus.GATEWAY_TIMEOUT
    detail = "The service behind the gateway did not answer in time."
    outcome = "timeout"


class RemoteService:
    """Passes requests on to an address; an ASGI application.

    Each is asked once. Bodies pass as they come, both ways, and undecoded.

    Args:
        address: `http://127.0.0.1:9000`; a path stands before that of every request.
        connect_seconds: How long it may take to connect.
        read_seconds: How long the service may be silent, and take none of a body.

    Raises:
        ValueError: It is no such address.
    """

    def __init__(
        self, address: str, *, connect_seconds: float = 2.0, read_seconds: float = 60.0
    ) -> None:
        url = httpx.URL(address)
        if url.scheme not in {"http", "https"} or not url.host or url.query or url.userinfo:
            raise ValueError(f"{address!r} is no address such as http://127.0.0.1:9000")
        self.address = address
        self._url = url
        self._base = url.raw_path.rstrip(b"/")
        self._timeout = httpx.Timeout(read_seconds, connect=connect_seconds).as_dict()
        self._transport: httpx.AsyncHTTPTransport | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; while it starts and stops, open and close the connections."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await refuse_websocket(receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        # The transport and no client: that one keeps cookies, follows redirects, asks proxies of
        # the environment, adds headers of its own, and logs addresses with their query. Of the
        # environment only SSL_CERT_FILE and SSL_CERT_DIR are read, for authorities of one's own.
        transport = httpx.AsyncHTTPTransport(
            verify=self._url.scheme == "https",
            limits=httpx.Limits(
                max_keepalive_connections=_CONNECTIONS_KEPT, keepalive_expiry=_KEEP_ALIVE_SECONDS
            ),
        )
        async with transport:
            self._transport = transport
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self._transport = None
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask in a task of its own, so that it can be ended when the client leaves."""
        body = _RequestBody(receive)
        passing = asyncio.ensure_future(self._pass_on(scope, body, send))
        leaving = asyncio.ensure_future(body.client_left())
        try:
            await asyncio.wait({passing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if body.answered:
                await asyncio.wait({passing})
        finally:
            unfinished = not passing.done()
            passing.cancel()
            leaving.cancel()
            await asyncio.wait({passing, leaving})
            for task in (passing, leaving):
                if not task.cancelled():
                    task.exception()  # looked at, so that nothing is logged of it
        if unfinished:
            leaving.result()  # raises what `receive` has raised
            if passing.cancelled():
                raise ClientDisconnect
        passing.result()

    async def _pass_on(self, scope: Scope, body: _RequestBody, send: Send) -> None:
        if self._transport is None:
            raise RuntimeError(f"{self.address} is asked before its lifespan or after it")
        request = self._request(scope, body)
        try:
            response = await self._transport.handle_async_request(request)
        except httpx.TimeoutException as error:
            raise self._refusal(TooLate(), request, error) from error
        except httpx.TransportError as error:
            raise self._refusal(Unreachable(), request, error) from error
        body.taken.set()  # also of one that is not whole, where the answer came before its end
        try:
            await send(_start(response))
            await self._send_body(response, send)
        finally:
            await response.aclose()
        # The connection is free again: who has the whole answer may go.
        body.answered = True
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_body(self, response: httpx.Response, send: Send) -> None:
        if not isinstance(response.stream, httpx.AsyncByteStream):
            raise TypeError("the transport's answers are asynchronous")
        try:
            async for piece in response.stream:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except httpx.TransportError as error:
            # The connection to the client is broken off, too, so that it knows.
            raise GaveUp(f"{self.address} broke off its answer: {_words(error)}") from error

    def _request(self, scope: Scope, body: _RequestBody) -> httpx.Request:
        headers = [header for header in _passed_on(scope["headers"]) if header[0] not in _OURS]
        names = {name for name, _ in headers}
        if b"host" not in names:
            headers.append((b"host", self._url.netloc))
        stream: httpx.AsyncByteStream = httpx.ByteStream(b"")
        if any(name == b"transfer-encoding" for name, _ in scope["headers"]):
            # RFC 9112, section 6.3: it overrides a Content-Length.
            headers = [header for header in headers if header[0] != b"content-length"]
            headers.append((b"transfer-encoding", b"chunked"))
            stream = body
        elif b"content-length" in names:
            stream = body
        else:
            body.taken.set()
        headers += _forwarded(scope)
        target: bytes = self._base + (scope.get("raw_path") or quote(scope["path"]).encode())
        if query := scope.get("query_string", b""):
            target += b"?" + query
        # As it came: a URL would be written anew.
        extensions = {"timeout": self._timeout, "target": target}
        return httpx.Request(
            scope["method"], self._url, headers=headers, stream=stream, extensions=extensions
        )

    def _refusal(
        self, refusal: Refusal, request: httpx.Request, error: httpx.TransportError
    ) -> Refusal:
        """What the client is told; the address is for the log alone."""
        identifier = request.headers.get("x-request-id", "-")
        logger.warning(
            "request %s: %s could not be asked: %s", identifier, self.address, _words(error)
        )
        return refusal


class _RequestBody(httpx.AsyncByteStream):
    """The body of a request, as it comes; and afterwards, whether its client leaves.

    Attributes:
        taken: Set when nobody takes any more of it.
        answered: Whether the whole answer is there, after which its client may leave.
    """

    def __init__(self, receive: Receive) -> None:
        self.taken = asyncio.Event()
        self.answered = False
        self._receive = receive

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            more = message.get("more_body", False)
            if piece := message.get("body", b""):
                yield piece
        self.taken.set()

    async def client_left(self) -> None:
        """Return when the client has left."""
        await self.taken.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass  # what nobody took


def _passed_on(headers: Iterable[Header]) -> list[Header]:
    """A message's headers without those of its connection (RFC 9110, section 7.6.1)."""
    options = {
        option.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for option in value.split(b",")
    }
    left_out = _HOP_BY_HOP | (options - _NEVER_OPTIONS)
    lowered = ((name.lower(), value) for name, value in headers)
    return [header for header in lowered if header[0] not in left_out]


def _forwarded(scope: Scope) -> Iterator[Header]:
    """What the gateway says of the request."""
    client, root_path = scope.get("client"), scope.get("root_path", "")
    if client and client[0]:
        yield b"x-forwarded-for", client[0].encode()
    yield b"x-forwarded-proto", scope.get("scheme", "http").encode()
    if host := next((value for name, value in scope["headers"] if name == b"host"), b""):
        yield b"x-forwarded-host", host
    if root_path:
        yield b"x-forwarded-prefix", quote(root_path).encode()
    if scope.get(SHADOW):
        yield b"x-gateway-shadow", b"1"


def _start(response: httpx.Response) -> Message:
    headers = _passed_on(response.headers.raw)
    if response.status_code == _NO_CONTENT:
        # RFC 9110, section 8.6.
        headers = [header for header in headers if header[0] != b"content-length"]
    headers = [header for header in headers if header[0] not in _SERVERS]
    return {"type": "http.response.start", "status": response.status_code, "headers": headers}


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")
