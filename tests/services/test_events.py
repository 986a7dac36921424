"""Change events, and above all those of the other stack's writes."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, delete, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session
from websockets.sync.client import connect

from services.catalog import writes
from services.catalog.database import build_async_engine
from services.catalog.models import Change
from services.catalog.schemas import ItemIn
from services.catalog.settings import CatalogSettings
from services.fastapi_service import feed as feed_module
from services.fastapi_service.feed import ChangeFeed
from tests.services.conftest import open_stack
from tests.services.servers import run_server

NEW = ItemIn(name="Kettle", price=Decimal(1))


@pytest.fixture(params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, CatalogSettings]]:
    """FastAPI under uvicorn, and the settings of the database that it shares."""
    url = f"sqlite:///{tmp_path}/catalog.db"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").fresh_database()
    environment = {"CATALOG_DATABASE_URL": url}
    command = ["uvicorn", "services.fastapi_service.main:app"]
    with run_server(command, environment, tmp_path) as address:
        yield address, CatalogSettings(database_url=url)


def events(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """Parse server-sent events."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield fields
            fields = {}


async def write_in_flask(settings: CatalogSettings, name: str) -> None:
    """Create an item with the other stack, in this process."""
    async with open_stack("flask", settings) as flask:
        await flask.log_in()
        answer = await flask.client.post("/items", json={"name": name, "price": 1})
        assert answer.status_code == 201


async def test_events_of_the_other_stack(server: tuple[str, CatalogSettings]) -> None:
    """A write by Flask in another process is announced, and who comes back misses none."""
    url, settings = server

    def stream(headers: dict[str, str], started: threading.Event) -> dict[str, str]:
        with httpx.stream("GET", f"{url}/events", headers=headers, timeout=10) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            announced = events(answer.iter_lines())
            assert "data" not in next(announced)
            started.set()
            return next(announced)

    async def next_event(headers: dict[str, str], name: str | None) -> dict[str, str]:
        started = threading.Event()
        waiting = asyncio.create_task(asyncio.to_thread(stream, headers, started))
        await asyncio.to_thread(started.wait, 10)
        if name:
            await write_in_flask(settings, name)
        return await waiting

    first = await next_event({}, "Kettle")
    change = json.loads(first["data"])
    assert (change["id"], change["kind"], change["item_id"]) == (1, "created", 31)
    assert first["id"] == "1"
    await write_in_flask(settings, "Pot")
    second = await next_event({"Last-Event-ID": first["id"]}, None)
    assert (second["id"], json.loads(second["data"])["item_id"]) == ("2", 32)


async def test_websocket_of_the_other_stack(server: tuple[str, CatalogSettings]) -> None:
    """The WebSocket announces a write by Flask, and resumes too."""
    url, settings = server
    address = url.replace("http", "ws") + "/events/ws"
    with connect(address) as socket:
        socket.send(b"what a client sends means nothing")
        await write_in_flask(settings, "Kettle")
        change = json.loads(await asyncio.to_thread(socket.recv, 10))
        assert (change["id"], change["kind"], change["item_id"]) == (1, "created", 31)
    with connect(f"{address}?after=0") as socket:
        assert json.loads(await asyncio.to_thread(socket.recv, 10)) == change


@pytest.fixture
async def sessions(
    engine: Engine, settings: CatalogSettings
) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Async sessions on the fresh database."""
    async_engine = build_async_engine(settings)
    yield async_sessionmaker(async_engine, expire_on_commit=False)
    await async_engine.dispose()


@pytest.fixture
async def feed(
    sessions: async_sessionmaker[AsyncSession], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ChangeFeed]:
    """A feed that looks often."""
    monkeypatch.setattr(feed_module, "POLL_SECONDS", 0.01)
    feed = ChangeFeed(sessions)
    yield feed
    await feed.close()


async def soon(changes: Any) -> tuple[int, str]:
    """The id and the kind of the next change."""
    change = await asyncio.wait_for(anext(changes), 10)
    return change.id, change.kind


async def test_every_listener_gets_every_change(feed: ChangeFeed, session: Session) -> None:
    """Listeners get all changes in order, each from where it starts."""
    writes.create_item(session, NEW)
    async with aclosing(feed.listen(0)) as early, aclosing(feed.listen(1)) as late:
        assert await soon(early) == (1, "created")
        waiting = asyncio.create_task(soon(late))
        writes.replace_item(session, 31, NEW)
        writes.delete_item(session, 31)
        assert await waiting == (2, "replaced")
        assert [await soon(early), await soon(early)] == [(2, "replaced"), (3, "deleted")]
        assert await soon(late) == (3, "deleted")


async def test_database_is_left_alone_when_nobody_listens(
    feed: ChangeFeed, session: Session
) -> None:
    """The feed looks at the database from the first listener to the last, and then again."""

    def follower() -> asyncio.Task[None] | None:
        return feed._follower

    assert follower() is None
    for number in (1, 2):
        async with aclosing(feed.listen(number - 1)) as changes:
            writes.create_item(session, NEW)
            assert await soon(changes) == (number, "created")
            running = follower()
            assert running is not None
        assert follower() is None
        await asyncio.wait([running])


async def test_a_slow_listener_is_told_to_read_again(
    feed: ChangeFeed, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who falls behind what is kept gets a reset and goes on from there; others miss nothing."""
    monkeypatch.setattr(writes, "KEPT_CHANGES", 3)
    async with aclosing(feed.listen(0)) as slow, aclosing(feed.listen(0)) as quick:
        writes.create_item(session, NEW)
        assert await soon(slow) == await soon(quick) == (1, "created")
        feed._recent.clear()
        for number in range(2, 8):
            writes.create_item(session, NEW)
            assert await soon(quick) == (number, "created")
        feed._recent.clear()
        assert await soon(slow) == (7, "reset")
        writes.create_item(session, NEW)
        assert await soon(slow) == (8, "created")


