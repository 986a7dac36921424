"""A service at an address: what is passed on to it, and what comes of its answers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gzip
import json
import logging
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvicorn
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.exchange import ExchangeMiddleware
from gateway.problems import GaveUp, ProblemsMiddleware
from gateway.switch.remote import RemoteService, TooLate, Unreachable
from gateway.switch.sides import SHADOW
from tests.gateway.asgi import running
from tests.live.serving import wait_until

PIECE = 65_536


class Service:
    """A service that keeps what it was asked and answers as it is told.

    Attributes:
        scopes: Of the requests.
        pieces: Of the bodies.
        left: How often a client left before the answer.
        go_on: Waited for in the middle of a slow answer.
    """

    def __init__(self) -> None:
        self.url = ""
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.scopes: list[Scope] = []
        self.pieces: list[bytes] = []
        self.left = 0
        self.go_on = threading.Event()
        self.status = 200
        self.headers: list[tuple[bytes, bytes]] = [(b"content-type", b"text/plain")]
        self.body: bytes = b"done"
        self.slow = False

    @property
    def asked(self) -> dict[bytes, list[bytes]]:
        """The headers of the last request."""
        found: dict[bytes, list[bytes]] = {}
        for name, value in self.scopes[-1]["headers"]:
            found.setdefault(name, []).append(value)
        return found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left += 1
                return
            more = message["more_body"]
            if message["body"]:
                self.pieces.append(message["body"])
        if scope["path"].endswith("/never"):
            await receive()
            self.left += 1
            return
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        if self.slow:
            await send({"type": "http.response.body", "body": b"first,", "more_body": True})
            leaving = asyncio.ensure_future(receive())
            while not self.go_on.is_set() and not leaving.done():  # noqa: ASYNC110 - of a thread
                await asyncio.sleep(0.005)
            self.left += leaving.done()
            leaving.cancel()
        await send({"type": "http.response.body", "body": self.body})


@pytest.fixture(scope="module")
def _served() -> Iterator[Service]:
    app = Service()
    config = uvicorn.Config(
        app, port=0, lifespan="off", ws="none", log_level="critical", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        host, port = server.servers[0].sockets[0].getsockname()
        app.url = f"http://{host}:{port}"
        yield app
    finally:
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def service(_served: Service) -> Service:
    """A service in a thread."""
    _served.clear()
    return _served


@pytest.fixture
async def remote(service: Service) -> AsyncIterator[RemoteService]:
    """What passes requests on to it, running."""
    app = RemoteService(service.url, read_seconds=20)
    async with running(app):
        yield app


def request(path: str = "/api/items", method: str = "GET", **more: Any) -> Scope:
    """A request as a server gives it."""
    headers = [(b"host", b"shop.example"), (b"x-request-id", b"id-1"), *more.pop("headers", ())]
    return {
        "type": "http",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "/api",
        "client": ("192.0.2.7", 1234),
        "headers": headers,
        **more,
    }


class Client:
    """Sends a request as it is told, and takes the answer.

    Attributes:
        sent: What the application has sent.
        messages: What it receives.
    """

    def __init__(self, *messages: Message) -> None:
        self.sent: list[Message] = []
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        for message in messages or (body(b""),):
            self.messages.put_nowait(message)

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def ask(self, app: ASGIApp, scope: Scope) -> None:
        """One request, to its end."""
        await app(scope, self.messages.get, self.send)

    def leave(self) -> None:
        self.messages.put_nowait({"type": "http.disconnect"})

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        headers: list[tuple[bytes, bytes]] = self.sent[0]["headers"]
        return headers

    @property
    def body(self) -> bytes:
        assert [message.get("more_body", False) for message in self.sent[1:]] == [
            *[True] * (len(self.sent) - 2),
            False,
        ]
        return b"".join(message["body"] for message in self.sent[1:])


def body(piece: bytes, more: bool = False) -> Message:
    return {"type": "http.request", "body": piece, "more_body": more}


async def until(condition: Callable[[], Any]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - of another thread
            await asyncio.sleep(0.005)


# --- The request ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw_path", "query"),
    [
        (b"/api/a%2Fb/%7Ex//c;d=1/%C3%A9", b"q=%20+&q=&=%2f"),
        (b"/api/", b""),
        (b"/api/%e2%82%ac", b"a=1?b=2"),
        (b"/api/a|b'(c)[d]", b"x=|{}"),
    ],
)
async def test_path_and_query_pass_as_they_came(
    remote: RemoteService, service: Service, raw_path: bytes, query: bytes
) -> None:
    """With the prefix, and in the client's own spelling."""
    client = Client()
    await client.ask(remote, request(raw_path=raw_path, query_string=query))
    scope = service.scopes[-1]
    assert (scope["raw_path"], scope["query_string"]) == (raw_path, query)
    assert client.body == b"done"


