"""A worker's link to the store, over real databases that come and go."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial

import psycopg
import pytest

from gateway.switch.evidence import Evidence, store_thread
from gateway.switch.evidence.store import Store, StoreError
from gateway.switch.records import Mode, Period, RunTime
from gateway.switch.rules import Rule
from gateway.switch.run_time.keeping import Keeper
from gateway.switch.run_time.returning import ReturnLimits
from tests.backends import PostgresServer, run_postgres
from tests.gateway.switch.conftest import StoreFactory
from tests.gateway.switch.switches import KeptSwitch

LIMITS = ReturnLimits(requests=100)
RULE = Rule("/items/{item_id}", ("GET",), "canary", 5.0)
PERIOD = Period("api", RULE.name, "GET /items/{}", 0, "canary")


class Worker:
    """What one process has of it all."""

    def __init__(self, store: Store) -> None:
        self.switch = KeptSwitch("api", RULE)
        self.evidence = Evidence()
        self.keeper = Keeper(store, self.evidence, [self.switch], LIMITS)

    @contextlib.asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """Keep, and end as the gateway does."""
        task = asyncio.create_task(self.keeper.keep())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def serve(self, answered: int, failed: int = 0) -> None:
        """Count requests that the candidate answered."""
        self.evidence.count(PERIOD, "served candidate 2xx", answered)
        self.evidence.count(PERIOD, "served candidate 5xx", failed)


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until something is so, and fail if it never is."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def longest_stall() -> AsyncIterator[list[float]]:
    """For how long the loop did nothing else, at most."""
    longest = [0.0]

    async def look() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest[0] = max(longest[0], time.monotonic() - before - 0.01)

    task = asyncio.create_task(look())
    try:
        yield longest
    finally:
        task.cancel()


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server that this test may stop."""
    with run_postgres() as server:
        yield server


def _all_have(workers: Sequence[Worker], mode: str) -> bool:
    return all(worker.switch.modes == [mode] for worker in workers)


def _set_mode(mode: Mode | None, store: Store) -> None:
    store.set("api", [RULE.name], mode, who="ann")


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "gateway.switch"]


async def test_what_one_sets_reaches_all_workers_within_two_seconds(
    open_store: StoreFactory, store: Store
) -> None:
    """A person at the command line, and two workers."""
    workers = [Worker(open_store()) for _ in range(2)]
    async with workers[0].keeping(), workers[1].keeping():
        await until(lambda: all(worker.switch.applied for worker in workers))
        for mode in ("candidate", "shadow"):
            started = time.monotonic()
            await asyncio.to_thread(store.set, "api", [RULE.name], mode, who="ann")
            await until(partial(_all_have, workers, mode), 2)
            assert time.monotonic() - started < 2
        await asyncio.to_thread(store.kill, "api", True, who="ann")
        await until(lambda: all(worker.switch.applied[-1].killed for worker in workers), 2)
        # Nothing is applied where nothing was set.
        assert all(len(worker.switch.applied) <= 4 for worker in workers)


async def test_a_worker_that_changed_something_does_not_wait_for_its_next_look(
    store: Store,
) -> None:
    """The page that set it shows it."""
    worker = Worker(store)
    async with worker.keeping():
        await until(lambda: worker.switch.applied)
        epoch = await worker.keeper.ask(
            lambda store: store.set("api", [RULE.name], "shadow", who="ann")
        )
        worker.keeper.changed()
        await until(lambda: worker.switch.modes == ["shadow"], 0.4)
        assert worker.switch.rules[0].epoch == epoch


async def test_evidence_reaches_the_store_every_second_and_at_the_end(
    open_store: StoreFactory, store: Store
) -> None:
    """What came in the last moment is not lost with the process."""
    worker = Worker(open_store())
    async with worker.keeping():
        worker.serve(3)
        worker.evidence.find(PERIOD, "mismatch", "abc", lambda: {"n": 1})
        await until(lambda: store.evidence("api"), 3)
        worker.serve(4)
        started = time.monotonic()
    assert time.monotonic() - started < 1.5
    assert store.evidence("api")[PERIOD].counts["served candidate 2xx"] == 7
    with pytest.raises(StoreError, match="the gateway ends"):
        await worker.keeper.ask(lambda store: store.revision())


