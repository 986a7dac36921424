"""What switches remember, on real SQLite files and a real PostgreSQL."""

from __future__ import annotations

import json
import multiprocessing
import os
import sqlite3
import threading
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.switch.evidence import FINDINGS_KEPT, NAMES_KEPT, SAMPLE_CHARACTERS
from gateway.switch.evidence.store import CHANGES_KEPT, Store, StoreError
from gateway.switch.evidence.tally_rows import EPOCHS_KEPT
from gateway.switch.records import EVERY_ROUTE, MODES, Finding, FindingKind, Period, RunTime, Tally
from tests.backends import PostgresServer, free_port
from tests.gateway.switch.conftest import StoreFactory

RULE = "GET /items/{item_id}"
PERIOD = Period("api", RULE, "GET /items/{}", 0, "canary")
PROCESSES, TURNS = 4, 15
THEN = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


def finding(
    signature: str,
    count: int = 1,
    at: datetime = THEN,
    kind: FindingKind = "mismatch",
    **sample: Any,
) -> tuple[tuple[FindingKind, str], Finding]:
    return (kind, signature), Finding(kind, signature, count, at, at, sample)


def _prepare_and_add(url: str) -> int:
    """What a worker does; runs in a process of its own."""
    store = Store(url)
    try:
        store.prepare()
        for turn in range(TURNS):
            batch = {
                PERIOD._replace(route=f"GET /{route}"): Tally(
                    {"served legacy 2xx": 2, f"uncompared {turn}": 1},
                    dict([finding("same"), finding(f"{os.getpid()} {turn}")]),
                )
                # Each worker has its own order: whoever locks row by row meets another one.
                for route in sorted(range(6), key=lambda route: (route * 7 + os.getpid()) % 11)
            }
            store.add(batch)
            store.set("api", [RULE], "canary", turn, who=str(os.getpid()))
    finally:
        store.close()
    return os.getpid()


def test_processes_prepare_and_add_at_once_and_nothing_is_lost(
    database_url: str, open_store: StoreFactory
) -> None:
    """All workers start at the same moment, on a database that is empty, and flush together."""
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=spawning) as pool:
        list(pool.map(_prepare_and_add, [database_url] * PROCESSES))
    store = open_store()
    evidence = store.evidence("api")
    each = PROCESSES * TURNS
    assert len(evidence) == 6
    for tally in evidence.values():
        assert tally.counts["served legacy 2xx"] == 2 * each
        assert [tally.counts[f"uncompared {turn}"] for turn in range(TURNS)] == [PROCESSES] * TURNS
        assert tally.findings["mismatch", "same"].count == each
        # One of all sorts was the same for all, and there is room for so many of the others.
        assert len(tally.findings) == FINDINGS_KEPT
        assert tally.counts["mismatch other"] == each - (FINDINGS_KEPT - 1)
    assert store.revision() == each
    assert len(store.history("api")) == each


def test_threads_prepare_one_empty_database_at_once(open_store: StoreFactory) -> None:
    """Whoever comes second finds it done."""
    stores = [open_store() for _ in range(6)]
    barrier = threading.Barrier(len(stores))

    def prepare(store: Store) -> int:
        barrier.wait()
        store.prepare()
        return store.revision()

    with ThreadPoolExecutor(len(stores)) as pool:
        assert list(pool.map(prepare, stores)) == [0] * len(stores)


def test_what_is_set_is_there_with_who_and_when_and_why(store: Store) -> None:
    """The next look at the revision tells every worker."""
    assert store.run_time("api") == RunTime()
    epoch = store.set("api", [RULE, "POST /items"], "canary", 5, who="ann", why="it is time")
    run_time = store.run_time("api")
    assert epoch == run_time.revision == store.revision() == 1
    assert list(run_time.rules) == [RULE, "POST /items"]
    rule = run_time.rules[RULE]
    assert (rule.mode, rule.percent, rule.epoch) == ("canary", 5, 1)
    assert (rule.who, rule.why) == ("ann", "it is time")
    assert abs(rule.at - datetime.now(UTC)) < timedelta(minutes=1)
    assert store.run_time("other").rules == {}


def test_a_rule_goes_back_to_what_the_file_says(store: Store) -> None:
    """Its setting is gone; the others' are not."""
    store.set("api", [RULE, "POST /items"], "shadow", who="ann")
    assert store.set("api", [RULE, "never set"], None, who="bob") == 2
    assert list(store.run_time("api").rules) == ["POST /items"]
    assert [change.rule for change in store.history("api")] == [RULE, "POST /items", RULE]


