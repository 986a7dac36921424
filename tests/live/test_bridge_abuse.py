"""What strangers do to a server, forty at a time: the pool of four is whole a second later."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.bridge.exchanges import take_apart
from tests.bridge.strangers import (
    Strangers,
    address_of,
    close,
    get,
    post,
    read_then,
    rest_of,
    serving_project,
    status_of,
)
from tests.live.serving import Gateway, wait_until

THREADS = 4
MANY = 10 * THREADS
MIB = 1024 * 1024
# More than anybody here sends.
UNFINISHED = f"Content-Length: {MIB}"

# Each kind of abuse has a mount, and so a pool, of its own.
MOUNTS: dict[str, dict[str, float | str]] = {
    "uploads": {"body_idle_seconds": 0.5},
    "streams": {"request_buffering": '"stream"', "body_idle_seconds": 0.4},
    "downloads": {"write_timeout_seconds": 0.4},
    "errors": {},
    "late": {"response_timeout_seconds": 0.4},
    "full": {"queue": 3},
}
MOUNT = """
    [[mounts]]
    name = "{name}"
    prefix = "/{name}"
    app = "tests.bridge.abused_app:web"
    threads = {threads}
"""
TOML = (
    "".join(
        MOUNT.format(name=name, threads=THREADS)
        + "".join(f"    {key} = {value}\n" for key, value in options.items())
        for name, options in MOUNTS.items()
    )
    + """
    [[mounts]]
    name = "api"
    prefix = "/api"
    app = "tests.bridge.abused_app:api"

    [server]
    access_log = false
"""
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a small pool for each kind of abuse, and FastAPI beside them."""
    with serving_project(tmp_path_factory.mktemp("abuse"), TOML) as gateway:
        yield gateway


@pytest.fixture
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    """Somebody who behaves."""
    with httpx.Client(base_url=gateway.url, timeout=5) as client:
        yield client


@pytest.fixture
def strangers(gateway: Gateway) -> Iterator[Strangers]:
    """Raw connections to the gateway."""
    strangers = Strangers(address_of(gateway))
    yield strangers
    strangers.leave()


def _state(http: httpx.Client, name: str) -> dict[str, Any]:
    state: dict[str, Any] = http.get(f"/api/state/{name}").json()
    return state


def _is_whole(state: dict[str, Any]) -> bool:
    return (
        state["gauges"] == [0, 0, 0, 0]
        and state["running"] == 0
        and set(state["closings"]) <= {1}
        and state["threads"] <= THREADS
    )


def _check_whole(http: httpx.Client, name: str) -> dict[str, Any]:
    """Within a second the pool is whole, each iterable was closed once, and requests succeed."""
    seen: list[dict[str, Any]] = []

    def whole() -> bool:
        seen.append(_state(http, name))
        return _is_whole(seen[-1])

    wait_until(whole, 1.0, lambda: f"not whole: {seen[-1]}")
    for _ in range(2 * THREADS):
        assert http.get(f"/{name}/ok").text == "ok"
    # Nothing is closed a second time later.
    final = _state(http, name)
    assert set(final["closings"]) <= {1}
    return seen[-1]