async def test_a_path_is_escaped_where_the_server_does_not_tell_its_raw_form(
    remote: RemoteService, service: Service
) -> None:
    """As ASGI leaves it open."""
    await Client().ask(remote, request("/api/é b", raw_path=None))
    assert service.scopes[-1]["raw_path"] == b"/api/%C3%A9%20b"


async def test_an_address_may_have_a_path_of_its_own(service: Service) -> None:
    """Before that of the request."""
    for address in (f"{service.url}/base", f"{service.url}/base/"):
        app = RemoteService(address)
        async with running(app):
            await Client().ask(app, request("/api/x", query_string=b"y"))
        assert service.scopes[-1]["raw_path"] == b"/base/api/x"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"])
async def test_the_method_passes(remote: RemoteService, service: Service, method: str) -> None:
    """Whichever it is."""
    await Client().ask(remote, request(method=method))
    assert service.scopes[-1]["method"] == method


async def test_the_gateway_says_who_asked_and_for_what(
    remote: RemoteService, service: Service
) -> None:
    """What the client says of itself is replaced; its Host stays."""
    lies = [
        (b"forwarded", b"for=6.6.6.6"),
        (b"x-forwarded-for", b"6.6.6.6"),
        (b"x-forwarded-for", b"7.7.7.7"),
        (b"x-forwarded-proto", b"gopher"),
        (b"x-forwarded-host", b"evil.example"),
        (b"x-forwarded-port", b"1"),
        (b"x-forwarded-prefix", b"/evil"),
        (b"x-gateway-shadow", b"1"),
    ]
    await Client().ask(remote, request(headers=lies))
    asked = service.asked
    assert {name: asked[name] for name in asked if name not in {b"accept", b"connection"}} == {
        b"host": [b"shop.example"],
        b"x-request-id": [b"id-1"],
        b"x-forwarded-for": [b"192.0.2.7"],
        b"x-forwarded-proto": [b"https"],
        b"x-forwarded-host": [b"shop.example"],
        b"x-forwarded-prefix": [b"/api"],
    }