async def test_a_flush_that_is_under_way_at_the_end_is_not_lost(
    open_store: StoreFactory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its evidence was taken already, and the store did not have it."""
    worker = Worker(open_store())
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    add = Store.add

    def slow_add(self: Store, batch: object) -> None:
        loop.call_soon_threadsafe(begun.set)
        time.sleep(0.3)
        add(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "add", slow_add)
    worker.serve(3)
    async with worker.keeping():
        await begun.wait()
        worker.serve(4)
    assert store.evidence("api")[PERIOD].counts["served candidate 2xx"] == 7


async def test_a_candidate_that_fails_goes_back_in_all_workers_by_all_their_counts(
    open_store: StoreFactory, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither has seen enough alone. It is set once, with the reason."""
    workers = [Worker(open_store()) for _ in range(2)]
    async with workers[0].keeping(), workers[1].keeping():
        workers[0].serve(70, 5)
        await asyncio.sleep(1.5)
        assert [worker.switch.modes for worker in workers] == [["canary"]] * 2
        workers[1].serve(70, 5)
        await until(lambda: all(worker.switch.modes == ["legacy"] for worker in workers))
        # Nor again by what comes late.
        workers[0].serve(0, 500)
        await asyncio.sleep(1.5)
    (change,) = store.history("api")
    assert (change.who, change.rule, change.before, change.after) == (
        "gateway",
        RULE.name,
        ("canary", 5.0),
        ("legacy", 0.0),
    )
    assert change.why.startswith("6.7 % of 150 requests failed")
    assert "goes back to legacy: 6.7 % of 150" in " ".join(warnings_in(caplog))


async def test_a_rule_set_anew_is_judged_by_what_comes_then(store: Store) -> None:
    """Whoever mended the candidate and moves the route again does not meet the old failures."""
    worker = Worker(store)
    async with worker.keeping():
        worker.serve(0, 200)
        await until(lambda: worker.switch.modes == ["legacy"])
        modes: tuple[Mode | None, ...] = ("candidate", None)
        for mode in modes:
            await worker.keeper.ask(partial(_set_mode, mode))
            expected = mode or RULE.mode
            await until(partial(_all_have, [worker], expected))
            rule = worker.switch.rules[0]
            period = PERIOD._replace(mode=rule.mode, epoch=rule.epoch)
            worker.evidence.count(period, "served candidate 2xx", 200)
            await asyncio.sleep(1.5)
            assert worker.switch.modes == [expected]


async def test_a_database_that_stops_and_starts_costs_nothing(
    own_postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Modes hold, evidence waits, a bad candidate goes back all the same; all is stored then."""
    url = own_postgres.fresh_database()
    worker, other = Worker(Store(url)), Store(url)
    async with longest_stall() as stall, worker.keeping():
        await until(lambda: worker.switch.applied)
        await asyncio.to_thread(other.set, "api", [RULE.name], "candidate", who="ann")
        await until(lambda: worker.switch.modes == ["candidate"])
        epoch = worker.switch.rules[0].epoch
        period = PERIOD._replace(mode="candidate", epoch=epoch)
        worker.evidence.count(period, "served candidate 5xx", 40)
        await until(lambda: not worker.evidence.kept)
        await asyncio.to_thread(own_postgres.stop)
        await until(lambda: warnings_in(caplog))
        worker.evidence.count(period, "served legacy 2xx", 5)
        await asyncio.sleep(2.5)
        assert worker.switch.modes == ["candidate"]
        with pytest.raises(StoreError):
            await worker.keeper.ask(lambda store: store.revision())
        # 40 before, which are in the database, and 60 that are not.
        worker.evidence.count(period, "served candidate 5xx", 60)
        await until(lambda: worker.switch.modes == ["legacy"])
        assert worker.switch.applied[-1].rules[RULE.name].who == "gateway"
        await asyncio.to_thread(own_postgres.start)
        await until(lambda: worker.switch.rules[0].epoch > epoch, 10)
        await until(lambda: "back" in warnings_in(caplog)[-1])
        assert worker.switch.modes == ["legacy"]
    assert stall[0] < 0.5
    # At no moment did the candidate have the route again.
    modes = [run_time.rules[RULE.name].mode for run_time in worker.switch.applied[2:]]
    assert set(modes) == {"legacy"}
    gone, went_back, back = warnings_in(caplog)
    assert gone.startswith("switch: the switch's database ")
    assert "Until then the modes hold" in gone
    assert f"{RULE.name} goes back to legacy: 100.0 % of 100 requests failed" in went_back
    assert back == "switch: the database is back"
    change, _ = await asyncio.to_thread(other.history, "api")
    assert (change.who, change.before) == ("gateway", ("candidate", 0.0))
    counts = (await asyncio.to_thread(other.evidence, "api"))[period].counts
    assert counts == {"served candidate 5xx": 100, "served legacy 2xx": 5}
    other.close()


async def test_a_database_that_is_not_there_yet_at_the_start_is_used_when_it_is(
    own_postgres: PostgresServer,
) -> None:
    """The gateway serves what the file says until then, and makes the tables itself."""
    url = own_postgres.fresh_database()
    own_postgres.stop()
    worker = Worker(Store(url))
    async with worker.keeping():
        worker.serve(3)
        await asyncio.sleep(1.2)
        assert worker.switch.applied == []
        await asyncio.to_thread(own_postgres.start)
        await until(lambda: worker.switch.applied == [RunTime()], 10)
        await until(lambda: not worker.evidence.kept)


async def test_a_database_that_hangs_is_left_and_found_again(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that takes a question and never answers looks like one that works."""
    monkeypatch.setattr(store_thread, "PATIENCE_SECONDS", 1.0)
    url = postgres.fresh_database()
    worker = Worker(Store(url))
    frozen = 0
    try:
        async with longest_stall() as stall, worker.keeping():
            await until(lambda: worker.switch.applied)
            with psycopg.connect(url) as looking:
                row = looking.execute(
                    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name = 'gateway switch'"
                ).fetchone()
            assert row is not None
            frozen = row[0]
            os.kill(frozen, signal.SIGSTOP)
            worker.serve(3)
            await until(lambda: not worker.evidence.kept)
            revision = await worker.keeper.ask(lambda store: store.revision())
        assert revision == 0
        assert stall[0] < 0.5
    finally:
        if frozen:
            os.kill(frozen, signal.SIGCONT)


async def test_a_database_that_hangs_does_not_keep_the_process_from_ending(
    postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The last flush has a second, and what is not stored by then is told."""
    url = postgres.fresh_database()
    worker = Worker(Store(url))
    with psycopg.connect(url) as holding:
        async with worker.keeping():
            await until(lambda: worker.switch.applied)
            holding.execute("SELECT pg_advisory_xact_lock(x'73776974'::int)")
            worker.serve(3)
            started = time.monotonic()
        assert time.monotonic() - started < 2.5
        await asyncio.sleep(0.2)
    gc.collect()
    assert {record.name for record in caplog.records} == {"gateway.switch"}
    assert "could not be brought to the database" in warnings_in(caplog)[-1]


async def test_a_database_that_can_only_be_read_still_tells_what_is_set(
    own_postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that is full is no reason to ignore the kill switch."""
    url = own_postgres.fresh_database()
    worker, other = Worker(Store(url)), Store(url)
    async with worker.keeping():
        await until(lambda: worker.switch.applied)
        with psycopg.connect(url, autocommit=True) as setting:
            setting.execute("ALTER TABLE switch_counts RENAME TO elsewhere")
        worker.serve(3)
        await until(lambda: warnings_in(caplog))
        await asyncio.to_thread(other.kill, "api", True, who="ann")
        await until(lambda: worker.switch.applied[-1].killed, 2)
        await asyncio.sleep(1.5)
        # Told once, and not every second.
        assert len(warnings_in(caplog)) == 1
        with psycopg.connect(url, autocommit=True) as setting:
            setting.execute("ALTER TABLE elsewhere RENAME TO switch_counts")
        await until(lambda: not worker.evidence.kept)
        await until(lambda: len(warnings_in(caplog)) == 2)
    other.close()


async def test_a_switch_that_cannot_apply_what_was_set_does_not_hold_up_the_others(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault in one is told, and the next change is looked at."""

    class Broken(KeptSwitch):
        def apply(self, run_time: RunTime) -> None:
            raise ValueError("a fault")

    worker = Worker(store)
    worker.keeper = Keeper(
        store, worker.evidence, [Broken("broken"), worker.switch], ReturnLimits()
    )
    caplog.set_level(logging.ERROR, "gateway.switch")
    async with worker.keeping():
        await until(lambda: worker.switch.applied)
        await worker.keeper.ask(lambda store: store.set("api", [RULE.name], "shadow", who="ann"))
        await until(lambda: worker.switch.modes == ["shadow"], 2)
    assert "switch broken: what was set could not be applied" in caplog.text
