"""One thread in which a store is used, so that no event loop waits for a database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gateway.switch.evidence.store import Store, StoreError

# A database that says nothing for so long is taken for gone.
PATIENCE_SECONDS = 5.0
# From breaking off until the thread has noticed.
_NOTICE_SECONDS = 1.0

T = TypeVar("T")


class StoreThread:
    """Does one thing with a store after the other.

    Args:
        store: Not used from anywhere else. It is prepared before it is first used, and again after
            it failed: the database may be another one by then.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="switch-store")
        self._turn = asyncio.Lock()
        self._prepared = False
        self._ended = False

    async def run(self, work: Callable[[Store], T]) -> T:
        """Do something with the store, in its thread.

        Args:
            work: Is given the store.

        Returns:
            What it returned.

        Raises:
            StoreError: The database cannot be used, or did not answer in time.
        """
        # Whoever waits for a turn has all of the patience when it comes.
        async with self._turn:
            if self._ended:
                raise StoreError("the switch's database is closed: the gateway ends")
            loop = asyncio.get_running_loop()
            future = loop.run_in_executor(self._executor, self._do, work)
            future.add_done_callback(look_at)
            done, _ = await asyncio.wait({future}, timeout=PATIENCE_SECONDS)
            if not done:
                self._store.break_off()
                done, _ = await asyncio.wait({future}, timeout=_NOTICE_SECONDS)
            if not done:
                raise StoreError(
                    f"the switch's database has not answered for {PATIENCE_SECONDS:g} s"
                )
            return future.result()

    async def end(self, seconds: float) -> None:
        """Close the store; what is still waited for fails.

        Args:
            seconds: To wait for it at most.
        """
        self._ended = True
        if self._turn.locked():
            self._store.break_off()
        closing = asyncio.get_running_loop().run_in_executor(self._executor, self._store.close)
        closing.add_done_callback(look_at)
        self._executor.shutdown(wait=False)
        await asyncio.wait({closing}, timeout=seconds)

    def _do(self, work: Callable[[Store], T]) -> T:
        try:
            if not self._prepared:
                self._store.prepare()
                self._prepared = True
            return work(self._store)
        except StoreError:
            self._prepared = False
            raise


def look_at(future: asyncio.Future[T]) -> None:
    """Nobody may wait for it any more; asyncio would say that its failure was never seen."""
    if not future.cancelled():
        future.exception()
