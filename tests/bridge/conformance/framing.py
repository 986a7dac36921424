"""The status, the headers and the length of an answer."""

from __future__ import annotations

import contextlib

from tests.bridge.conformance.cases import ANSWERS, Adapt, Closing, Section, answering, until
from tests.bridge.driver import Exchange, ask, scope_of

case = Section(ANSWERS)


@case("a status without a reason phrase is accepted")
async def no_reason(adapt: Adapt) -> None:
    assert (await ask(adapt(answering([b"x"], status="200")))).status == 200


@case("a line feed in a header is an error before anything is sent")
async def header_injection(adapt: Adapt) -> None:
    exchange = Exchange(adapt(answering([b"x"], ("X-A", "1\r\nX-B: 2"))), scope_of())
    with contextlib.suppress(ValueError):
        await exchange.run()
    assert exchange.answer.status in {0, 500}


@case("hop-by-hop headers stay behind")
async def hop_by_hop(adapt: Adapt) -> None:
    headers = [("Connection", "close"), ("Keep-Alive", "5"), ("Transfer-Encoding", "chunked")]
    answer = await ask(adapt(answering([b"x"], *headers, ("X-Kept", "1"))))
    assert {name for name, _ in answer.headers} >= {b"x-kept"}
    assert not {b"connection", b"keep-alive", b"transfer-encoding"} & {n for n, _ in answer.headers}


@case("more bytes than Content-Length says are cut off")
async def too_many(adapt: Adapt) -> None:
    for body in ([b"abcdef"], iter([b"ab", b"cdef"]), iter([b"abc", b"def"])):
        answer = await ask(adapt(answering(body, ("Content-Length", "3"))))
        assert (answer.body, answer.complete) == (b"abc", True)


@case("fewer bytes than Content-Length says are not passed off as the whole")
async def too_few(adapt: Adapt) -> None:
    exchange = Exchange(adapt(answering(iter([b"ab", b"c"]), ("Content-Length", "5"))), scope_of())
    with contextlib.suppress(Exception):
        await exchange.run()
    assert not exchange.answer.complete


@case("HEAD, 204 and 304 have no body, and `close` is called all the same")
async def bodiless(adapt: Adapt) -> None:
    for method, status in (("HEAD", "200 OK"), ("GET", "204 No"), ("GET", "304 Not Modified")):
        iterable = Closing(iter([b"body"]))
        answer = await ask(adapt(answering(iterable, status=status)), method=method)
        # The server itself leaves the body of an answer to HEAD out.
        body = b"" if method == "HEAD" else answer.body
        assert (answer.status, body, answer.complete) == (int(status[:3]), b"", True)
        await until(iterable.is_closed)


@case("HEAD keeps the Content-Length of the answer to GET")
async def head_length(adapt: Adapt) -> None:
    answer = await ask(adapt(answering([b"body"], ("Content-Length", "4"))), method="HEAD")
    assert answer.header(b"content-length") == b"4"
