"""Sends bytes to a server as they are, and reads what it answers, byte by byte accounted for."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

_PAUSE = 0.06  # between two segments: enough that the server reads them one by one
_PATIENCE = 15.0  # only a case that fails waits so long
SENTINEL: Final = b"the-last-one"
_LAST = (
    b"GET /fastapi/ HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: " + SENTINEL + b"\r\n"
    b"Connection: close\r\n\r\n"
)


@dataclass(frozen=True)
class HalfClose:
    """Says that nothing more is sent (FIN), and goes on reading."""


@dataclass(frozen=True)
class AwaitContinue:
    """Waits for the interim answer 100."""


@dataclass(frozen=True)
class Drip:
    """Sends one piece again and again, slowly, for as long as the server lets it.

    Attributes:
        piece: What to send.
        every: Seconds between two.
        seconds: When to stop, at the latest.
    """

    piece: bytes
    every: float
    seconds: float


Segment = bytes | HalfClose | AwaitContinue | Drip


@dataclass(frozen=True)
class Answer:
    """One final answer.

    Attributes:
        status: Its status.
        headers: Names in lower case; the last one of a name.
        body: Decoded from its chunks.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def request_id(self) -> str:
        """The ID of the request that this answers, where that had one."""
        return self.headers.get("x-request-id", "")


@dataclass
class Outcome:
    """What became of a connection.

    Attributes:
        answers: Every final answer, without the one to the plain request at the end.
        interim: The statuses of the interim answers.
        closed: Whether the server has closed the connection, by itself and cleanly or not.
        reset: Whether it has reset it.
        usable: Whether a plain request at the end, on the same connection, was answered.
        rest: Bytes that are no answer.
        seconds: How long it took.
    """

    answers: list[Answer] = field(default_factory=list)
    interim: list[int] = field(default_factory=list)
    closed: bool = False
    reset: bool = False
    usable: bool = False
    rest: bytes = b""
    seconds: float = 0.0

    @property
    def statuses(self) -> tuple[int, ...]:
        """The statuses of the final answers."""
        return tuple(answer.status for answer in self.answers)


class Connection:
    """One connection to a server.

    Args:
        address: Host and port.
        methods: The methods of the requests, in order, where one is HEAD.
    """

    def __init__(self, address: tuple[str, int], methods: Sequence[bytes] = ()) -> None:
        self._socket = socket.create_connection(address, timeout=_PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._methods = list(methods)
        self._received = b""
        self.outcome = Outcome()
        self.ended = False

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send, unless the server has closed by then."""
        try:
            self._socket.settimeout(_PATIENCE)
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            pass  # what it has answered is still to be read

    def send_segment(self, segment: Segment) -> None:
        """Send one part of a case."""
        if isinstance(segment, bytes):
            self.send(segment)
        elif isinstance(segment, HalfClose):
            self._socket.shutdown(socket.SHUT_WR)
        elif isinstance(segment, AwaitContinue):
            deadline = time.monotonic() + _PATIENCE
            while not self.outcome.interim and self.receive(deadline):
                pass
        else:
            deadline = time.monotonic() + segment.seconds
            while not self.ended and time.monotonic() < deadline:
                self.send(segment.piece)
                self.receive(min(deadline, time.monotonic() + segment.every))

    def receive(self, deadline: float) -> bool:
        """Receive what is there by the deadline; whether there was anything."""
        left = deadline - time.monotonic()
        if self.ended or left <= 0:
            return False
        self._socket.settimeout(left)
        try:
            data = self._socket.recv(1 << 16)
        except TimeoutError:
            return False
        except (ConnectionResetError, BrokenPipeError):
            self.outcome.reset = self.outcome.closed = self.ended = True
            self._parse()
            return False
        if not data:
            self.outcome.closed = self.ended = True
            self._parse()
            return False
        self._received += data
        self._parse()
        return True

    def _parse(self) -> None:
        while True:
            head, mark, rest = self._received.partition(b"\r\n\r\n")
            if not mark or not head.startswith(b"HTTP/1.1 "):
                break
            line, *lines = head.decode("latin-1").split("\r\n")
            status = int(line.split(" ")[1])
            headers = {}
            for one in lines:
                name, _, value = one.partition(":")
                headers[name.lower()] = value.strip()
            if 100 <= status < 200:
                self.outcome.interim.append(status)
                self._received = rest
                continue
            number = len(self.outcome.answers)
            method = self._methods[number] if number < len(self._methods) else b"GET"
            taken = _body(rest, status, headers, method, ended=self.ended)
            if taken is None:
                break
            body, self._received = taken
            self.outcome.answers.append(Answer(status, headers, body))
        self.outcome.rest = self._received


def _body(
    data: bytes, status: int, headers: dict[str, str], method: bytes, *, ended: bool
) -> tuple[bytes, bytes] | None:
    """An answer's body and what follows it; None where it is not all there."""
    if method == b"HEAD" or status in {204, 304}:
        return b"", data
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while True:
            line, mark, rest = data.partition(b"\r\n")
            size = int(line, 16) if mark else -1
            if size < 0 or len(rest) < size + 2:
                return None
            if size == 0:
                return body, rest[2:]
            body, data = body + rest[:size], rest[size + 2 :]
    if "content-length" in headers:
        length = int(headers["content-length"])
        return (data[:length], data[length:]) if len(data) >= length else None
    return (data, b"") if ended else None


def exchange(
    address: tuple[str, int],
    segments: Sequence[Segment],
    *,
    answers: int,
    stays: bool | None,
    methods: Sequence[bytes] = (),
    seconds: float = _PATIENCE,
) -> Outcome:
    """Send a case and see what becomes of it.

    The end needs no waiting: where the connection is to stay, a plain request is sent last. Answers
    come in the order of requests, so whatever else was taken for a request is answered before it.

    Args:
        address: Host and port.
        segments: What to send.
        answers: How many final answers to wait for.
        stays: Whether the connection is to stay usable; None for either.
        methods: The requests' methods, in order, where one is HEAD.
        seconds: How long to wait for the answers, and again for the end.
    """
    began = time.monotonic()
    connection = Connection(address, methods)
    try:
        for number, segment in enumerate(segments):
            if number and isinstance(segment, bytes):
                # Received meanwhile, so that a server that waits for its reader is not stopped.
                until = time.monotonic() + _PAUSE
                while connection.receive(until):
                    pass
            connection.send_segment(segment)
        outcome = connection.outcome
        deadline = time.monotonic() + seconds
        while len(outcome.answers) < answers and connection.receive(deadline):
            pass
        if stays is not False and not connection.ended:
            connection.send(_LAST)
        deadline = time.monotonic() + seconds
        while connection.receive(deadline):
            pass
        if outcome.answers and outcome.answers[-1].request_id == SENTINEL.decode():
            outcome.usable = outcome.answers.pop().status == 200
        outcome.seconds = time.monotonic() - began
        return outcome
    finally:
        connection.close()
