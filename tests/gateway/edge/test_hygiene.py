"""What two readers could read in two ways is refused, or taken away, before anything is decided."""

from __future__ import annotations

import string
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from gateway.edge.hygiene import RequestHygiene, hides_slash, path_fault
from gateway.exchange import ExchangeMiddleware

ESCAPE = "The path has a percent sign that begins no escape."
NUL = "The path has a NUL."
DOTS = "The path has dot segments. Send the path that is meant."

# Pieces of which attacks are made, so that many of them come together.
PIECES = [b"/", b"\\", b".", b"..", b"%", b"%2", b"%2e", b"%2E", b"%2f", b"%2F", b"%5c", b"%00"]
PIECES += [b"%25", b"%41", b"%zz", b"%C3%A9", b"a", b"f", b"2", b"0", b"...", b";"]
PATHS = st.lists(st.sampled_from(PIECES), max_size=12).map(lambda pieces: b"/" + b"".join(pieces))


def read_slowly(raw_path: bytes) -> str:
    """What is wrong with a path, found byte by byte."""
    decoded = bytearray()
    at = 0
    while at < len(raw_path):
        byte = raw_path[at : at + 1]
        digits = raw_path[at + 1 : at + 3].decode("latin-1")
        at += 1
        if byte == b"%":
            if len(digits) < 2 or set(digits) - set(string.hexdigits):
                return ESCAPE
            byte = bytes([int(digits, 16)])
            at += 2
        decoded += byte
    if 0 in decoded:
        return NUL
    if any(segment in {b".", b".."} for segment in bytes(decoded).replace(b"\\", b"/").split(b"/")):
        return DOTS
    return ""


@given(PATHS)
@example(b"/..")
@example(b"/a\\..\\b")
@example(b"/a%2fb")
def test_a_path_is_judged_as_one_who_reads_it_byte_by_byte_would(raw_path: bytes) -> None:
    """No shortcut lets a path pass that has a fault, or refuses one that has none."""
    assert path_fault(raw_path) == read_slowly(raw_path)


@example(b"/\0")
@given(st.binary(max_size=30).map(lambda rest: b"/" + rest))
def test_any_bytes_are_judged_alike(raw_path: bytes) -> None:
    """Whatever the bytes, the judgement is the same, and none of them raises."""
    assert path_fault(raw_path) == read_slowly(raw_path)


@given(st.lists(st.text("abc123-_~", min_size=1, max_size=5), max_size=5))
def test_a_path_of_plain_names_is_well(names: list[str]) -> None:
    """Nobody with an ordinary path is refused."""
    assert path_fault(f"/{'/'.join(names)}".encode()) == ""


@pytest.mark.parametrize(
    ("raw_path", "fault"),
    [
        (b"/", ""),
        (b"/a.b/c..d/...", ""),
        (b"/.well-known/x", ""),
        (b"/a/%2fb", ""),
        (b"/%252e%252e/", ""),
        (b"/a\\b", ""),
        (b"/a/%", ESCAPE),
        (b"/a/%u0041", ESCAPE),
        (b"/a/%00", NUL),
        (b"/a/%2e%2e/b", DOTS),
        (b"/a/..%5cb", DOTS),
        (b"/a%2f..", DOTS),
        (b"/flask%2Fhello", ""),
    ],
)
def test_what_is_said_of_a_path(raw_path: bytes, fault: str) -> None:
    """Each fault has its words; names with dots have none."""
    assert path_fault(raw_path) == fault


@pytest.mark.parametrize(
    ("raw_path", "decisive", "hides"),
    [
        (b"/apps%2fflask/x", 2, True),
        (b"/apps/flask%2Fx", 2, True),
        (b"/apps/flask/a%2fb", 2, False),
        (b"/apps/flask%2fx", 1, False),
        (b"/a%2fb", 0, False),
        (b"/a%41b/c", 1, False),
    ],
)
def test_an_encoded_slash_counts_where_it_decides(
    raw_path: bytes, decisive: int, hides: bool
) -> None:
    """In the segments of the prefix that answers, and nowhere else."""
    assert hides_slash(raw_path, decisive) is hides