async def test_a_burst_that_outruns_the_feed(feed: ChangeFeed, session: Session) -> None:
    """Changes that were pruned before the feed looked are not passed over in silence."""
    async with aclosing(feed.listen(0)) as changes:
        # The first may have come before the feed looked; the second is surely one that it keeps.
        for number in (1, 2):
            writes.create_item(session, NEW)
            assert await soon(changes) == (number, "created")
        session.connection().exec_driver_sql("UPDATE revision SET value = 9")
        session.add(Change(id=9, kind="replaced", item_id=1))
        session.commit()
        assert await soon(changes) == (9, "reset")


async def test_a_change_that_the_feed_has_not_seen(
    feed: ChangeFeed, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who catches up while something is written gets that once, when the feed has seen it."""
    monkeypatch.setattr(feed_module, "POLL_SECONDS", 3600)
    writes.create_item(session, NEW)
    async with aclosing(feed.listen(0)) as first, aclosing(feed.listen(0)) as second:

        async def next_two() -> list[tuple[int, str]]:
            return [await soon(second), await soon(second)]

        assert await soon(first) == (1, "created")
        writes.replace_item(session, 31, NEW)
        assert await soon(second) == (1, "created")
        waiting = asyncio.create_task(next_two())
        # Time for what should not happen: it would take the second change, and then be lost.
        await asyncio.sleep(0.05)
        await feed._look(feed._stopped)
        writes.delete_item(session, 31)
        await feed._look(feed._stopped)
        assert await waiting == [(2, "replaced"), (3, "deleted")]


async def test_an_id_from_elsewhere(feed: ChangeFeed) -> None:
    """Who resumes from a change that never was gets a reset."""
    async with aclosing(feed.listen(1234)) as changes:
        assert await soon(changes) == (0, "reset")


async def test_pruned_before_the_listener_came(feed: ChangeFeed, session: Session) -> None:
    """Who resumes from a change that is no longer kept gets a reset."""
    for _ in range(3):
        writes.create_item(session, NEW)
    session.execute(delete(Change).where(Change.id < 3))
    session.commit()
    async with aclosing(feed.listen(1)) as changes:
        assert await soon(changes) == (3, "reset")


async def test_the_database_comes_back(
    feed: ChangeFeed, session: Session, sessions: async_sessionmaker[AsyncSession]
) -> None:
    """Listeners outlast a database that is away for a while."""
    failures: list[str] = []
    all_failed = asyncio.Event()
    async_engine = sessions.kw["bind"].sync_engine

    @event.listens_for(async_engine, "before_cursor_execute")
    def fail(_: Any, __: Any, statement: str, *___: Any) -> None:
        if len(failures) < 3:
            failures.append(statement)
            if len(failures) == 3:
                all_failed.set()
            raise OperationalError(statement, {}, Exception("away"))

    writes.create_item(session, NEW)
    async with aclosing(feed.listen(1)) as changes:
        waiting = asyncio.create_task(soon(changes))
        await asyncio.wait_for(all_failed.wait(), 10)
        writes.delete_item(session, 31)
        assert await waiting == (2, "deleted")


@pytest.mark.parametrize("value", ["-1", "x", str(2**63)])
async def test_bad_last_event_id(settings: CatalogSettings, value: str) -> None:
    """A `Last-Event-ID` that cannot be is a 422."""
    async with open_stack("fastapi", settings) as stack:
        answer = await stack.client.get("/events", headers={"Last-Event-ID": value})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["header", "last-event-id"]
