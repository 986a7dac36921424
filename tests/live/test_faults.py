"""What breaks under load: nothing that was accepted is lost silently, and health returns."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import pytest

from tests.gateway.edge.redis_server import own_redis
from tests.gateway.projects import write_project
from tests.live.serving import Gateway, serving, wait_until

MODULE = """
    import asyncio, os, resource
    from fastapi import BackgroundTasks, FastAPI
    from fastapi.responses import StreamingResponse
    from flask import Flask, Response, request

    web, api = Flask(__name__), FastAPI()

    def keep(text):
        file = os.open("accepted", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{text}\\n".encode())
        os.close(file)
        return str(os.getpid())

    @web.post("/keep/<text>")
    def keep_here(text):
        return keep(text)

    @api.post("/keep/{text}")
    async def keep_there(text: str):
        return int(keep(text))

    @web.post("/read")
    def read():
        return str(len(request.get_data()))

    @api.post("/largest-file/{size}")
    async def largest_file(size: int):
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size if size >= 0 else hard, hard))

    class Odd(BaseException):
        pass

    KINDS = {
        kind.__name__: kind
        for kind in (
            ValueError, RecursionError, MemoryError, StopIteration, StopAsyncIteration,
            GeneratorExit, SystemExit, KeyboardInterrupt, asyncio.CancelledError, TimeoutError,
            ConnectionResetError, BrokenPipeError, UnicodeError, OSError, Odd,
        )
    }

    @web.get("/raise/<kind>")
    def raise_here(kind):
        raise KINDS[kind]("of the service")

    @web.get("/begun/<kind>")
    def begun_here(kind):
        def pieces():
            yield "first"
            raise KINDS[kind]("of the service")
        return Response(pieces())

    @web.get("/closing/<kind>")
    def closing_here(kind):
        response = Response("whole")
        @response.call_on_close
        def close():
            raise KINDS[kind]("of the service")
        return response

    @api.get("/raise/{kind}")
    async def raise_there(kind: str):
        raise KINDS[kind]("of the service")

    @api.get("/thread/{kind}")
    def raise_in_thread(kind: str):
        raise KINDS[kind]("of the service")

    @api.get("/begun/{kind}")
    async def begun_there(kind: str):
        async def pieces():
            yield "first"
            await asyncio.sleep(0.05)
            raise KINDS[kind]("of the service")
        return StreamingResponse(pieces())

    @api.get("/background/{kind}")
    async def in_background(kind: str, tasks: BackgroundTasks):
        async def work():
            raise KINDS[kind]("of the service")
        tasks.add_task(work)
        return "whole"
"""
TOML = """
    [server]
    drain_seconds = 4

    {top}

    [[mounts]]
    name = "web"
    prefix = "/web"
    app = "faulty_:web"
    spool_memory_bytes = 1000

    [[mounts]]
    name = "old"
    prefix = "/old"
    app = "faulty_:web"
    adapter = "a2wsgi"

    [[mounts]]
    name = "api"
    prefix = "/api"
    app = "faulty_:api"
"""
SECONDS = 30


def project(folder: Path, top: str = "") -> Path:
    write_project(folder, TOML.format(top=top), {"faulty_": MODULE})
    return folder


@dataclass
class Load:
    """What several clients ask at the same time, each on its own connections.

    Attributes:
        statuses: How often each status was answered.
        kept: What was answered with 200, by the text to be kept.
        broken: Requests whose connection broke: their clients know.
        wrong: Answers that no client could make sense of.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    kept: list[str] = field(default_factory=list)
    broken: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def asked(self) -> int:
        """Answers of any kind so far."""
        return sum(self.statuses.values()) + self.broken


