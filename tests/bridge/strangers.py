"""Raw connections to a gateway, many at a time, and projects for it to serve."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.gateway.projects import write_project
from tests.live.serving import Gateway, serving

ROOT = Path(__file__).parents[2]


@contextmanager
def serving_project(
    folder: Path, toml: str, modules: Mapping[str, str] | None = None, **env: str
) -> Iterator[Gateway]:
    """Serve a project that may import what the tests have."""
    write_project(folder, toml, modules)
    with serving(cwd=folder, env={"PYTHONPATH": str(ROOT), **env}) as gateway:
        yield gateway


def address_of(gateway: Gateway) -> tuple[str, int]:
    """Where a gateway listens."""
    parts = urlsplit(gateway.url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


def get(path: str, *, last: bool = False) -> bytes:
    """A request without a body; the last one on its connection, or not."""
    connection = "close" if last else "keep-alive"
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: {connection}\r\n\r\n".encode()


def post(path: str, body: bytes, framing: str) -> bytes:
    """A request, and as much of its body as is given."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{framing}\r\n\r\n"
    return head.encode() + body


def status_of(connection: socket.socket) -> int:
    """The status of the answer that comes."""
    return int(connection.recv(65536).split(b" ", 2)[1])


def rest_of(connection: socket.socket) -> bytes:
    """What comes until the server closes the connection, or breaks it off."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def close(connection: socket.socket, *, abruptly: bool) -> None:
    """Close a connection, with a reset or properly."""
    with contextlib.suppress(OSError):
        if abruptly:
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()


def read_then(
    connections: list[socket.socket],
    act: Callable[[socket.socket], object],
    seconds: float = 15,
) -> None:
    """Act on each connection once it has bytes to read, in the order in which they come."""
    left = {connection.fileno(): connection for connection in connections}
    with selectors.DefaultSelector() as selector:
        for number in left:
            selector.register(number, selectors.EVENT_READ)
        deadline = time.monotonic() + seconds
        while left:
            assert time.monotonic() < deadline, f"{len(left)} got nothing"
            for key, _ in selector.select(0.5):
                selector.unregister(key.fd)
                act(left.pop(key.fd))


class Strangers:
    """Many raw connections at once; all closed at the end."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self.sockets: list[socket.socket] = []

    def connect(self, request: bytes, *, receive_buffer: int = 0) -> socket.socket:
        """Connect and send."""
        connection = socket.socket()
        self.sockets.append(connection)
        connection.settimeout(10)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect(self._address)
        connection.sendall(request)
        return connection

    def leave(self, *, abruptly: bool = False) -> None:
        """Close all connections, with a reset or properly."""
        for connection in self.sockets:
            close(connection, abruptly=abruptly)
        self.sockets.clear()
