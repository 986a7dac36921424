"""A stop while Flask answers: what was accepted is answered whole, and the process ends in time."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.bridge.exchanges import Seen, take_apart
from tests.bridge.strangers import Strangers, address_of, get, rest_of, serving_project
from tests.live.serving import Gateway, wait_until

THREADS = 4
# Of each kind; most of them wait for a thread when the signal comes.
HELD = 12
VISITORS = 6
BLOCK = b"x" * 50_000
BLOCKS = 6

WEB = """
    import threading
    import time

    from flask import Flask, Response

    app = Flask(__name__)

    @app.get("/ok/<name>")
    def ok(name):
        print(f"began {name}.", flush=True)
        return name

    @app.get("/blocks")
    def blocks():
        time.sleep(0.3)
        return "blocked"

    @app.get("/streams")
    def streams():
        def chunks():
            for _ in range(6):
                yield b"x" * 50_000
                time.sleep(0.05)

        return Response(chunks())

    @app.get("/never")
    def never():
        print("never began", flush=True)
        threading.Event().wait()
"""

TOML = """
    [server]
    drain_seconds = {drain_seconds}
    access_log = false

    [[mounts]]
    name = "held"
    prefix = "/held"
    app = "web:app"
    threads = 4

    [[mounts]]
    name = "visited"
    prefix = "/visited"
    app = "web:app"
    threads = 4

    [[mounts]]
    name = "api"
    prefix = "/api"
    app = "tests.bridge.abused_app:api"
"""


@contextmanager
def _draining_in(folder: Path, drain_seconds: float) -> Iterator[Gateway]:
    toml = TOML.format(drain_seconds=drain_seconds)
    with serving_project(folder, toml, {"web": WEB}) as gateway:
        yield gateway


class _Visitor:
    """Asks again and again, on a new connection each time, until nobody listens any more.

    Attributes:
        answers: What came back, by the name that was asked for; a status of 0 for nothing.
    """

    def __init__(self, address: tuple[str, int], number: int) -> None:
        self.answers: dict[str, Seen] = {}
        self._address = address
        self._number = number
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        while self._ask(f"{self._number}-{len(self.answers)}"):
            pass

    def _ask(self, name: str) -> bool:
        try:
            with socket.create_connection(self._address, 10) as connection:
                self.answers[name] = Seen()
                connection.sendall(get(f"/visited/ok/{name}", last=True))
                self.answers[name] = take_apart(rest_of(connection))
        except OSError:
            return False
        return True


def _accepted(http: httpx.Client, mount: str) -> int:
    """How many requests of a mount have had a thread, have one or wait for one."""
    state = http.get(f"/api/state/{mount}").json()
    busy, _, queued, _ = state["gauges"]
    return int(state["counters"]["served"] + busy + queued)


def test_a_stop_under_load_answers_whatever_was_accepted(tmp_path: Path) -> None:
    """Blocked, streaming or still queued: each request gets its whole answer, and the exit is 0."""
    with _draining_in(tmp_path, 15) as gateway:
        address = address_of(gateway)
        strangers = Strangers(address)
        blocked = [strangers.connect(get("/held/blocks")) for _ in range(HELD)]
        streamed = [strangers.connect(get("/held/streams")) for _ in range(HELD)]
        visitors = [_Visitor(address, number) for number in range(VISITORS)]
        try:
            with httpx.Client(base_url=gateway.url, timeout=5) as http:
                wait_until(lambda: _accepted(http, "held") == 2 * HELD)
                wait_until(lambda: all(len(visitor.answers) > 1 for visitor in visitors))
            gateway.signal(signal.SIGTERM)
            for connection, body in [(each, b"blocked") for each in blocked] + [
                (each, BLOCK * BLOCKS) for each in streamed
            ]:
                answer = take_apart(rest_of(connection))
                assert (answer.status, answer.body, answer.complete) == (200, body, True)
            assert gateway.wait(15) == 0
        finally:
            strangers.leave()
            for visitor in visitors:
                visitor.thread.join(20)
    for visitor in visitors:
        for name, answer in visitor.answers.items():
            if answer.status or f"began {name}." in gateway.output:
                assert (answer.status, answer.body) == (200, name.encode())
                assert answer.complete
    assert "Traceback" not in gateway.output


def test_a_thread_that_never_returns_keeps_neither_the_process_nor_other_answers(
    tmp_path: Path,
) -> None:
    """Others are answered whole, and a second after its deadline the process is gone."""
    drain_seconds = 3.0
    with _draining_in(tmp_path, drain_seconds) as gateway:
        strangers = Strangers(address_of(gateway))
        strangers.connect(get("/held/never"))
        gateway.wait_for("never began")
        others = [strangers.connect(get("/held/streams")) for _ in range(THREADS)]
        with httpx.Client(base_url=gateway.url, timeout=5) as http:
            wait_until(lambda: _accepted(http, "held") == THREADS + 1)
        gateway.signal(signal.SIGTERM)
        began = time.monotonic()
        answers = [take_apart(rest_of(connection)) for connection in others]
        assert gateway.wait() == 1
        assert time.monotonic() - began < drain_seconds + 1
        strangers.leave()
    assert [(answer.body, answer.complete) for answer in answers] == [
        (BLOCK * BLOCKS, True)
    ] * THREADS
