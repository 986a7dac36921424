"""Raw HTTP/1.1 requests over sockets, and answers taken apart for comparison."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, field

SECONDS = 10


@dataclass(frozen=True)
class Raw:
    """A request, byte for byte, but for its prefix.

    Attributes:
        target: Below the prefix; `None` for the prefix alone.
        headers: After Host, as they are sent.
        body: What follows the head.
    """

    target: bytes
    method: bytes = b"GET"
    headers: tuple[bytes, ...] = ()
    body: bytes = b""
    host: bytes = b"example.test"
    version: bytes = b"HTTP/1.1"

    def encode(self, prefix: bytes) -> bytes:
        """What is sent."""
        lines = [
            b"%s %s%s %s" % (self.method, prefix, self.target, self.version),
            b"Host: " + self.host,
            *self.headers,
            b"Connection: close",
        ]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


@dataclass
class Seen:
    """An answer.

    Attributes:
        status: 0 where there was none.
        complete: Whether its framing says that all of it has come.
    """

    status: int = 0
    phrase: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    complete: bool = False

    def of(self, name: str) -> list[str]:
        """The values of a header."""
        return [value for key, value in self.headers if key == name]


def ask(address: tuple[str, int], request: bytes, *, head: bool = False) -> Seen:
    """Send a request, read to the end of the connection, and take the answer apart."""
    with socket.create_connection(address, SECONDS) as connection:
        connection.settimeout(SECONDS)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request)  # it may be answered before all of it was read
        parts = []
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(1024 * 1024):
                parts.append(part)
    return take_apart(b"".join(parts), head=head)


def take_apart(answer: bytes, *, head: bool = False) -> Seen:
    """An answer that was received to the end of its connection (RFC 9112, section 6.3)."""
    top, end, rest = answer.partition(b"\r\n\r\n")
    if not end:
        return Seen(body=answer)
    line, *lines = top.decode("latin-1").split("\r\n")
    _, status, *phrase = line.split(" ", 2)
    if not status.isdigit():
        return Seen(body=answer)
    pairs = [field.partition(":") for field in lines]
    headers = sorted((name.lower(), value.strip(" \t")) for name, _, value in pairs)
    seen = Seen(int(status), "".join(phrase), headers)
    if head or seen.status in {204, 304}:
        seen.body, seen.complete = rest, True
    elif "chunked" in seen.of("transfer-encoding"):
        seen.body, seen.complete = _dechunk(rest)
    elif lengths := seen.of("content-length"):
        seen.body, seen.complete = rest, len(rest) == int(lengths[0])
    else:
        seen.body, seen.complete = rest, True
    return seen


def _dechunk(rest: bytes) -> tuple[bytes, bool]:
    body: list[bytes] = []
    while True:
        line, end, rest = rest.partition(b"\r\n")
        if not end:
            return b"".join(body), False
        size = int(line, 16)
        if size == 0:
            return b"".join(body), rest == b"\r\n"
        body.append(rest[:size])
        if len(rest) < size + 2:
            return b"".join(body), False
        rest = rest[size + 2 :]