def test_what_a_candidate_did_before_the_file_held_again_is_not_counted_now(store: Store) -> None:
    """It was mended since. Its failures would send it back at once, and are still told."""
    store.add(
        {PERIOD: Tally({"served candidate 5xx": 9}), PERIOD._replace(rule=""): Tally({"n": 1})}
    )
    store.set("api", [RULE], "legacy", who="gateway")
    assert store.counts("api", RULE, 0, "canary") == {"served candidate 5xx": 9}
    store.set("api", [RULE], None, who="ann")
    assert store.counts("api", RULE, 0, "canary") == {}
    store.add({PERIOD: Tally({"served candidate 2xx": 1})})
    assert store.counts("api", RULE, 0, "canary") == {"served candidate 2xx": 1}
    epochs = {(period.rule, period.epoch) for period in store.evidence("api")}
    assert epochs == {(RULE, -2), (RULE, 0), ("", 0)}


def test_the_kill_switch_is_told_apart_from_what_is_set(store: Store) -> None:
    """It turns off again, and then the rules are as they were."""
    store.set("api", [RULE], "candidate", who="ann")
    assert store.kill("api", True, who="bob", why="fire") == 2
    run_time = store.run_time("api")
    assert run_time.killed
    assert run_time.rules[RULE].mode == "candidate"
    assert not store.run_time("other").killed
    assert store.kill("api", False, who="bob") == 3
    assert not store.run_time("api").killed
    off, on, _ = store.history("api")
    assert (on.rule, on.before, on.after, on.why) == (EVERY_ROUTE, None, ("legacy", 0.0), "fire")
    assert (off.rule, off.before, off.after) == (EVERY_ROUTE, ("legacy", 0.0), None)


def test_the_history_tells_from_what_to_what(store: Store) -> None:
    """Where nothing had been set, from what was in force."""
    store.set("api", [RULE], "shadow", who="ann", before={RULE: ("canary", 7.0)})
    store.set("api", [RULE], "canary", 5, who="bob", before={RULE: ("legacy", 0.0)})
    store.set("api", [RULE], None, who="eve")
    store.set("api", ["other"], "shadow", who="ann")
    told = [
        (change.before, change.after, change.epoch, change.who) for change in store.history("api")
    ]
    assert told == [
        (None, ("shadow", 0.0), 4, "ann"),
        (("canary", 5.0), None, 3, "eve"),
        (("shadow", 0.0), ("canary", 5.0), 2, "bob"),
        (("canary", 7.0), ("shadow", 0.0), 1, "ann"),
    ]
    assert [change.epoch for change in store.history("api", limit=2)] == [4, 3]