class Service:
    """Answers, and remembers what it was asked."""

    def __init__(self) -> None:
        self.scope: Scope = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200."""
        self.scope = scope
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def service() -> Service:
    return Service()


async def ask(
    service: Service, target: str = "/", underscores: Any = "drop", **options: Any
) -> httpx.Response:
    app = ExchangeMiddleware(RequestHygiene(service, underscores))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as client:
        # As it stands: a client would resolve dot segments.
        url = client.base_url.copy_with(raw_path=target.encode())
        return await client.request("GET", url, **options)


async def test_an_ambiguous_path_is_refused_as_a_problem(service: Service) -> None:
    """The service does not see it; the client reads why."""
    answer = await ask(service, "/flask/%2e%2e/fastapi")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == DOTS
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert service.scope == {}


async def test_a_query_is_not_judged(service: Service) -> None:
    """It has no segments, and people type percent signs."""
    assert (await ask(service, "/?q=100%&path=../x")).status_code == 200


async def test_names_with_underscores_are_dropped(service: Service) -> None:
    """WSGI could not tell them from those with a hyphen."""
    answer = await ask(service, headers={"X_Forwarded_For": "evil", "X-Kept": "1"})
    assert answer.status_code == 200
    names = [name for name, _ in service.scope["headers"]]
    assert b"x-kept" in names
    assert b"x_forwarded_for" not in names


async def test_names_with_underscores_are_refused_where_so_set(service: Service) -> None:
    """The client is told instead."""
    answer = await ask(service, underscores="refuse", headers={"X_Forwarded_For": "evil"})
    assert answer.status_code == 400
    assert "underscore" in answer.json()["detail"]


@pytest.mark.parametrize("underscores", ["drop", "refuse"])
async def test_a_proxy_header_is_dropped(service: Service, underscores: str) -> None:
    """CGI would make HTTP_PROXY of it."""
    answer = await ask(service, underscores=underscores, headers={"Proxy": "http://evil.test"})
    assert answer.status_code == 200
    assert b"proxy" not in [name for name, _ in service.scope["headers"]]


async def test_headers_without_a_fault_are_not_copied(service: Service) -> None:
    """Nearly all requests are such."""
    headers = [(b"host", b"gateway.test"), (b"x-kept", b"1"), (b"x-request-id", b"one")]
    await call(service, headers=headers)
    assert service.scope["headers"] is headers


async def call(service: Service, **scope: Any) -> list[Message]:
    """Ask with a scope of one's own; return what was sent."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request" if scope.get("type") == "http" else "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    given = {
        "type": "http",
        "method": "GET",
        "http_version": "1.1",
        "path": "/",
        "query_string": b"",
        "headers": [(b"host", b"gateway.test")],
        **scope,
    }
    await ExchangeMiddleware(RequestHygiene(service))(given, receive, send)
    return sent


async def test_a_server_that_gives_no_raw_path_is_served_too(service: Service) -> None:
    """What can be told from the decoded path is told."""
    assert (await call(service, path="/ä b/100%/x"))[0]["status"] == 200
    assert (await call(service, path="/a/../b"))[0]["status"] == 400
    assert (await call(service, path="/a\0"))[0]["status"] == 400


async def test_a_handshake_is_refused_too(service: Service) -> None:
    """A WebSocket is routed by its path like any request."""
    sent = await call(service, type="websocket", path="/a/../b", raw_path=b"/a/../b")
    assert [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"a"), (b"host", b"a")],
        [(b"host", b"a b")],
        [(b"host", b"user@a")],
        [(b"host", b"a/b")],
    ],
)
async def test_a_request_without_one_sound_host_is_refused(
    service: Service, headers: list[tuple[bytes, bytes]]
) -> None:
    """Also by servers that let it through."""
    assert (await call(service, headers=headers))[0]["status"] == 400


async def test_http_1_0_may_have_no_host(service: Service) -> None:
    """It had none."""
    assert (await call(service, headers=[], http_version="1.0"))[0]["status"] == 200