@contextmanager
def load(gateway: Gateway, clients: int = 4) -> Iterator[Load]:
    """Ask until the block ends."""
    figures, stop, numbers, lock = Load(), threading.Event(), count(), threading.Lock()

    def ask() -> None:
        with httpx.Client(base_url=gateway.url, timeout=SECONDS, verify=False) as http:
            while not stop.is_set():
                text = f"n{next(numbers)}"
                mount = ("web", "api", "old")[int(text[1:]) % 3]
                try:
                    answer = http.post(f"/{mount}/keep/{text}")
                except httpx.TransportError:
                    with lock:
                        figures.broken += 1
                    time.sleep(0.02)
                    continue
                with lock:
                    figures.statuses[answer.status_code] += 1
                    if answer.status_code == 200:
                        figures.kept.append(text)
                        if not answer.text.isdigit():
                            figures.wrong.append(answer.text)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: figures.asked > 10, SECONDS)
        yield figures
    finally:
        stop.set()
        for thread in threads:
            thread.join(SECONDS)
    assert figures.wrong == []


def goes_on(figures: Load, status: int = 200, more: int = 30) -> Callable[[], bool]:
    """Whether so many more answers of a status have come."""
    before = figures.statuses[status]
    return lambda: figures.statuses[status] >= before + more


def assert_kept(folder: Path, figures: Load) -> None:
    """What was answered was done, once."""
    accepted = Counter((folder / "accepted").read_text().split())
    assert {text: accepted[text] for text in figures.kept} == dict.fromkeys(figures.kept, 1)


def assert_healthy(gateway: Gateway, requests: int = 12) -> None:
    """Everything is served, at once and by itself."""
    with httpx.Client(base_url=gateway.url, timeout=SECONDS, verify=False) as http:
        assert http.get("/_gateway/readyz").status_code == 200
        for number in range(requests):
            for mount in ("web", "old", "api"):
                answer = http.post(f"/{mount}/keep/healthy{number}")
                assert answer.status_code == 200, answer.text


def test_a_worker_is_killed(tmp_path: Path) -> None:
    """Requests of that worker break off, no other does, and another worker takes its place."""
    with serving("--workers", "2", cwd=project(tmp_path)) as gateway:
        with load(gateway) as figures:
            killed = set()
            for number in range(2):
                pid = int(httpx.post(f"{gateway.url}/api/keep/kill{number}").text)
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
                wait_until(goes_on(figures), SECONDS)
            # Two processes answer again, neither of them one that was killed.
            pids: set[int] = set()

            def both_answer() -> bool:
                try:
                    pids.add(int(httpx.post(f"{gateway.url}/api/keep/pid").text))
                except httpx.TransportError:
                    return False
                return len(pids - killed) == 2

            wait_until(both_answer, SECONDS)
        assert set(figures.statuses) == {200}
        # Each client had one request at a time, and a connection that was open or in the queue.
        assert figures.broken <= 4 * 2 * len(killed)
        assert_kept(tmp_path, figures)
        assert_healthy(gateway)


@pytest.mark.parametrize(("fail_open", "meanwhile"), [("true", 200), ("false", 503)])
def test_redis_is_stopped_and_started(tmp_path: Path, fail_open: str, meanwhile: int) -> None:
    """As the setting says, requests pass or are refused; afterwards they are counted again."""
    with own_redis(tmp_path) as redis:
        top = "\n    ".join(
            [
                "[edge]",
                'rate_limit = "1000000/hour"',
                f'rate_limit_store = "{redis.url}"',
                f"rate_limit_fail_open = {fail_open}",
            ]
        )
        with serving(cwd=project(tmp_path, top)) as gateway:
            with load(gateway) as figures:
                redis.stop()
                wait_until(goes_on(figures, meanwhile), SECONDS)
                assert httpx.get(f"{gateway.url}/_gateway/readyz").status_code == 200
                redis.start()

                def counted() -> bool:
                    return "ratelimit" in httpx.post(f"{gateway.url}/api/keep/c").headers

                wait_until(counted, SECONDS)
                wait_until(goes_on(figures), SECONDS)
            assert set(figures.statuses) == {200, meanwhile}
            assert figures.broken == 0
            assert_kept(tmp_path, figures)
            assert_healthy(gateway)
            assert gateway.output.count("the store is gone") == 1


