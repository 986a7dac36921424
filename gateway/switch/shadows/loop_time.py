"""How long coroutines keep the event loop: all their steps together, and not what they wait for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar
from typing import Any, Final, TypeVar, cast

T = TypeVar("T")


class LoopTime:
    """Adds up the steps of coroutines, and those of the tasks that they start (`ChildTasks`).

    Args:
        free: Seconds that are not charged.
        charge: Told at the end of each step what it took beyond those.

    Attributes:
        seconds: Of all steps that have ended.
    """

    def __init__(
        self, free: float = 0.0, charge: Callable[[float], None] = lambda seconds: None
    ) -> None:
        self.seconds = 0.0
        self._charged = free
        self._charge = charge

    def of(self, coroutine: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        """The same coroutine, timed."""
        return _Timed(coroutine, self)

    def mark(self, context: Context) -> None:
        """Have what runs in this context time its child tasks as well."""
        context.run(_current.set, self)

    def add(self, seconds: float) -> None:
        """One step has ended."""
        self.seconds += seconds
        if self.seconds > self._charged:
            self._charge(self.seconds - self._charged)
            self._charged = self.seconds


class ChildTasks:
    """Has the tasks that timed coroutines start timed as well, for as long as it is wanted.

    A middleware that runs the application in a task of its own is common (Starlette's
    `BaseHTTPMiddleware` does). All new tasks of the event loop pass by here meanwhile.
    """

    def __init__(self) -> None:
        self._others: Any = None
        self._factory = self._make  # one object, to know it again

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on."""
        if loop.get_task_factory() is not self._factory:
            self._others = loop.get_task_factory()
            loop.set_task_factory(self._factory)

    def end(self, loop: asyncio.AbstractEventLoop) -> None:
        """Not any more."""
        if loop.get_task_factory() is self._factory:
            loop.set_task_factory(self._others)

    def _make(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> Any:
        current = _current.get()
        if current is not None and asyncio.iscoroutine(coroutine):
            coroutine = _Timed(coroutine, current)
        if self._others is not None:
            return self._others(loop, coroutine, **more)
        return asyncio.Task(coroutine, loop=loop, **more)


class _Timed(Coroutine[Any, Any, T]):
    """A coroutine with a clock; all else of it is its own."""

    __slots__ = ("_coroutine", "_loop_time")

    def __init__(self, coroutine: Coroutine[Any, Any, T], loop_time: LoopTime) -> None:
        self._coroutine = coroutine
        self._loop_time = loop_time

    def send(self, value: Any) -> Any:
        started = time.perf_counter()
        try:
            return self._coroutine.send(value)
        finally:
            self._loop_time.add(time.perf_counter() - started)

    def throw(self, *error: Any) -> Any:
        started = time.perf_counter()
        try:
            return self._coroutine.throw(*error)
        finally:
            self._loop_time.add(time.perf_counter() - started)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, T]:
        return cast("Generator[Any, Any, T]", self)

    def __iter__(self) -> Generator[Any, Any, T]:
        return self.__await__()

    def __next__(self) -> Any:
        return self.send(None)

    def __getattr__(self, name: str) -> Any:
        # What looks at a task's coroutine (anyio, debuggers) sees the one that runs.
        return getattr(self._coroutine, name)


_current: Final[ContextVar[LoopTime | None]] = ContextVar("loop_time", default=None)