def _fastapi_answers(http: httpx.Client) -> None:
    began = time.monotonic()
    assert http.get("/api/ok").status_code == 200
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("abruptly", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("framing", [UNFINISHED, "Transfer-Encoding: chunked"])
def test_disconnect_mid_upload_while_it_is_spooled(
    http: httpx.Client, strangers: Strangers, framing: str, *, abruptly: bool
) -> None:
    """An upload that is broken off reaches no view, in memory or in a file."""
    before = _state(http, "uploads")
    body = b"x" * (MIB // 2)
    if "chunked" in framing:
        body = b"%x\r\n%s\r\n" % (len(body), body)
    for _ in range(MANY):
        strangers.connect(post("/uploads/upload", body, framing))
    _fastapi_answers(http)
    strangers.leave(abruptly=abruptly)
    after = _check_whole(http, "uploads")
    assert after["called"] == before["called"]


@pytest.mark.parametrize("abruptly", [False, True], ids=["closed", "reset"])
def test_disconnect_mid_upload_while_it_is_read(
    http: httpx.Client, strangers: Strangers, *, abruptly: bool
) -> None:
    """A view that reads along is told by an `OSError`, each of them."""
    before = _state(http, "streams")
    for _ in range(MANY):
        strangers.connect(post("/streams/upload", b"x" * 100_000, UNFINISHED))
    wait_until(lambda: _state(http, "streams")["running"] == THREADS, 5)
    _fastapi_answers(http)
    strangers.leave(abruptly=abruptly)
    after = _check_whole(http, "streams")
    assert after["read_errors"] - before["read_errors"] == after["called"] - before["called"]


def test_stalled_uploads_hold_no_thread(http: httpx.Client, strangers: Strangers) -> None:
    """Meanwhile others are served; after the deadline each gets 408."""
    before = _state(http, "uploads")
    stalled = [
        strangers.connect(post("/uploads/upload", b"x" * 100_000, UNFINISHED)) for _ in range(MANY)
    ]
    assert http.get("/uploads/ok").text == "ok"
    _fastapi_answers(http)
    assert [status_of(connection) for connection in stalled] == [408] * MANY
    strangers.leave()
    after = _check_whole(http, "uploads")
    assert after["called"] == before["called"] + 1


def test_stalled_uploads_that_are_read_along_end(http: httpx.Client, strangers: Strangers) -> None:
    """A view that waits for a stalled client is let go by the deadline, one after the other."""
    before = _state(http, "streams")
    stalled = [
        strangers.connect(post("/streams/upload", b"x" * 1000, UNFINISHED)) for _ in range(MANY)
    ]
    _fastapi_answers(http)
    statuses: list[int] = []
    read_then(stalled, lambda connection: statuses.append(status_of(connection)))
    assert statuses == [500] * MANY
    after = _check_whole(http, "streams")
    assert after["read_errors"] - before["read_errors"] == MANY


@pytest.mark.parametrize("abruptly", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("path", ["endless", "trickle"])
def test_disconnect_mid_download(
    http: httpx.Client, strangers: Strangers, path: str, *, abruptly: bool
) -> None:
    """An endless answer ends when its client leaves, whether it is fast or slow."""
    downloads = [strangers.connect(get(f"/downloads/{path}")) for _ in range(MANY)]
    _fastapi_answers(http)

    def leave(connection: socket.socket) -> None:
        assert connection.recv(65536)
        close(connection, abruptly=abruptly)

    read_then(downloads, leave)
    state = _check_whole(http, "downloads")
    assert len(state["closings"]) >= MANY


def test_all_leave_at_once_mid_download(http: httpx.Client, strangers: Strangers) -> None:
    """Those whose requests still waited for a thread hold none either."""
    for _ in range(MANY):
        strangers.connect(get("/downloads/trickle"))
    wait_until(lambda: _state(http, "downloads")["running"] == THREADS, 5)
    strangers.leave()
    _check_whole(http, "downloads")


def test_clients_that_do_not_read(http: httpx.Client, strangers: Strangers) -> None:
    """Each is given up after the write deadline, and its iterable closed."""
    before = len(_state(http, "downloads")["closings"])
    for _ in range(MANY):
        strangers.connect(get("/downloads/endless"), receive_buffer=4096)
    _fastapi_answers(http)
    # Ten turns of four, each of which ends by the deadline alone.
    wait_until(lambda: len(_state(http, "downloads")["closings"]) == before + MANY, 20)
    wait_until(lambda: _state(http, "downloads")["running"] == 0, 3)
    _check_whole(http, "downloads")


@pytest.mark.parametrize(("path", "status"), [("raise", 500), ("raise-later", 200)])
def test_handlers_that_raise(
    http: httpx.Client, strangers: Strangers, path: str, status: int
) -> None:
    """Before the answer: 500. Within it: the connection ends, so that nobody takes it for whole."""
    broken = [strangers.connect(get(f"/errors/{path}", last=True)) for _ in range(MANY)]
    _fastapi_answers(http)
    answers = [take_apart(rest_of(connection)) for connection in broken]
    assert {answer.status for answer in answers} == {status}
    assert {answer.complete for answer in answers} == {status == 500}
    _check_whole(http, "errors")


def test_handlers_past_their_deadline(http: httpx.Client, strangers: Strangers) -> None:
    """Each client gets 504, running or queued; the threads come back when their views end."""
    before = _state(http, "late")
    late = [strangers.connect(get("/late/sleep/1.5")) for _ in range(MANY)]
    _fastapi_answers(http)
    assert [status_of(connection) for connection in late] == [504] * MANY
    state = _state(http, "late")
    assert state["counters"]["timed_out"] - before["counters"]["timed_out"] == MANY
    assert 0 < state["gauges"][3] <= 2 * THREADS
    wait_until(lambda: _state(http, "late")["running"] == 0, 5)
    _check_whole(http, "late")


def test_a_full_queue_is_answered_at_once(http: httpx.Client, strangers: Strangers) -> None:
    """503 with `Retry-After` for those beyond threads and queue, and FastAPI does not notice."""
    before = _state(http, "full")["counters"]
    waiting = [strangers.connect(get("/full/sleep/0.8")) for _ in range(THREADS + 3)]
    wait_until(lambda: _state(http, "full")["gauges"][0::2] == [THREADS, 3], 5)
    for _ in range(5):
        began = time.monotonic()
        refused = http.get("/full/ok")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert time.monotonic() - began < 0.5
        _fastapi_answers(http)
    assert [status_of(connection) for connection in waiting] == [200] * (THREADS + 3)
    after = _check_whole(http, "full")["counters"]
    assert after["rejected"] - before["rejected"] == 5


@pytest.mark.parametrize("mount", ["uploads", "streams"])
def test_expect_100_continue_is_answered_once_before_the_body(
    strangers: Strangers, mount: str
) -> None:
    """A client that asks first is told to go on, once, and then answered."""
    framing = "Content-Length: 5\r\nExpect: 100-continue\r\nConnection: close"
    connection = strangers.connect(post(f"/{mount}/upload", b"", framing))
    first = connection.recv(65536)
    assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(b"hello")
    rest = rest_of(connection)
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")
    assert rest.count(b"HTTP/1.1") == 1
    assert rest.endswith(b"\r\n\r\n5")


def test_expect_100_continue_is_not_answered_to_a_body_that_is_refused(
    strangers: Strangers,
) -> None:
    """413 instead of an invitation to send what nobody wants."""
    framing = "Content-Length: 99999999999\r\nExpect: 100-continue"
    connection = strangers.connect(post("/uploads/upload", b"", framing))
    assert status_of(connection) == 413