def test_the_disk_is_full_for_bodies(tmp_path: Path) -> None:
    """A body that finds no room gets 507, others are served, and room is used once there is."""
    with serving(cwd=project(tmp_path)) as gateway, load(gateway) as figures:
        with httpx.Client(base_url=gateway.url, timeout=SECONDS, verify=False) as http:
            body = b"x" * 2_000_000
            assert http.post("/web/read", content=body).text == "2000000"
            assert http.post("/api/largest-file/1000000").status_code == 200
            for _ in range(5):
                refused = http.post("/web/read", content=body)
                assert refused.status_code == 507, refused.text
                assert refused.headers["content-type"] == "application/problem+json"
                assert http.post("/web/read", content=b"x" * 500_000).text == "500000"
            assert http.post("/api/largest-file/-1").status_code == 200
            assert http.post("/web/read", content=body).text == "2000000"
        wait_until(goes_on(figures), SECONDS)
    assert set(figures.statuses) == {200}
    assert figures.broken == 0
    assert_kept(tmp_path, figures)


KINDS = [
    "ValueError",
    "RecursionError",
    "MemoryError",
    "StopIteration",
    "StopAsyncIteration",
    "GeneratorExit",
    "SystemExit",
    "KeyboardInterrupt",
    "CancelledError",
    "TimeoutError",
    "ConnectionResetError",
    "BrokenPipeError",
    "UnicodeError",
    "OSError",
    "Odd",
]


@pytest.fixture(scope="module")
def raising(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with serving(cwd=project(tmp_path_factory.mktemp("raising"))) as gateway:
        yield gateway


def ask(gateway: Gateway, path: str) -> tuple[int, str, bool]:
    """The status, the body and whether it was whole."""
    body = b""
    with httpx.stream("GET", gateway.url + path, timeout=SECONDS, verify=False) as answer:
        try:
            for piece in answer.iter_raw():
                body += piece
        except httpx.RemoteProtocolError:
            return answer.status_code, body.decode(), False
    return answer.status_code, body.decode(), True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["/web/raise", "/old/raise", "/api/raise", "/api/thread"])
def test_a_service_raises_before_it_answers(raising: Gateway, path: str, kind: str) -> None:
    """Whatever it is, the answer is 500, says nothing of it, and the process goes on."""
    status, body, whole = ask(raising, f"{path}/{kind}")
    assert (status, whole) == (500, True)
    assert "of the service" not in body
    assert raising.process.poll() is None
    assert_healthy(raising, 1)


@pytest.mark.parametrize("path", ["/web/raise", "/old/raise", "/api/raise", "/api/thread"])
def test_an_error_is_answered_with_the_id_that_the_log_has(raising: Gateway, path: str) -> None:
    """Whoever reports it can be helped."""
    answer = httpx.get(f"{raising.url}{path}/ValueError", timeout=SECONDS)
    (identifier,) = answer.headers.get_list("x-request-id")
    raising.wait_for(identifier)


# Either ends the loop that it is raised in by a task of the service's own (asyncio), and with it
# the process: there is nothing to go on with.
ENDS_THE_LOOP = {"SystemExit", "KeyboardInterrupt"}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (path, kind)
        for path in ("/web/begun", "/old/begun", "/api/begun")
        for kind in KINDS
        if not (path == "/api/begun" and kind in ENDS_THE_LOOP)
    ],
)
def test_a_service_raises_in_the_middle_of_its_answer(
    raising: Gateway, path: str, kind: str
) -> None:
    """The answer is broken off, so that nobody takes it for whole."""
    status, body, whole = ask(raising, f"{path}/{kind}")
    assert (status, body, whole) == (200, "first", False)
    assert raising.process.poll() is None
    assert_healthy(raising, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["/web/closing", "/old/closing", "/api/background"])
def test_a_service_raises_after_its_answer(raising: Gateway, path: str, kind: str) -> None:
    """The client has what it was given."""
    assert ask(raising, f"{path}/{kind}")[:2] in {(200, "whole"), (200, '"whole"')}
    assert raising.process.poll() is None
    assert_healthy(raising, 1)