async def test_what_is_not_known_of_the_client_is_not_said(
    remote: RemoteService, service: Service
) -> None:
    """A Unix socket has no address, and a switch at the root no prefix."""
    lies = [(b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-prefix", b"/evil")]
    await Client().ask(remote, request(headers=lies, client=None, root_path=""))
    assert not {b"x-forwarded-for", b"x-forwarded-prefix"} & service.asked.keys()


async def test_a_request_without_a_host_has_that_of_the_address(
    remote: RemoteService, service: Service
) -> None:
    """HTTP/1.0 needs none, HTTP/1.1 does."""
    await Client().ask(remote, {**request(), "headers": []})
    assert service.asked[b"host"] == [service.url.removeprefix("http://").encode()]


async def test_headers_of_the_connection_end_here(remote: RemoteService, service: Service) -> None:
    """RFC 9110, section 7.6.1; all others pass as they are, repeated ones too."""
    of_the_connection = [
        (b"connection", b"close, X-Mine"),
        (b"connection", b"host, content-length ,X-Request-ID"),
        (b"keep-alive", b"timeout=5"),
        (b"proxy-authorization", b"Basic x"),
        (b"proxy-connection", b"keep-alive"),
        (b"te", b"trailers"),
        (b"trailer", b"x-sum"),
        (b"upgrade", b"h2c"),
        (b"expect", b"100-continue"),
        (b"x-mine", b"1"),
    ]
    others = [
        (b"accept-encoding", b"br"),
        (b"authorization", b"Bearer t"),
        (b"content-length", b"2"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"x-latin", "é".encode("latin-1")),
    ]
    client = Client(body(b"ok"))
    await client.ask(remote, request(method="POST", headers=[*of_the_connection, *others]))
    headers = service.scopes[-1]["headers"]
    gone = {name for name, _ in of_the_connection}
    assert [header for header in headers if header[0] in gone] == []
    assert [header for header in headers if header in others] == others
    assert service.asked[b"host"] == [b"shop.example"]
    assert service.asked[b"x-request-id"] == [b"id-1"]
    assert b"user-agent" not in service.asked


@pytest.mark.parametrize("shadow", [False, True])
async def test_a_shadow_is_told_that_it_is_one(
    remote: RemoteService, service: Service, shadow: bool
) -> None:
    """As a service in the process is by its scope."""
    await Client().ask(remote, {**request(), SHADOW: shadow})
    assert service.asked.get(b"x-gateway-shadow") == ([b"1"] if shadow else None)


@pytest.mark.parametrize(
    "framing",
    [
        [(b"content-length", b"8")],
        [(b"transfer-encoding", b"chunked")],
        [(b"content-length", b"999"), (b"transfer-encoding", b"chunked")],
    ],
    ids=["length", "chunked", "both"],
)
async def test_a_body_passes_while_it_arrives(
    remote: RemoteService, service: Service, framing: list[tuple[bytes, bytes]]
) -> None:
    """The first piece is there before the client has sent the second."""
    client = Client(body(b"one,", more=True))
    task = asyncio.create_task(client.ask(remote, request(method="POST", headers=framing)))
    await until(lambda: service.pieces == [b"one,"])
    client.messages.put_nowait(body(b"two.", more=False))
    await task
    assert b"".join(service.pieces) == b"one,two."
    assert client.body == b"done"
    names = [name for name, _ in framing][-1:]
    framed = {b"content-length", b"transfer-encoding"} & service.asked.keys()
    assert framed == set(names)


async def test_large_bodies_arrive_whole_on_both_sides(
    remote: RemoteService, service: Service
) -> None:
    """Every byte, in order."""
    sent = os.urandom(3_000_000)
    service.body = os.urandom(3_000_000)
    pieces = [sent[at : at + PIECE] for at in range(0, len(sent), PIECE)]
    client = Client(*(body(piece, more=True) for piece in pieces), body(b""))
    framing = [(b"content-length", b"%d" % len(sent))]
    await client.ask(remote, request(method="PUT", headers=framing))
    assert b"".join(service.pieces) == sent
    assert client.body == service.body


# --- The answer -------------------------------------------------------------------------------


async def test_an_answer_passes_while_it_comes(remote: RemoteService, service: Service) -> None:
    """Piece by piece, as server-sent events need it."""
    service.slow = True
    client = Client()
    task = asyncio.create_task(client.ask(remote, request()))
    await until(lambda: len(client.sent) == 2)
    assert client.sent[1] == {
        "type": "http.response.body",
        "body": b"first,",
        "more_body": True,
    }
    service.go_on.set()
    await task
    assert client.body == b"first,done"


async def test_an_answer_passes_undecoded_with_all_its_headers(
    remote: RemoteService, service: Service
) -> None:
    """Bytes as they are, each cookie by itself, and nothing of the connection or the server."""
    packed = gzip.compress(b"text" * 100)
    headers = [
        (b"Content-Type", b"text/plain"),
        (b"content-encoding", b"gzip"),
        (b"content-length", b"%d" % len(packed)),
        (b"set-cookie", b"a=1; Path=/"),
        (b"set-cookie", b"b=2; Expires=Thu, 01 Jan 2099 00:00:00 GMT"),
        (b"x-latin", "é".encode("latin-1")),
    ]
    service.body = packed
    service.headers = [*headers, (b"keep-alive", b"timeout=5"), (b"x-mine", b"1")]
    service.headers += [(b"connection", b"x-mine"), (b"proxy-authenticate", b"Basic")]
    client = Client()
    await client.ask(remote, request())
    assert client.body == packed
    found = [header for header in client.headers if header[0] != b"server"]
    assert found == [(name.lower(), value) for name, value in headers]


async def test_a_redirect_is_the_clients_to_follow(remote: RemoteService, service: Service) -> None:
    """It passes like any other answer."""
    service.status, service.headers = 302, [(b"location", b"/api/other")]
    client = Client()
    await client.ask(remote, request())
    assert client.status == 302
    assert (b"location", b"/api/other") in client.headers
    assert len(service.scopes) == 1


async def test_a_cookie_of_one_client_is_not_sent_for_another(
    remote: RemoteService, service: Service
) -> None:
    """Nothing of an answer is kept."""
    service.headers = [(b"set-cookie", b"session=of-ann; Path=/")]
    await Client().ask(remote, request())
    await Client().ask(remote, request())
    assert b"cookie" not in service.asked


@pytest.mark.parametrize(
    ("method", "status", "length"),
    [("HEAD", 200, True), ("HEAD", 404, True), ("GET", 304, False), ("GET", 204, False)],
)
async def test_an_answer_without_a_body_has_none(
    remote: RemoteService, service: Service, method: str, status: int, length: bool
) -> None:
    """Its Content-Length is that of the answer to a GET, where it may have one."""
    service.status, service.body = status, b""
    service.headers = [(b"content-length", b"4000")] if length else []
    for _ in range(2):
        client = Client()
        await client.ask(remote, request(method=method))
        assert (client.status, client.body) == (status, b"")
        assert ((b"content-length", b"4000") in client.headers) == length
    # The connection was good for both.
    assert len({scope["client"] for scope in service.scopes}) == 1


async def test_proxies_of_the_environment_are_not_asked(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address is where it says."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    app = RemoteService(service.url)
    async with running(app):
        client = Client()
        await client.ask(app, request())
    assert client.body == b"done"


async def test_no_log_line_has_a_query(
    remote: RemoteService, caplog: pytest.LogCaptureFixture
) -> None:
    """Which may hold what is nobody's business."""
    caplog.set_level(logging.INFO)
    await Client().ask(remote, request(query_string=b"token=secret"))
    assert "secret" not in caplog.text


# --- Who leaves -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/never", "/api/slow"])
async def test_a_client_that_leaves_ends_the_request_to_the_service(
    remote: RemoteService, service: Service, path: str
) -> None:
    """Before the answer, or in the middle of it."""
    service.slow = True
    client = Client()
    task = asyncio.create_task(client.ask(remote, request(path)))
    await until(lambda: service.scopes and (path == "/api/never" or len(client.sent) == 2))
    client.leave()
    with pytest.raises(ClientDisconnect):
        await asyncio.wait_for(task, 5)
    await until(lambda: service.left == 1)


@pytest.mark.parametrize("path", ["/api/never", "/api/slow"])
async def test_a_client_that_leaves_after_its_body_ends_the_request_to_the_service(
    remote: RemoteService, service: Service, path: str
) -> None:
    """As where there is none."""
    service.slow = True
    client = Client(body(b"one"))
    framing = [(b"content-length", b"3")]
    task = asyncio.create_task(client.ask(remote, request(path, "POST", headers=framing)))
    await until(lambda: service.pieces and (path == "/api/never" or len(client.sent) == 2))
    await asyncio.sleep(0.02)
    client.leave()
    with pytest.raises(ClientDisconnect):
        await asyncio.wait_for(task, 5)
    await until(lambda: service.left == 1)


async def test_an_answer_that_its_client_does_not_take_ends_the_request_to_the_service(
    remote: RemoteService, service: Service
) -> None:
    """The server raises when there is nobody to send it to."""
    service.slow = True

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await remote(request(), Client().messages.get, send)
    await until(lambda: service.left == 1)


async def test_a_client_that_leaves_in_its_body_ends_the_request_to_the_service(
    remote: RemoteService, service: Service
) -> None:
    """A body cut short is never seen as complete."""
    client = Client(body(b"one", more=True))
    framing = [(b"transfer-encoding", b"chunked")]
    task = asyncio.create_task(client.ask(remote, request(method="POST", headers=framing)))
    await until(lambda: service.pieces)
    client.leave()
    with pytest.raises(ClientDisconnect):
        await asyncio.wait_for(task, 5)
    await until(lambda: service.left == 1)


@pytest.mark.parametrize("path", ["/api/never", "/api/slow"])
async def test_a_cancelled_request_is_one_to_the_service_too(
    remote: RemoteService, service: Service, path: str
) -> None:
    """By a deadline, or by the drain; and the next one is answered."""
    service.slow = True
    client = Client()
    task = asyncio.create_task(client.ask(remote, request(path)))
    await until(lambda: service.scopes and (path == "/api/never" or len(client.sent) == 2))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    await until(lambda: service.left == 1)
    service.slow = False
    again = Client()
    await again.ask(remote, request())
    assert again.body == b"done"


async def test_a_client_that_leaves_after_its_answer_costs_no_connection(
    remote: RemoteService, service: Service
) -> None:
    """It is kept for the next."""
    for _ in range(3):
        messages = [body(b"")]
        sent: list[Message] = []
        complete = asyncio.Event()

        async def receive(messages: list[Message], complete: asyncio.Event) -> Message:
            if messages:
                return messages.pop()
            await complete.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message, sent: list[Message], complete: asyncio.Event) -> None:
            sent.append(message)
            if not message.get("more_body", True):
                complete.set()
                await asyncio.sleep(0.01)

        await remote(
            request(),
            functools.partial(receive, messages, complete),
            functools.partial(send, sent=sent, complete=complete),
        )
    assert len({scope["client"] for scope in service.scopes}) == 1


async def test_what_the_edge_raises_while_the_body_is_read_is_raised(
    remote: RemoteService, service: Service
) -> None:
    """Such as that it is too large."""
    messages = [body(b"one", more=True)]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        raise TooLate

    framing = [(b"transfer-encoding", b"chunked")]
    with pytest.raises(TooLate):
        await remote(request(method="POST", headers=framing), receive, Client().send)
    await until(lambda: service.left == 1)


# --- Services that fail -----------------------------------------------------------------------

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@contextlib.asynccontextmanager
async def raw(script: Script, **options: Any) -> AsyncIterator[tuple[RemoteService, list[int]]]:
    """What answers each connection by a script, and the numbers of its connections."""
    asked: list[int] = []
    ends = asyncio.Event()
    answering: set[asyncio.Task[None]] = set()

    def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(len(asked))
        answering.add(asyncio.ensure_future(play(reader, writer)))

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told = asyncio.ensure_future(script(reader, writer))
        ending = asyncio.ensure_future(ends.wait())
        await asyncio.wait({told, ending}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        ending.cancel()
        await asyncio.gather(told, ending, return_exceptions=True)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    app = RemoteService(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", **options)
    async with server:
        async with running(app):
            yield app, asked
        ends.set()
        await asyncio.gather(*answering)


def saying(data: bytes) -> Script:
    """Reads a request's head, says something, and closes."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()

    return script


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _stuck(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    await reader.read()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
)
async def test_who_speaks_no_http_is_unreachable(
    said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """502, once; the client is not told the address, the log is."""
    client = Client()
    async with raw(saying(said)) as (app, asked):
        with pytest.raises(Unreachable) as failed:
            await client.ask(app, request())
        assert asked == [0]
    assert client.sent == []
    assert failed.value.status == 502
    assert app.address not in f"{failed.value.detail} {failed.value}"
    (line,) = caplog.messages
    assert line.startswith(f"request id-1: {app.address} could not be asked: ")


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nx",
    ],
)
async def test_a_broken_answer_is_never_a_whole_one(said: bytes) -> None:
    """What has begun is broken off, and its client knows."""
    client = Client()
    async with raw(saying(said)) as (app, _):
        with pytest.raises(GaveUp, match="broke off its answer"):
            await client.ask(app, request())
    assert client.status == 200
    assert all(message.get("more_body", True) for message in client.sent)


async def test_an_answer_that_ends_with_its_connection_is_whole() -> None:
    """As in HTTP/1.0."""
    client = Client()
    async with raw(saying(b"HTTP/1.0 200 OK\r\n\r\nabc")) as (app, _):
        await client.ask(app, request())
    assert client.body == b"abc"


async def test_a_service_that_says_nothing_is_too_late() -> None:
    """504 before its answer, broken off in the middle of it."""
    async with raw(_silent, read_seconds=0.1) as (app, _):
        with pytest.raises(TooLate) as failed:
            await Client().ask(app, request())
    assert failed.value.status == 504
    assert app.address not in f"{failed.value.detail} {failed.value}"
    client = Client()
    async with raw(_stuck, read_seconds=0.1) as (app, _):
        with pytest.raises(GaveUp, match="ReadTimeout"):
            await client.ask(app, request())
    assert b"".join(message.get("body", b"") for message in client.sent) == b"abc"


async def test_a_service_that_takes_nothing_of_a_body_is_too_late() -> None:
    """Its buffers are full, and it neither reads nor answers."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(3)

    async with raw(script, read_seconds=0.1) as (app, _):
        framing = [(b"transfer-encoding", b"chunked")]
        client = Client(*[body(bytes(1_000_000), more=True)] * 20)
        with pytest.raises(TooLate):
            await client.ask(app, request(method="POST", headers=framing))


async def test_an_answer_before_the_end_of_the_body_passes() -> None:
    """A service that will not have it says so and closes."""
    refusal = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno."

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(refusal)
        await writer.drain()
        while await reader.read(PIECE):
            pass

    async with raw(script) as (app, _):
        framing = [(b"transfer-encoding", b"chunked")]
        pieces = [body(bytes(PIECE), more=True)] * 20
        client = Client(*pieces, body(b""))
        await client.ask(app, request(method="POST", headers=framing))
    assert (client.status, client.body) == (413, b"no.")


async def test_a_client_may_leave_in_the_middle_of_an_early_answer() -> None:
    """Also where nobody takes the rest of its body."""
    early = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\n\r\nno."

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        sock: socket.socket = writer.get_extra_info("socket")
        writer.write(early)
        await writer.drain()
        sock.shutdown(socket.SHUT_RD)
        await asyncio.sleep(20)

    async with raw(script) as (app, _):
        framing = [(b"transfer-encoding", b"chunked")]
        client = Client(*[body(bytes(PIECE), more=True)] * 3)
        task = asyncio.create_task(client.ask(app, request(method="POST", headers=framing)))
        await asyncio.sleep(0.02)
        client.leave()
        with pytest.raises(ClientDisconnect):
            await asyncio.wait_for(task, 5)


@pytest.mark.parametrize(("status", "headers"), [(204, []), (304, [(b"content-length", b"4000")])])
async def test_an_answer_has_a_length_where_it_may_have_one(
    status: int, headers: list[tuple[bytes, bytes]]
) -> None:
    """RFC 9110, section 8.6; neither has a body."""
    client = Client()
    async with raw(saying(b"HTTP/1.1 %d X\r\nContent-Length: 4000\r\n\r\n" % status)) as (app, _):
        await client.ask(app, request())
    assert (client.status, client.headers, client.body) == (status, headers, b"")


async def test_nobody_there_is_unreachable() -> None:
    """A port that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and not listened to
        app = RemoteService(f"http://127.0.0.1:{taken.getsockname()[1]}")
        async with running(app):
            with pytest.raises(Unreachable):
                await Client().ask(app, request())


async def test_who_does_not_take_the_connection_is_too_late() -> None:
    """A listener whose backlog is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        app = RemoteService(
            f"http://127.0.0.1:{listener.getsockname()[1]}", connect_seconds=0.1, read_seconds=20
        )
        async with running(app):
            with pytest.raises(TooLate):
                await Client().ask(app, request())


async def test_a_connection_that_was_closed_meanwhile_is_not_used_again() -> None:
    """The service may close those that nobody uses."""
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
    async with raw(saying(said)) as (app, asked):
        for _ in range(3):
            client = Client()
            await client.ask(app, request())
            assert client.body == b"abc"
            await asyncio.sleep(0.02)
        assert asked == [0, 1, 2]


@pytest.mark.parametrize(
    ("script", "status"), [(saying(b"garbage\r\n\r\n"), 502), (_silent, 504)], ids=["502", "504"]
)
async def test_the_client_gets_a_problem_document_without_the_address(
    script: Script, status: int
) -> None:
    """As for every error of the gateway's own."""
    async with raw(script, read_seconds=0.1) as (app, _):
        client = Client()
        whole = ExchangeMiddleware(ProblemsMiddleware(app))
        await client.ask(whole, {**request(), "headers": [(b"host", b"shop.example")]})
    problem = json.loads(client.body)
    assert client.status == problem["status"] == status
    assert problem["instance"] == "/api/items"
    assert app.address not in str(client.sent)
    assert app.address.split(":")[-1] not in problem["detail"]


# --- Its life ---------------------------------------------------------------------------------


async def test_a_websocket_is_refused(remote: RemoteService, service: Service) -> None:
    """Before it is accepted: 403 on the wire."""
    client = Client({"type": "websocket.connect"})
    await client.ask(remote, {**request(), "type": "websocket", "scheme": "wss"})
    assert client.sent == [{"type": "websocket.close", "code": 1008}]
    assert service.scopes == []


async def test_it_is_asked_within_its_lifespan_only(service: Service) -> None:
    """Connections are closed with it."""
    app = RemoteService(service.url)
    with pytest.raises(RuntimeError, match="before its lifespan or after it"):
        await Client().ask(app, request())
    for _ in range(2):
        async with running(app):
            client = Client()
            await client.ask(app, request())
            assert client.body == b"done"
    with pytest.raises(RuntimeError, match="before its lifespan or after it"):
        await Client().ask(app, request())


@pytest.mark.parametrize(
    "address",
    ["", "localhost:9000", "ftp://a", "http://", "http://a?b=1", "http://ann:secret@a", "/a"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    """Before anything starts."""
    with pytest.raises(ValueError, match="is no address such as"):
        RemoteService(address)


async def test_an_unknown_service_is_not_trusted() -> None:
    """With https, its certificate is looked at; whom it is of, too."""
    app = RemoteService("https://127.0.0.1:1")
    async with running(app):
        assert app._transport is not None
        context = app._transport._pool._ssl_context
        assert context is not None
        assert context.check_hostname
