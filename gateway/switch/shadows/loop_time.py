"""How long a coroutine keeps the event loop, all steps together; not how long it waits."""

from __future__ import annotations

import time
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


class LoopTime:
    """Adds up the steps of coroutines.

    Attributes:
        seconds: Of all steps that have ended.
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    async def of(self, function: Callable[..., Coroutine[Any, Any, T]], *what: Any) -> T:
        """Call a coroutine function, in the task of whoever awaits this, and time its steps."""
        return await self._steps(function(*what))

    @types.coroutine
    def _steps(self, coroutine: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        step, given = coroutine.send, None
        try:
            while True:
                started = time.perf_counter()
                try:
                    awaited = step(given)
                except StopIteration as end:
                    result: T = end.value
                    return result
                finally:
                    self.seconds += time.perf_counter() - started
                try:
                    step, given = coroutine.send, (yield awaited)
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001 - it is for the coroutine, as any is
                    step, given = coroutine.throw, error
        finally:
            coroutine.close()
