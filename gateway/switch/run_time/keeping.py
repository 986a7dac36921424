"""A worker's link between its switches, its evidence and the store that all workers share.

The store may be gone at any time. The worker then goes on with the modes that it knows, keeps its
evidence in memory, and decides by its own counts whether a candidate does too badly.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

from gateway.switch.evidence import Evidence
from gateway.switch.evidence.store import Store, StoreError
from gateway.switch.evidence.store_thread import StoreThread, look_at
from gateway.switch.records import Period, RunTime, Tally
from gateway.switch.run_time.returning import ReturnLimits, attempts
from gateway.switch.run_time.returns import GATEWAY, Kept, Return, Returns, RuleInMode

__all__ = ["Keeper", "Kept"]

logger = logging.getLogger("gateway.switch")

LOOK_SECONDS = 0.5
FLUSH_SECONDS = 1.0
# For the last flush: the process ends.
LAST_SECONDS = 1.0

# So many counts in one transaction: others write between two.
_AT_ONCE = 5_000

T = TypeVar("T")


class Keeper:
    """Carries what was set to the switches, and what they found to the store.

    Args:
        store: Used in a thread of its own, and from nowhere else; closed at the end.
        evidence: What this worker finds.
        switches: This worker's.
        limits: What a candidate may do worse before its routes go back.
    """

    def __init__(
        self, store: Store, evidence: Evidence, switches: Sequence[Kept], limits: ReturnLimits
    ) -> None:
        self._thread = StoreThread(store)
        self._evidence = evidence
        self._switches = switches
        self._returns = Returns(switches, limits)
        self._wake = asyncio.Event()
        self._gone = False
        self._revision: int | None = None
        self._run_times: dict[str, RunTime] = {}
        self._adding: asyncio.Task[None] | None = None

    async def keep(self) -> None:
        """Look for changes and bring evidence to the store until cancelled, and once more then."""
        flush_at = 0.0
        try:
            while True:
                self._wake.clear()
                due = time.monotonic() >= flush_at
                if due:
                    flush_at = time.monotonic() + FLUSH_SECONDS
                await self._round(due=due)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), LOOK_SECONDS)
        finally:
            await self._finish()

    async def ask(self, work: Callable[[Store], T]) -> T:
        """Do something else with the store, in its thread.

        Args:
            work: Is given the store.

        Returns:
            What it returned.

        Raises:
            StoreError: The database cannot be used, or did not answer in time.
        """
        return await self._thread.run(work)

    def changed(self) -> None:
        """Look at once: something was set."""
        self._wake.set()

    async def _round(self, *, due: bool) -> None:
        try:
            await self._look()
            if due:
                await self._write_returns()
                await self._flush()
                await self._decide()
                self._back()
        except StoreError as error:
            self._lost(error)
            if due:
                self._decide_alone()
        except Exception:
            # The next round may be luckier. Without one, nothing that is set would be heard of.
            logger.exception("switch: a look at the database failed")

    def _lost(self, error: StoreError) -> None:
        if not self._gone:
            self._gone = True
            logger.warning(
                "switch: %s Until then the modes hold that are known here, and evidence is kept in "
                "memory.",
                error,
            )

    def _back(self) -> None:
        if self._gone:
            self._gone = False
            logger.warning("switch: the database is back")

    async def _look(self) -> None:
        """Apply what was set, if anything was."""
        revision = await self._thread.run(lambda store: store.revision())
        if revision == self._revision:
            return
        names = [switch.name for switch in self._switches]
        run_times = await self._thread.run(lambda store: [store.run_time(name) for name in names])
        self._revision = revision
        self._run_times = dict(zip(names, run_times, strict=True))
        self._returns.forget_overruled(self._run_times)
        for name in names:
            self._apply(name)

    def _apply(self, name: str) -> None:
        run_time = self._returns.over(name, self._run_times.get(name, RunTime()))
        for switch in self._switches:
            if switch.name == name:
                try:
                    switch.apply(run_time)
                except Exception:
                    # One switch is no reason for the others to stay behind.
                    logger.exception("switch %s: what was set could not be applied", name)

    async def _flush(self) -> None:
        batch = self._evidence.take()
        if batch:
            # Where this is cancelled in the middle, it is not lost: the last flush waits for it.
            self._adding = asyncio.create_task(self._add(batch))
            self._adding.add_done_callback(look_at)
            await asyncio.shield(self._adding)

    async def _add(self, batch: dict[Period, Tally]) -> None:
        for part in list(_parts(batch)):
            try:
                await self._thread.run(partial(_add_to, part))
            except StoreError:
                self._evidence.give_back(batch)
                raise
            for period, tally in part.items():
                self._returns.note(period, tally)
                del batch[period]

    async def _decide(self) -> None:
        """Let rules go back, by what all workers have counted."""
        for place in self._returns.take_touched():
            counts = await self._thread.run(partial(_counts_of, place))
            if attempts(counts) < self._returns.limits.requests:
                continue
            if self._returns.baseline(place) is None:
                baseline = await self._thread.run(partial(_baseline_of, place))
                self._returns.remember_baseline(place, baseline)
            decided = self._returns.decide(place, counts)
            if decided is not None:
                self._go_back(decided)
        await self._write_returns()

    def _decide_alone(self) -> None:
        for decided in self._returns.decide_alone(self._evidence.kept):
            self._go_back(decided)

    def _go_back(self, decided: Return) -> None:
        place = decided.place
        logger.warning(
            "switch %s: %s goes back to legacy: %s", place.switch, place.rule, decided.why
        )
        self._apply(place.switch)

    async def _write_returns(self) -> None:
        for decided in self._returns.decided:
            # Nothing is set where another worker was first, or a person. Either way there is a new
            # revision, and what was decided here holds until that is looked at.
            await self._thread.run(partial(_set_back, decided))
            self._wake.set()

    async def _finish(self) -> None:
        try:
            async with asyncio.timeout(LAST_SECONDS):
                if self._adding is not None:
                    with contextlib.suppress(StoreError):
                        await asyncio.shield(self._adding)
                await self._flush()
                await self._write_returns()
        except (StoreError, TimeoutError):
            logger.warning("switch: the last evidence could not be brought to the database")
        finally:
            await self._thread.end(LAST_SECONDS)


def _add_to(batch: Mapping[Period, Tally], store: Store) -> None:
    store.add(batch)


def _counts_of(place: RuleInMode, store: Store) -> dict[str, int]:
    return store.counts(place.switch, place.rule, place.epoch, place.mode)


def _baseline_of(place: RuleInMode, store: Store) -> dict[str, int]:
    return store.baseline(place.switch, place.rule)


def _set_back(decided: Return, store: Store) -> None:
    switch, rule, epoch, mode = decided.place
    store.set(
        switch,
        [rule],
        "legacy",
        who=GATEWAY,
        why=decided.why,
        before={rule: (mode, decided.percent)},
        only_epoch=epoch,
    )


def _parts(batch: Mapping[Period, Tally]) -> Iterator[dict[Period, Tally]]:
    """A batch in parts that are each stored quickly."""
    part: dict[Period, Tally] = {}
    size = 0
    for period, tally in batch.items():
        part[period] = tally
        size += len(tally.counts) + len(tally.findings)
        if size >= _AT_ONCE:
            yield part
            part, size = {}, 0
    if part:
        yield part
