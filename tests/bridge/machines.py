"""Pieces for tests of the pool: jobs and requests that do what a test says, when it says so."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

from starlette.types import ASGIApp, Message

from gateway.bridge import Bridge, BridgeLimits
from gateway.bridge.jobs import Saturated
from gateway.bridge.pool import WorkerPool
from gateway.problems import Expired
from tests.bridge.driver import SECONDS, Exchange, scope_of, until

_names = itertools.count()


def unique_name() -> str:
    """A name that no other pool has, so that its threads can be told from others."""
    return f"pool-{next(_names)}-of-a-test"


def threads_of(name: str) -> list[threading.Thread]:
    """The threads of a pool that are alive."""
    return [thread for thread in threading.enumerate() if thread.name.startswith(f"{name}-")]


def is_whole(pool: WorkerPool) -> bool:
    """Nothing runs, waits or is stuck."""
    return (pool.busy, pool.awake, pool.queued, pool.stuck) == (0, 0, 0, 0)


class Gate:
    """What somebody in a thread waits for, asleep or computing."""

    def __init__(self) -> None:
        self._open = threading.Event()

    def open(self) -> None:
        """Let who waits go on."""
        self._open.set()

    def is_open(self) -> bool:
        """Whether it was opened."""
        return self._open.is_set()

    def block(self) -> None:
        """Wait asleep, in a bounded time."""
        assert self._open.wait(SECONDS)

    def compute(self) -> None:
        """Wait with the processor busy, in a bounded time."""
        deadline = time.monotonic() + SECONDS
        while not self._open.is_set():
            sum(range(200))
            assert time.monotonic() < deadline


class FakeJob:
    """A job that waits in one of the ways, and counts what the pool does with it."""

    def __init__(self, pool: WorkerPool, kind: str, *, urgent: bool = True) -> None:
        self.pool = pool
        self.kind = kind
        self.gate = Gate()
        self.urgent = urgent
        self.runs = self.ends = self.notified = self.delivered = 0
        self.expired = self.discarded = self.cancelled = 0
        self.order = -1
        self.waited = 0.0

    _order = itertools.count()

    def run(self) -> None:
        """Wait, then tell the loop."""
        self.runs += 1
        self.order = next(self._order)
        if self.kind == "block":
            self.gate.block()
        elif self.kind == "compute":
            self.gate.compute()
        self.notified += 1
        self.pool.notify(self, urgent=self.urgent)
        self.ends += 1

    def deliver(self) -> None:
        """Count it."""
        self.delivered += 1

    def expire(self, oldest: float) -> bool:
        """Count it, where it is not too late for that."""
        if self.notified:
            return False
        self.expired += 1
        return True

    def discard(self) -> None:
        """Count it."""
        self.discarded += 1


class Script:
    """An application that does what the request's path says, once per request.

    Attributes:
        calls: How often it was called, by path.
        closed: How often an iterable was closed, by path.
        opened: Which iterables were returned.
    """

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}
        self.closed: dict[str, int] = {}
        self.opened: set[str] = set()
        self.gates: dict[str, Gate] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        kind = path.split("/")[1]
        gate = self.gates[path]
        self.calls[path] = self.calls.get(path, 0) + 1
        if kind == "block":
            gate.block()
        elif kind == "compute":
            gate.compute()
        elif kind == "raise":
            raise ValueError("before the answer")
        start_response("200 OK", [("Content-Type", "text/plain")])
        if kind in {"stream", "flood", "break"}:
            self.opened.add(path)
            return _Iterable(self, path, kind, gate)
        return [b"ok"]


class _Iterable:
    def __init__(self, script: Script, path: str, kind: str, gate: Gate) -> None:
        self._script = script
        self._path = path
        self._chunks = self._flood() if kind == "flood" else self._two(gate, kind)

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        closed = self._script.closed
        closed[self._path] = closed.get(self._path, 0) + 1

    @staticmethod
    def _two(gate: Gate, kind: str) -> Iterator[bytes]:
        yield b"first"
        gate.block()
        if kind == "break":
            raise ValueError("within the answer")
        yield b"second"

    @staticmethod
    def _flood() -> Iterator[bytes]:
        while True:
            yield b"x" * 50_000


class _Forgetful(Exchange):
    """An exchange that does not keep what may have no end."""

    async def _send(self, message: Message) -> None:
        await super()._send({**message, "body": b""})
        self.answer.messages.clear()


class Request:
    """One request to the script, as a task.

    Args:
        app: The bridge.
        script: The application behind it.
        kind: What it does there.
    """

    _numbers = itertools.count()

    def __init__(self, app: ASGIApp, script: Script, kind: str) -> None:
        self.kind = kind
        self.path = f"/{kind}/{next(self._numbers)}"
        self.gate = script.gates[self.path] = Gate()
        self.exchange = _Forgetful(app, scope_of(self.path))
        self.task = asyncio.get_running_loop().create_task(self.exchange.run())

    @property
    def outcome(self) -> str:
        """How the task has ended."""
        if self.task.cancelled():
            return "cancelled"
        error = self.task.exception()
        if error is None:
            return "complete" if self.exchange.answer.complete else "left"
        if isinstance(error, Saturated):
            return "rejected"
        if isinstance(error, Expired):
            return "timed out"
        assert isinstance(error, ValueError), error
        return "raised"

    async def end(self) -> None:
        """Wait for the task, however it ends."""
        with contextlib.suppress(BaseException):
            async with asyncio.timeout(SECONDS):
                await asyncio.wait([self.task])
        assert self.task.done()


@contextlib.asynccontextmanager
async def bridged(app: Any, **limits: Any) -> Any:
    """The bridge around an application; closed afterwards, when nothing of it may be left."""
    name = unique_name()
    bridge = Bridge(app, name, BridgeLimits(**limits))
    async with asyncio.timeout(2 * SECONDS):
        yield bridge
        assert await bridge.pool.close(SECONDS)
        await until(lambda: not threads_of(name))
