"""Copies of a request and its answer, taken while a service reads the one and sends the other."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from itsdangerous import URLSafeTimedSerializer
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.exchange import ExchangeMiddleware
from gateway.sessions import SessionCookie, SharedSession
from gateway.switch.shadows.copying import COPY, AnswerCopy, ExchangeCopy, RequestCopy, Tap
from tests.gateway.switch.sides import (
    Client,
    Header,
    answering,
    piece,
    read,
    request,
    start,
    values,
)

TEXT: Header = (b"content-type", b"text/plain")
LENGTH: Header = (b"content-length", b"10")


class Copied:
    """A service with a copy taken of each exchange, below the gateway's own layers.

    Attributes:
        copy: Of the last exchange.
        done: How often one was complete.
    """

    def __init__(self, app: ASGIApp, request_cap: int = 100, answer_cap: int = 100) -> None:
        self.done = 0
        self.copy: ExchangeCopy
        tap = Tap(app)

        async def copying(scope: Scope, receive: Receive, send: Send) -> None:
            self.copy = scope[COPY] = ExchangeCopy(request_cap, answer_cap, self._count)
            await tap(scope, receive, send)

        self.app = ExchangeMiddleware(copying)

    def _count(self, copy: ExchangeCopy) -> None:
        assert copy is self.copy
        self.done += 1

    async def ask(self, scope: Scope, *bodies: Any) -> Client:
        client = Client(*bodies)
        await self.app(scope, client.receive, client.send)
        return client

    @property
    def answer(self) -> AnswerCopy:
        return self.copy.answer


# --- Answers ----------------------------------------------------------------------------------


async def test_an_answer_is_copied_as_its_client_gets_it() -> None:
    """Status, every header, and the body's pieces together; once, at its end."""
    cookies = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    service = Copied(
        answering(start(201, TEXT, *cookies), piece(b"one,", more=True), piece(), piece(b"late"))
    )
    client = await service.ask(request())
    answer = service.answer
    assert (answer.status, answer.body, answer.absent) == (201, b"one,", "")
    assert answer.headers == (
        ("content-type", "text/plain"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
    )
    assert client.body == b"one,late"
    assert answer.complete
    assert service.done == 1
    assert service.copy.seconds > 0


async def test_nothing_is_held_back() -> None:
    """Each message is with the client before the service sends the next."""
    seen: list[int] = []
    client = Client()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in (start(), piece(b"a", more=True), piece(b"b")):
            await send(message)
            seen.append(len(client.sent))

    await Copied(app).app(request(), client.receive, client.send)
    assert seen == [1, 2, 3]


async def test_an_answer_that_breaks_off_is_never_done() -> None:
    """Its service raised in the middle."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(piece(b"a", more=True))
        raise RuntimeError("broken")

    service = Copied(app)
    with pytest.raises(RuntimeError, match="broken"):
        await service.ask(request())
    assert service.done == 0
    assert not service.answer.complete


async def test_an_answer_that_its_client_does_not_take_is_never_done() -> None:
    """It left before the last byte."""

    async def leaving(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise OSError("gone")

    service = Copied(answering(start(), piece(b"a")))
    with pytest.raises(OSError, match="gone"):
        await service.app(request(), Client().receive, leaving)
    assert service.done == 0


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=6), st.integers(0, 200))
def test_no_more_is_kept_than_the_cap(pieces: list[bytes], cap: int) -> None:
    """All of it, or nothing and the reason; at no moment more."""
    copy = AnswerCopy(cap)
    copy.begin(start())
    for one in pieces:
        assert not copy.add(piece(one, more=True))
        assert sum(map(len, copy._pieces)) <= cap
    assert copy.add(piece())
    whole = b"".join(pieces)
    if len(whole) <= cap:
        assert (copy.body, copy.absent) == (whole, "")
    else:
        assert (copy.body, copy.absent) == (None, "an answer over the cap: status and headers only")


@pytest.mark.parametrize(
    ("status", "header", "absent"),
    [
        (200, (b"content-type", b"text/event-stream"), "a stream"),
        (200, (b"Content-Type", b"Text/Event-Stream; charset=utf-8"), "a stream"),
        (200, (b"content-type", b"application/x-ndjson"), "a stream"),
        (200, (b"content-type", b"multipart/x-mixed-replace; boundary=x"), "a stream"),
        (206, (b"content-range", b"bytes 0-1/9"), "a range"),
        (200, (b"accept-ranges", b"bytes"), "a file"),
        (200, (b"content-disposition", b"attachment; filename=a.pdf"), "a file"),
    ],
)
async def test_streams_ranges_and_files_have_status_and_headers_only(
    status: int, header: Header, absent: str
) -> None:
    """They may have no end, or be large; the client gets them all the same."""
    service = Copied(answering(start(status, header), piece(b"a" * 5000)))
    client = await service.ask(request())
    assert service.answer.absent == f"{absent}: status and headers only"
    assert service.answer.body is None
    assert service.answer._pieces == []
    assert service.done == 1
    assert len(client.body) == 5000


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        (b"gzip", gzip.compress),
        (b"x-gzip", gzip.compress),
        (b"GZIP", gzip.compress),
        (b"deflate", zlib.compress),
        (b"identity", bytes),
    ],
)
async def test_an_encoded_body_is_compared_decoded(
    coding: bytes, encode: Callable[[bytes], bytes]
) -> None:
    """The client has it as it was sent."""
    encoded = encode(b"text" * 20)
    service = Copied(answering(start(200, (b"content-encoding", coding)), piece(encoded)))
    client = await service.ask(request())
    assert client.body == encoded
    assert service.answer.body == b"text" * 20
    assert service.answer.absent == ""


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"br", b"\x0b\x02\x80text\x03"),
        (b"gzip, gzip", gzip.compress(gzip.compress(b"text"))),
        (b"gzip", b"no gzip at all"),
        (b"gzip", gzip.compress(b"text")[:-5]),
        (b"gzip", gzip.compress(b"text") + gzip.compress(b"more")),
        (b"gzip", gzip.compress(b"bomb" * 1_000_000)),
        (b"deflate", gzip.compress(b"bomb" * 1_000_000)),
    ],
    ids=["br", "twice", "none", "cut", "two members", "bomb", "bomb as deflate"],
)
def test_a_body_that_cannot_be_decoded_within_the_cap_is_not_compared(
    coding: bytes, body: bytes
) -> None:
    """And it is said why."""
    copy = AnswerCopy(10_000)
    copy.begin(start(200, (b"content-encoding", coding)))
    copy.add(piece(body))
    assert copy.body is None
    assert copy.absent == f"a body encoded as {coding.decode()}: status and headers only"


def test_an_encoded_answer_to_head_has_no_body() -> None:
    """Nothing is to be decoded there."""
    copy = AnswerCopy(10)
    copy.begin(start(200, (b"content-encoding", b"br")))
    copy.add(piece())
    assert (copy.body, copy.absent) == (b"", "")


# --- What layers add --------------------------------------------------------------------------


def shared(app: ASGIApp) -> SharedSession:
    return SharedSession(app, SessionCookie(URLSafeTimedSerializer("not a secret")))


async def test_the_session_of_the_service_is_in_the_copy_once_as_for_the_client() -> None:
    """Its cookie is written when the answer leaves, after the service has sent it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["session"]["user_id"] = 7
        await send(start(200, TEXT))
        await send(piece(b"x"))

    service = Copied(shared(app))
    client = await service.ask(request())
    (copied,) = values(service.answer.headers, "set-cookie")
    (sent,) = [value for name, value in client.sent[0]["headers"] if name == b"set-cookie"]
    assert copied.split(";")[1:] == sent.decode().split(";")[1:]
    assert copied.startswith("session=")
    assert values(service.answer.headers, "vary") == ["Cookie"]
    assert client.headers[b"vary"] == b"Cookie"


async def test_what_the_gateway_itself_adds_is_not_in_the_copy() -> None:
    """It stands outside of both services."""

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        exchange = scope["gateway.exchange"]
        exchange.observers.append(lambda message: message["headers"].append((b"x-outer", b"1")))
        await service.app.app(scope, receive, send)

    service = Copied(answering(start(), piece()))
    client = Client()
    await ExchangeMiddleware(outer)(request(), client.receive, client.send)
    assert client.headers[b"x-outer"] == b"1"
    assert service.answer.headers == ()


async def test_a_session_that_cannot_be_written_costs_the_client_nothing_more() -> None:
    """The answer passes as it does where nothing is copied."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["session"]["user"] = object()
        await send(start(200, TEXT))
        await send(piece(b"x"))

    service = Copied(shared(app))
    client = await service.ask(request())
    assert client.body == b"x"
    assert service.answer.body == b"x"
    assert service.done == 1


async def test_a_copy_that_cannot_be_handed_on_costs_the_client_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log has the reason."""

    def fail(copy: ExchangeCopy) -> None:
        raise ValueError("no room")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope[COPY] = ExchangeCopy(10, 10, fail)
        await Tap(answering(start(), piece(b"x")))(scope, receive, send)

    client = Client()
    await ExchangeMiddleware(app)(request(), client.receive, client.send)
    assert client.body == b"x"
    assert caplog.messages == ["an answer could not be handed on for comparison"]


async def test_an_exchange_without_a_copy_passes_untouched() -> None:
    """The very same functions reach the service."""
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend((scope, receive, send))

    client, scope = Client(), request()
    receive, send = client.receive, client.send
    await Tap(app)(scope, receive, send)
    assert seen[0] is scope
    assert (seen[1], seen[2]) == (receive, send)


# --- Requests ---------------------------------------------------------------------------------


async def test_a_body_is_copied_as_the_service_reads_it() -> None:
    """Piece by piece; never read ahead."""
    service = Copied(answering(start(), piece()))
    await service.ask(request("POST", "/api/items", LENGTH), read(b"one,", more=True), read(b"two"))
    assert service.copy.request is not None
    assert (service.copy.request.why_not, service.copy.request.body) == ("", b"one,two")


async def test_a_request_without_a_body_has_no_copy_of_one() -> None:
    """There is nothing to send again."""
    service = Copied(answering(start(), piece()))
    await service.ask(request())
    assert service.copy.request is None


async def test_nothing_is_read_that_the_service_does_not_read() -> None:
    """And what it left cannot be sent again."""
    for reads in (0, 1):
        client = Client(read(b"one,", more=True), read(b"two"))

        async def app(scope: Scope, receive: Receive, send: Send, reads: int = reads) -> None:
            for _ in range(reads):
                await receive()
            await send(start())
            await send(piece())

        service = Copied(app)
        await service.app(request("POST", "/api/items", LENGTH), client.receive, client.send)
        assert client._at == reads
        assert service.copy.request is not None
        expected = "a request body that the service did not read to its end"
        assert service.copy.request.why_not == expected


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=6), st.integers(0, 200))
def test_no_more_of_a_body_is_kept_than_the_cap(pieces: list[bytes], cap: int) -> None:
    """All of it, or nothing and the reason."""
    copy = RequestCopy(cap)
    for index, one in enumerate(pieces, 1):
        copy.add(read(one, more=index < len(pieces)))
        assert len(copy.body) <= cap
    copy.add({"type": "http.disconnect"})
    whole = b"".join(pieces)
    if len(whole) <= cap:
        assert (copy.body, copy.why_not) == (whole, "")
    else:
        assert (copy.body, copy.why_not) == (b"", "a request body over the cap")


async def test_a_service_gets_a_body_over_the_cap_all_the_same() -> None:
    """The copy alone is given up."""
    seen: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([(await receive())["body"] for _ in range(3)])
        await send(start())
        await send(piece())

    service = Copied(app, request_cap=5)
    bodies = read(b"aaa", more=True), read(b"bbb", more=True), read(b"ccc")
    await service.ask(request("POST", "/api/items", LENGTH), *bodies)
    assert seen == [b"aaa", b"bbb", b"ccc"]
    assert service.copy.request is not None
    assert service.copy.request.why_not == "a request body over the cap"
    assert service.done == 1
