"""Both stacks behind a whole gateway, in process, asked as a server would ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock
from urllib.parse import quote

from a2wsgi import WSGIMiddleware
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse, RedirectResponse, StreamingResponse
from flask import Flask, redirect, request, url_for
from flask import Response as FlaskResponse
from starlette.types import Message

from gateway.app import Gateway, create_app
from gateway.config import Settings
from gateway.edge import RateLimits
from gateway.health import Health
from gateway.loading import Interface, Service
from tests.gateway.asgi import running

KEY = "0123456789abcdef0123"
STRANGER = ("198.51.100.7", 40000)
SECONDS = 20


@dataclass
class Answer:
    """What was answered.

    Attributes:
        status: 0 where nothing was; the connection is closed then.
        headers: As they were sent.
        body: All of it.
        complete: Whether it ended as it should.
        raised: What came after it.
    """

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    complete: bool = False
    raised: Exception | None = None

    def header(self, name: str) -> str | None:
        """A header; None where it was not sent. Sent twice, it is joined."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body as what it describes."""
        return json.loads(self.body)


@dataclass
class Front:
    """A running gateway."""

    app: Gateway
    health: Health

    async def get(self, path: str, **headers: str) -> Answer:
        """Ask, with headers whose names are spelled with underscores for hyphens."""
        return await self.ask("GET", path, {k.replace("_", "-"): v for k, v in headers.items()})

    async def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes | Sequence[bytes] | None = None,
        *,
        client: tuple[str, int] | None = STRANGER,
        stalls: bool = False,
        pause: float = 0.0,
        **more: Any,
    ) -> Answer:
        """One request.

        Args:
            method: Its method.
            path: Decoded, with a query maybe.
            headers: Its headers; a Host is added.
            body: Announced where it is bytes; in pieces, as chunked, where it is a sequence.
            client: Who asks; None over a Unix socket.
            stalls: Whether the body's last piece never arrives.
            pause: How long each piece of the body takes, in seconds.
            more: Over the rest of the scope.
        """
        pieces = [] if body is None else [body] if isinstance(body, bytes) else list(body)
        scope = {**_scope(path, _framed(headers, body)), "method": method, "client": client, **more}
        answer = Answer()
        gone = asyncio.Event()

        async def receive() -> Message:
            if pieces:
                await asyncio.sleep(pause)
                piece = pieces.pop(0)
                return {"type": "http.request", "body": piece, "more_body": bool(pieces) or stalls}
            if stalls or answered:
                await gone.wait()
                return {"type": "http.disconnect"}
            answered.append(True)
            return {"type": "http.request", "body": b"", "more_body": False}

        answered: list[bool] = [True] if pieces else []

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = [
                    (name.decode("latin-1").lower(), value.decode("latin-1"))
                    for name, value in message["headers"]
                ]
            elif message["type"] == "http.response.body":
                answer.body += message.get("body", b"")
                if not message.get("more_body"):
                    answer.complete = True
                    gone.set()

        # A task of its own, as a server's: what ends the request must not end the test.
        try:
            await asyncio.wait_for(asyncio.create_task(self._call(scope, receive, send)), SECONDS)
        except Exception as error:
            # A server logs what comes after an answer, and closes the connection.
            answer.raised = error
            if not answer.complete:
                raise
        return answer

    async def _call(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)

    @asynccontextmanager
    async def websocket(self, path: str, **headers: str) -> AsyncIterator[WebSocketClient]:
        """Open a WebSocket until the block ends."""
        pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
        scope = {**_scope(path, pairs), "type": "websocket", "scheme": "ws", "subprotocols": []}
        client = WebSocketClient()
        await client.incoming.put({"type": "websocket.connect"})
        task = asyncio.create_task(self._call(scope, client.incoming.get, client.sent.put))
        try:
            yield client
        finally:
            await client.incoming.put({"type": "websocket.disconnect", "code": 1000})
            await asyncio.wait_for(task, SECONDS)


def _framed(
    headers: Mapping[str, str] | Iterable[tuple[str, str]], body: bytes | Sequence[bytes] | None
) -> list[tuple[str, str]]:
    """The headers, with what announces the body where they do not."""
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    if body is None or any(name.lower() == "content-length" for name, _ in pairs):
        return pairs
    if isinstance(body, bytes):
        return [*pairs, ("content-length", str(len(body)))]
    return [*pairs, ("transfer-encoding", "chunked")]


def _scope(path: str, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    raw, _, query = path.partition("?")
    if not any(name.lower() == "host" for name, _ in pairs):
        pairs = [("host", "public.test"), *pairs]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "path": raw,
        "raw_path": quote(raw).encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in pairs],
        "client": STRANGER,
        "server": ("127.0.0.1", 8000),
        "scheme": "http",
    }


@dataclass
class WebSocketClient:
    """The client's end of a WebSocket."""

    incoming: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    sent: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)

    async def next(self) -> Message:
        """The next message of the service."""
        return await asyncio.wait_for(self.sent.get(), SECONDS)