def test_the_history_keeps_the_last_changes_of_each_switch(store: Store) -> None:
    """One that is set all day does not push another's out."""
    store.set("quiet", [RULE], "shadow", who="ann")
    for number in range(CHANGES_KEPT // 50 + 1):
        store.set("api", [f"rule {rule}" for rule in range(50)], "canary", number, who="ann")
    history = store.history("api", limit=1000)
    assert len(history) == CHANGES_KEPT
    assert history[-1].epoch == 3
    assert len(store.history("quiet")) == 1


def test_of_two_who_set_on_the_same_knowledge_only_one_does(open_store: StoreFactory) -> None:
    """Two workers see the same failures, and a person's setting is not overrun."""
    stores = [open_store() for _ in range(4)]
    stores[0].prepare()
    for turn in range(5):
        known = stores[0].run_time("api").rules
        epoch = known[RULE].epoch if RULE in known else 0
        barrier = threading.Barrier(len(stores))

        def set_once(store: Store, barrier: threading.Barrier = barrier, epoch: int = epoch) -> Any:
            barrier.wait()
            return store.set("api", [RULE], "legacy", who="gateway", only_epoch=epoch)

        with ThreadPoolExecutor(len(stores)) as pool:
            done = list(pool.map(set_once, stores))
        assert sorted(done, key=bool) == [None, None, None, turn + 1]
    assert len(stores[0].history("api")) == 5


def test_of_several_rules_all_are_set_or_none(store: Store) -> None:
    """They belong together."""
    store.set("api", ["one"], "candidate", who="ann")
    assert store.set("api", ["one", "two"], "legacy", who="gateway", only_epoch=1) is None
    assert store.run_time("api").rules["one"].mode == "candidate"
    assert store.revision() == 1


def test_counts_and_findings_add_up_to_what_was_stored(store: Store) -> None:
    """Of each sort the first sample stays, with when it was first and last seen."""
    store.add({PERIOD: Tally({"a": 1, "b": 2}, dict([finding("x", 2, THEN, n="first")]))})
    later, sooner = THEN + timedelta(hours=1), THEN - timedelta(hours=1)
    store.add({PERIOD: Tally({"b": 3}, dict([finding("x", 1, later, n="second")]))})
    store.add({PERIOD: Tally({}, dict([finding("x", 1, sooner, n="third"), finding("y")]))})
    store.add({PERIOD: Tally({}, dict([finding("x", kind="noise")]))})
    tally = store.evidence("api")[PERIOD]
    assert tally.counts == {"a": 1, "b": 5}
    assert sorted(tally.findings) == [("mismatch", "x"), ("mismatch", "y"), ("noise", "x")]
    assert tally.findings["mismatch", "x"] == Finding(
        "mismatch", "x", 4, sooner, later, {"n": "first"}
    )
    assert store.evidence("other") == {}


def test_the_counts_of_a_rule_are_those_of_all_its_routes_in_one_mode(store: Store) -> None:
    """Neither another epoch's nor another mode's."""
    store.add(
        {
            PERIOD: Tally({"a": 1, "b": 1}),
            PERIOD._replace(route="HEAD /items/{}"): Tally({"a": 2}),
            PERIOD._replace(epoch=1): Tally({"a": 10}),
            PERIOD._replace(mode="shadow"): Tally({"a": 10}),
            PERIOD._replace(rule="other"): Tally({"a": 10}),
            PERIOD._replace(switch="other"): Tally({"a": 10}),
        }
    )
    counts = store.counts("api", RULE, 0, "canary")
    assert counts == {"a": 3, "b": 1}
    assert json.dumps(counts)


def test_the_baseline_is_of_when_the_legacy_service_answered_everything(store: Store) -> None:
    """Not of the requests that it has instead of a candidate that failed."""
    names = {
        "served legacy 2xx": 1,
        "latency legacy 9": 1,
        "served candidate 2xx": 1,
        "shadow match": 1,
    }
    for epoch, mode in enumerate(MODES):
        store.add({PERIOD._replace(epoch=epoch, mode=mode): Tally(dict(names))})
    assert store.baseline("api", RULE) == {"served legacy 2xx": 2, "latency legacy 9": 2}


def test_stored_names_have_a_bound_whatever_came_in_how_many_batches(store: Store) -> None:
    """Each flush has few of them, and a day has many flushes."""
    for start in range(0, NAMES_KEPT + 100, 50):
        names = {f"uncompared because of {start + number}": 1 for number in range(50)}
        store.add({PERIOD: Tally({**names, "served legacy 2xx": 1})})
    counts = store.evidence("api")[PERIOD].counts
    assert len(counts) == NAMES_KEPT + 2
    assert counts["uncompared other"] == 100


def test_stored_findings_have_a_bound_for_each_kind(store: Store) -> None:
    """Those over it are counted; those that are known still add up."""
    for number in range(FINDINGS_KEPT + 3):
        store.add({PERIOD: Tally({}, dict([finding(str(number), 2), finding("0", kind="noise")]))})
    store.add({PERIOD: Tally({}, dict([finding("0", 5)]))})
    tally = store.evidence("api")[PERIOD]
    assert len(tally.findings) == FINDINGS_KEPT + 1
    assert tally.counts == {"mismatch other": 6}
    assert tally.findings["mismatch", "0"].count == 7


def test_of_a_route_the_last_periods_stay(store: Store) -> None:
    """A mode that is set every day does not fill the database."""
    other = PERIOD._replace(route="GET /other")
    store.add({other: Tally({"a": 1})})
    for epoch in range(EPOCHS_KEPT + 5):
        store.add({PERIOD._replace(epoch=epoch): Tally({"a": 1}, dict([finding("x")]))})
    epochs = [period.epoch for period in store.evidence("api") if period.route == PERIOD.route]
    assert epochs == list(range(5, EPOCHS_KEPT + 5))
    assert other in store.evidence("api")


def test_what_a_database_would_refuse_does_not_keep_the_rest_out(store: Store) -> None:
    """One name with a NUL would be given back, and refused, for ever."""
    odd = Period("api", "GET /\ud800", "GET /" + "long/" * 2000, 0, "shadow")
    key, nul = finding("\0\ud800" * 300, 1, THEN, text="\0\ud800", big="é" * 50_000)
    for _ in range(2):
        store.add({odd: Tally({"uncompared \0" + "x" * 9000: 1, "\ud800": 1}, {key: nul})})
    (tally,) = store.evidence("api").values()
    assert sorted(tally.counts.values()) == [2, 2]
    (stored,) = tally.findings.values()
    assert stored.count == 2
    assert stored.sample["text"] == "\0\ud800"
    assert len(json.dumps(stored.sample)) <= SAMPLE_CHARACTERS
    store.set("api", ["GET /\0"], "shadow", who="\0", why="\ud800")
    assert store.history("api")[0].why == "\\ud800"


def test_a_large_batch_is_stored_whole(store: Store) -> None:
    """Thousands of routes come at once after a while without a database."""
    batch = {
        PERIOD._replace(route=f"GET /{n}"): Tally({"a": 1}, dict([finding("x")]))
        for n in range(2000)
    }
    store.add(batch)
    evidence = store.evidence("api")
    assert evidence.keys() == batch.keys()
    assert store.counts("api", RULE, 0, "canary") == {"a": 2000}


def test_a_database_that_was_not_prepared_says_so(open_store: StoreFactory) -> None:
    """Everything that can go wrong is a StoreError."""
    with pytest.raises(StoreError, match=r"cannot be used: .*Look whether"):
        open_store().revision()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hunter2",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://ann:hunter2@host/db",
        "postgresql://ann:hunter2@host:hunter2/db",
        "postgresql://ann:hunter2@127.0.0.1:{port}/db?nonsense=1",
        "postgresql://ann:hunter2@127.0.0.1:{port}/db",
        "postgresql://127.0.0.1:{port}/db?user=ann&password=hunter2",
        "postgresql://ann:hunter2@127.0.0.1:{postgres}/postgres",
        "postgresql://postgres:hunter2@127.0.0.1:{postgres}/nothing",
    ],
)
def test_no_fault_of_a_database_tells_its_password(url: str, postgres: PostgresServer) -> None:
    """It stands in logs, and on pages."""
    url = url.format(port=free_port(), postgres=postgres.port)
    with pytest.raises(StoreError) as caught:
        Store(url).prepare()
    assert "hunter2" not in str(caught.value)
    # With all errors behind it, and without the lines of code, which are this test's own.
    whole = traceback.TracebackException.from_exception(caught.value, lookup_lines=False)
    causes = []
    error: traceback.TracebackException | None = whole
    while error is not None:
        causes.append(str(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert "hunter2" not in " ".join(causes)


def test_a_password_that_is_also_a_name_is_masked_in_it(postgres: PostgresServer) -> None:
    """The server repeats the name of who was refused, and of the database."""
    url = f"postgresql://hunter2:hunter2@127.0.0.1:{postgres.port}/hunter2"
    with pytest.raises(StoreError, match=r"role .*\*\*\*") as caught:
        Store(url).prepare()
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_database_or_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    """A folder where the file should be, and a text where the tables should be."""
    text = tmp_path / "text"
    text.write_text("this is no database " * 100)
    for path in (tmp_path, text, text / "below" / "switch.db"):
        store = Store(f"sqlite:///{path}")
        with pytest.raises(StoreError):
            store.prepare()
        store.close()


def test_a_lock_that_somebody_holds_is_not_waited_for_without_end(
    database_url: str, store: Store
) -> None:
    """Reading goes on meanwhile, and writing when it is gone."""
    store.add({PERIOD: Tally({"a": 1})})
    release = _hold_lock(database_url)
    started = time.monotonic()
    with pytest.raises(StoreError):
        store.add({PERIOD: Tally({"a": 1})})
    assert 1 < time.monotonic() - started < 6
    assert store.revision() == 0
    assert store.evidence("api")[PERIOD].counts == {"a": 1}
    release()
    store.add({PERIOD: Tally({"a": 1})})
    assert store.evidence("api")[PERIOD].counts == {"a": 2}


def _hold_lock(url: str) -> Any:
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        return connection.close
    held = psycopg.connect(url)
    held.execute("SELECT pg_advisory_xact_lock(x'73776974'::int)")
    return held.close


def test_a_connection_that_was_closed_meanwhile_is_opened_again(postgres: PostgresServer) -> None:
    """A server that restarts between two looks is not a failure."""
    url = postgres.fresh_database()
    store = Store(url)
    store.prepare()
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert store.revision() == 0
    store.close()
