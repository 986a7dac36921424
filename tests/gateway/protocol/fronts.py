"""Servers with the gateway's protocol and an application of a test's own, in a thread."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import trustme
import uvicorn
from starlette.types import Receive, Scope, Send

from gateway.protocol import ConnectionCounts, FrontDoorProtocol, RequestLimits

MIB = 1024 * 1024
PIECE = 256 * 1024


@dataclass
class Application:
    """Does what the path says, and remembers what became of it."""

    left: list[str] = field(default_factory=list)
    failed: list[BaseException] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            await self._answer(scope, receive, send)
        except Exception as error:
            self.failed.append(error)
            raise

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept" if path == "/ws" else "websocket.close"})
            while path == "/ws" and (await receive())["type"] != "websocket.disconnect":
                pass
            return
        if path == "/body":
            self.bodies.append(await whole_body(receive))
        size = int(path[1:]) if path[1:].isdigit() else 2
        headers = [] if path == "/endless" else [(b"content-length", b"%d" % size)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if path == "/endless":
            await self._stream(receive, send)
            return
        while size > PIECE:
            await send({"type": "http.response.body", "body": b"x" * PIECE, "more_body": True})
            size -= PIECE
        await send({"type": "http.response.body", "body": b"x" * size})

    async def _stream(self, receive: Receive, send: Send) -> None:
        """Send now and then until the client has left."""
        leaving = asyncio.ensure_future(leave(receive))
        while not leaving.done():
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.wait([leaving], timeout=0.02)
        self.left.append("endless")


async def whole_body(receive: Receive) -> bytes:
    """A request's body."""
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


async def leave(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


@dataclass
class Front:
    """A server that answers.

    Attributes:
        address: Where.
        app: What answers.
        counts: What its connections have seen.
        server: uvicorn's.
        tls: What a client needs, where it speaks TLS.
    """

    address: tuple[str, int]
    app: Application
    counts: ConnectionCounts
    server: uvicorn.Server
    tls: ssl.SSLContext | None

    @contextmanager
    def client(self, data: bytes = b"", receive_bytes: int = 0) -> Iterator[socket.socket]:
        """A connection on which something was sent."""
        plain = socket.socket()
        if receive_bytes:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        plain.settimeout(20)
        plain.connect(self.address)
        connection = plain
        if self.tls is not None:
            connection = self.tls.wrap_socket(plain, server_hostname="localhost")
        with connection:
            connection.sendall(data)
            yield connection

    def ask(self, data: bytes) -> bytes:
        """Everything that is answered on a connection of its own, to its end."""
        with self.client(data) as connection:
            return rest_of(connection)

    def wait_until_alone(self) -> None:
        """Wait until no connection is left, by any count."""
        wait_until(lambda: not self.server.server_state.connections and self.counts.open == 0)


def rest_of(connection: socket.socket) -> bytes:
    """What arrives until the end, or a reset."""
    received = b""
    try:
        while data := connection.recv(PIECE):
            received += data
    except (ConnectionResetError, ssl.SSLError):
        pass
    return received


def wait_until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


class _Config(uvicorn.Config):
    request_limits: RequestLimits
    connection_counts: ConnectionCounts


@contextmanager
def front(
    loop: Literal["asyncio", "uvloop"],
    folder: Path | None = None,
    *,
    keep_alive_seconds: int = 5,
    send_bytes: int = 0,
    **limits: Any,
) -> Iterator[Front]:
    """Serve until the block ends.

    Args:
        loop: The event loop.
        folder: Where certificates go; none for a server without TLS.
        keep_alive_seconds: How long a connection is kept.
        send_bytes: The systems' buffer for what is sent; 0 for its own choice.
        limits: `RequestLimits`.
    """
    files, tls = _certificates(folder) if folder else ({}, None)
    app = Application()
    config = _Config(
        app,
        http=FrontDoorProtocol,
        loop=loop,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=keep_alive_seconds,
        timeout_graceful_shutdown=1,
        **files,
    )
    config.request_limits = RequestLimits(**limits)
    config.connection_counts = ConnectionCounts()
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        if send_bytes:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_bytes)
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            wait_until(lambda: server.started)
            address = listener.getsockname()
            yield Front(address, app, config.connection_counts, server, tls)
        finally:
            server.should_exit = True
            thread.join(20)
    assert not thread.is_alive()


def _certificates(folder: Path) -> tuple[dict[str, Any], ssl.SSLContext]:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    chain, key = folder / "chain.pem", folder / "key.pem"
    key.write_bytes(certificate.private_key_pem.bytes())
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    tls = ssl.create_default_context()
    authority.configure_trust(tls)
    return {"ssl_certfile": str(chain), "ssl_keyfile": str(key)}, tls