@asynccontextmanager
async def front(
    *services: Service,
    edge: Mapping[str, Any] | None = None,
    mount: Mapping[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Front]:
    """A running gateway.

    Args:
        services: What it serves; both stacks where none is given.
        edge: The edge's settings.
        mount: Settings over those of every mount.
        settings: Other tables.
    """
    served = []
    for service in services or both():
        changed = service.mount.model_copy(update=dict(mount or {}))
        served.append(
            Service(type(changed)(**changed.model_dump()), service.app, service.interface)
        )
    checked = Settings(
        edge=dict(edge or {}), mounts=[one.mount.model_dump() for one in served], **settings
    )
    health = Health()
    stores: list[RateLimits] = []

    def store(url: str) -> RateLimits:
        stores.append(RateLimits(url))
        return stores[-1]

    adapters: list[WSGIMiddleware] = []

    def adapter(app: Any, workers: int) -> WSGIMiddleware:
        adapters.append(WSGIMiddleware(app, workers))
        return adapters[-1]

    with (
        mock.patch("gateway.app.RateLimits", store),
        mock.patch("gateway.adapters.WSGIMiddleware", adapter),
    ):
        app = create_app(checked, served, health)
    try:
        async with running(app):
            yield Front(app, health)
    finally:
        for one_adapter in adapters:
            # Its threads hand `Queue.put(...)` to the loop, also for a request that was given up;
            # with the loop closed nobody would ever await it.
            await asyncio.to_thread(one_adapter.executor.shutdown)
        for one in stores:
            await one.close()


def service(
    app: Any, name: str, interface: Interface = "asgi", prefix: str | None = None, **mount: Any
) -> Service:
    """A service under `/name`."""
    table = {"name": name, "prefix": prefix or f"/{name}", "app": "not:imported", **mount}
    settings = Settings(mounts=[table]).mounts[0]
    return Service(settings, app, interface)


def both() -> list[Service]:
    """A Flask app at `/flask`, and again by the other adapter at `/old`; FastAPI at `/fastapi`."""
    return [
        service(flask_app(), "flask", "wsgi"),
        service(flask_app(), "old", "wsgi", adapter="a2wsgi"),
        service(fastapi_app(), "fastapi"),
    ]


MOUNTS = ["/flask", "/old", "/fastapi"]


def flask_app() -> Flask:
    """Tells whom it believes a request to be from and for."""
    app = Flask(__name__)
    app.secret_key = KEY

    @app.get("/seen")
    def seen() -> dict[str, Any]:
        return {
            "client": request.remote_addr or "",
            "host": request.host,
            "scheme": request.scheme,
            "link": url_for("seen", _external=True),
            "headers": {name.lower(): value for name, value in request.headers},
        }

    @app.get("/turn")
    def turn() -> Any:
        return redirect(url_for("seen"))

    @app.get("/slash/")
    def slash() -> str:
        return "slash"

    @app.post("/read")
    def read() -> str:
        return str(len(request.get_data()))

    @app.post("/swallow")
    def swallow() -> str:
        try:
            return str(len(request.get_data()))
        except Exception:  # noqa: BLE001
            return "swallowed"

    @app.get("/text")
    def text() -> FlaskResponse:
        return FlaskResponse("text " * 1000, mimetype="text/plain")

    @app.get("/own-headers")
    def own_headers() -> FlaskResponse:
        return FlaskResponse("", headers={"X-Frame-Options": "of the service"})

    @app.get("/fail")
    def fail() -> str:
        raise RuntimeError("of the service")

    return app


def fastapi_app() -> FastAPI:
    """The same, with what only an ASGI service does."""
    app = FastAPI()

    @app.get("/seen")
    async def seen(request: Request) -> dict[str, Any]:
        return {
            "client": request.client.host if request.client else "",
            "host": request.url.netloc,
            "scheme": request.url.scheme,
            "link": str(request.url_for("seen")),
            "headers": dict(request.headers),
        }

    @app.get("/turn")
    async def turn(request: Request) -> RedirectResponse:
        return RedirectResponse(request.url_for("seen").path, 302)

    @app.get("/slash/")
    async def slash() -> str:
        return "slash"

    @app.post("/read")
    async def read(request: Request) -> int:
        return len(await request.body())

    @app.post("/swallow")
    async def swallow(request: Request) -> str:
        try:
            return str(len(await request.body()))
        except Exception:  # noqa: BLE001
            return "swallowed"

    @app.get("/text")
    async def text() -> PlainTextResponse:
        return PlainTextResponse("text " * 1000)

    @app.get("/own-headers")
    async def own_headers() -> PlainTextResponse:
        return PlainTextResponse("", headers={"X-Frame-Options": "of the service"})

    @app.get("/fail")
    async def fail() -> str:
        raise RuntimeError("of the service")

    _add_endless(app)
    return app


def _add_endless(app: FastAPI) -> None:
    @app.get("/events")
    async def events() -> StreamingResponse:
        async def forever() -> AsyncIterator[str]:
            yield "data: " + "x" * 2000 + "\n\n"
            await asyncio.Event().wait()

        return StreamingResponse(forever(), media_type="text/event-stream")

    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        async for message in websocket.iter_text():
            await websocket.send_text(message)
