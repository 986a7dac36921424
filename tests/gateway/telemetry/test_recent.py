"""The last requests and their log lines."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.exchange import Exchange, current_exchange
from gateway.telemetry.lines import RememberedLines
from gateway.telemetry.logs import access_fields
from gateway.telemetry.recent import RecentRequests
from tests.gateway.telemetry.exchanges import ended


def recent_of(*exchanges: Exchange, limit: int = 10, query_strings: bool = False) -> RecentRequests:
    """What remembers them, at a known time."""
    recent = RecentRequests(limit, query_strings=query_strings, clock=lambda: 1_800_000_000.25)
    recent.closed(exchanges)
    return recent


def test_a_record_is_the_access_line_with_its_time() -> None:
    """The same fields, and no other: no header, no cookie."""
    exchange = ended(0.25, path="/web/items/5", waited=0.1, bytes_out=7, trace_id="a" * 32)
    record = recent_of(exchange).record("of-the-test")
    assert record == {
        "time": "2027-01-15T08:00:00.250Z",
        "request_id": "of-the-test",
        **access_fields(exchange, False),
        "trace_id": "a" * 32,
    }
    assert record is not None
    assert (record["total_ms"], record["waited_ms"], record["bytes_out"]) == (250.0, 100.0, 7)


def test_an_unknown_request_has_no_record() -> None:
    """It is not an error to ask."""
    assert recent_of(ended()).record("another") is None


def test_the_last_of_several_with_one_id_is_told() -> None:
    """A client may send the same ID with each attempt."""
    record = recent_of(ended(status=503), ended(status=200)).record("of-the-test")
    assert record is not None
    assert record["status"] == 200


def test_old_requests_make_room_for_new_ones() -> None:
    """As many as the setting says."""
    recent = recent_of(*(ended(request_id=str(number)) for number in range(15)))
    assert [recent.record(str(number)) is None for number in range(15)] == [True] * 5 + [False] * 10


def test_with_0_nothing_is_kept() -> None:
    """Whoever must not keep paths turns it off."""
    recent = recent_of(ended(status=500), limit=0)
    assert recent.record("of-the-test") is None
    assert recent.errors() == []


@pytest.mark.parametrize(("logged", "path"), [(False, "/a"), (True, "/a?token=secret")])
def test_query_strings_are_kept_where_they_are_logged(logged: bool, path: str) -> None:
    """Not even in memory otherwise."""
    recent = recent_of(ended(path="/a", query=b"token=secret"), query_strings=logged)
    record = recent.record("of-the-test")
    assert record is not None
    assert record["path"] == path
    assert (b"secret" in str(recent._kept).encode()) is logged


def test_a_long_path_is_cut() -> None:
    """Thousands of them, made by a stranger, would be much memory."""
    record = recent_of(ended(path="/" + "x" * 8000)).record("of-the-test")
    assert record is not None
    assert len(record["path"]) == 1024


def test_the_last_errors_are_told_newest_first() -> None:
    """Those that the server is to blame for, 50 at most, however many requests came since."""
    recent = RecentRequests(100, query_strings=False)
    outcomes: list[dict[str, Any]] = [
        {"status": 500},
        {"outcome": "timeout", "status": 0},
        {"status": 503},
    ]
    for number in range(60):
        recent.closed([ended(request_id=str(number), **outcomes[number % 3])])
    recent.closed([ended(status=404), ended(outcome="client left"), *[ended()] * 200])
    errors = recent.errors()
    assert [error["request_id"] for error in errors] == [str(n) for n in range(59, 9, -1)]
    assert set(errors[0]) == {
        *("time", "request_id", "mount", "method", "path", "route", "status", "outcome")
    }


def test_a_listed_error_has_its_record_still() -> None:
    """However many requests came since: the list leads to it."""
    recent = recent_of(ended(request_id="failed", status=500), *[ended()] * 100)
    assert [error["request_id"] for error in recent.errors()] == ["failed"]
    record = recent.record("failed")
    assert record is not None
    assert record["status"] == 500


def test_probes_are_not_remembered() -> None:
    """Several a second, they would leave room for nothing else."""
    probe: dict[str, Any] = {
        "mount": "gateway",
        "stack": "gateway",
        "route": "/readyz",
        "status": 503,
    }
    recent = recent_of(ended(request_id="probe", **probe))
    assert (recent.record("probe"), recent.errors()) == (None, [])


@asynccontextmanager
async def listening(limit: int = 10) -> AsyncIterator[RememberedLines]:
    """Lines that are remembered until the block ends."""
    lines = RememberedLines(limit)
    task = asyncio.create_task(lines.keep())
    await asyncio.sleep(0)
    token = current_exchange.set(ended())
    try:
        yield lines
    finally:
        current_exchange.reset(token)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert lines not in logging.getLogger().handlers


async def test_the_lines_of_a_request_are_found_by_its_id() -> None:
    """What any library logs for it, in order, also in a thread; what belongs to none is left."""
    async with listening() as lines:
        logging.getLogger("of.the.test").warning("first %d", 1)
        await asyncio.to_thread(logging.getLogger("of.a.thread").error, "second")
        current_exchange.set(ended(request_id="another"))
        logging.getLogger("of.the.test").warning("of another")
        current_exchange.set(None)
        logging.getLogger("of.the.test").warning("of nobody")
        found = lines.of_request("of-the-test")
        assert [(line["level"], line["logger"], line["event"]) for line in found] == [
            ("warning", "of.the.test", "first 1"),
            ("error", "of.a.thread", "second"),
        ]
        assert [line["event"] for line in lines.of_request("another")] == ["of another"]
        assert lines.of_request("-") == []


async def test_a_line_is_remembered_once_and_the_access_line_not_at_all() -> None:
    """The record says the same; loggers that hand on what they are told are heard once."""
    async with listening() as lines:
        logging.getLogger("gateway.bridge").warning("once")
        logging.getLogger("gateway.access").warning("request")
        assert [line["event"] for line in lines.of_request("of-the-test")] == ["once"]


async def test_a_logger_that_keeps_to_itself_is_heard() -> None:
    """The gateway's own and uvicorn's hand nothing on to the root logger."""
    logger = logging.getLogger("gateway")
    before = logger.propagate
    logger.propagate = False
    try:
        async with listening() as lines:
            logging.getLogger("gateway.bridge").warning("heard")
            assert [line["event"] for line in lines.of_request("of-the-test")] == ["heard"]
    finally:
        logger.propagate = before


async def test_a_traceback_is_kept_with_its_line() -> None:
    """Its end, which names the error."""
    async with listening() as lines:
        try:
            raise RuntimeError("of the test")
        except RuntimeError:
            logging.getLogger("of.the.test").exception("it failed")
        (line,) = lines.of_request("of-the-test")
        assert line["exception"].endswith("RuntimeError: of the test\n")
        assert "timestamp" in line


async def test_what_is_no_text_can_be_sent_all_the_same() -> None:
    """The name of a file may have bytes that are none, in a line as in its traceback."""
    name = os.fsdecode(b"\xff.txt")
    async with listening() as lines:
        try:
            raise FileNotFoundError(name)
        except FileNotFoundError:
            logging.getLogger("of." + name).exception("no %s", name)
        (line,) = lines.of_request("of-the-test")
        assert (line["event"], line["logger"]) == ("no \\udcff.txt", "of.\\udcff.txt")
        assert str(line).encode()
        assert line["exception"].endswith("FileNotFoundError: \\udcff.txt\n")


async def test_lines_have_a_bound_in_number_and_in_length() -> None:
    """Old lines make room; ten long ones are no more memory than ten usual ones."""
    async with listening(limit=10) as lines:
        for number in range(25):
            logging.getLogger("of.the.test").warning("%d", number)
        found = lines.of_request("of-the-test")
        assert [line["event"] for line in found] == [str(number) for number in range(15, 25)]
        for _ in range(25):
            logging.getLogger("of.the.test").warning("x" * 1_000_000)
        assert sum(len(line["event"]) for line in lines.of_request("of-the-test")) <= 10_000


async def test_a_line_that_cannot_be_formatted_costs_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in every handler of logging."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    lines = RememberedLines(10)
    current_exchange.set(ended())
    lines.handle(logging.makeLogRecord({"msg": "%d", "args": ("no number",)}))
    assert lines.of_request("of-the-test") == []


async def test_with_0_nobody_listens() -> None:
    """Turned off, it takes no time."""
    async with listening(limit=0) as lines:
        assert lines not in logging.getLogger().handlers
        logging.getLogger("of.the.test").warning("a line")
        assert lines.of_request("of-the-test") == []
