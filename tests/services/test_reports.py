"""The report and its cache, and the export."""

import csv
import io
import logging
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from cachelib import SimpleCache
from sqlalchemy.orm import Session

from services.catalog import queries, reports, writes
from services.catalog.models import Revision
from services.catalog.schemas import ItemIn
from services.catalog.settings import CatalogSettings
from tests.backends import free_port
from tests.services.conftest import Stack, StackName, open_stack


@dataclass
class Row:
    """A row of the catalogue."""

    id: int
    name: str
    price: Decimal
    stock: int


def test_figures() -> None:
    """The report counts, adds up and finds names that look alike."""
    report = reports.build(
        [
            Row(4, "Blue bowl", Decimal("100.00"), 0),
            Row(3, "Red bowl, large", Decimal("10.00"), 1),
            Row(2, "Dark chair", Decimal("9.99"), 2),
            Row(1, "Red bowl large", Decimal("0.10"), 3),
        ]
    )
    assert (report.count, report.total_stock) == (4, 6)
    assert str(report.inventory_value) == "30.28"
    assert str(report.median_price) == "10.00"
    assert (str(report.min_price), str(report.max_price)) == ("0.10", "100.00")
    assert [band.count for band in report.price_bands] == [2, 1, 0, 0, 1]
    assert [pair.items for pair in report.possible_duplicates] == [(1, 3)]


def test_empty_catalogue() -> None:
    """An empty catalogue has a report."""
    report = reports.build([])
    assert (report.count, report.median_price, report.possible_duplicates) == (0, None, [])


def test_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the newest names are compared with each other."""
    monkeypatch.setattr(reports, "COMPARED_ITEMS", 3)
    rows = [Row(number, "Mug", Decimal(1), 1) for number in range(10, 0, -1)]
    pairs = {pair.items for pair in reports.build(rows).possible_duplicates}
    assert pairs == {(8, 9), (8, 10), (9, 10)}


async def test_cached_until_a_write(signed_in: Stack) -> None:
    """A report is kept until something is written."""
    client = signed_in.client
    first, second = await client.get("/report"), await client.get("/report")
    assert (first.headers["x-cache"], second.headers["x-cache"]) == ("MISS", "HIT")
    assert first.json() == second.json()
    await client.delete("/items/19")
    third = await client.get("/report")
    assert third.headers["x-cache"] == "MISS"
    assert (first.json()["count"], third.json()["count"]) == (30, 29)
    assert third.json()["max_price"] == "62.00"


@pytest.mark.parametrize(
    ("reader", "writer"), [("flask", "fastapi"), ("fastapi", "flask")], ids=lambda name: name
)
@pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)
async def test_invalidated_by_the_other_stack(
    settings: CatalogSettings, reader: StackName, writer: StackName
) -> None:
    """A write by one stack is in the next report of the other."""
    async with open_stack(reader, settings) as reads, open_stack(writer, settings) as writing:
        await reads.client.get("/report")
        assert (await reads.client.get("/report")).headers["x-cache"] == "HIT"
        await writing.log_in()
        await writing.client.post("/items", json={"name": "Kettle", "price": "999.00"})
        answer = await reads.client.get("/report")
    assert answer.headers["x-cache"] == "MISS"
    assert answer.json()["max_price"] == "999.00"


@pytest.mark.parametrize(
    ("first", "second"), [("flask", "fastapi"), ("fastapi", "flask")], ids=lambda name: name
)
async def test_shared_through_redis(
    database: str, redis_url: str, first: StackName, second: StackName
) -> None:
    """Through Redis a report made by one stack is a hit in the other."""
    settings = CatalogSettings(database_url=database, cache_redis_url=redis_url)
    async with open_stack(first, settings) as one, open_stack(second, settings) as other:
        made = await one.client.get("/report")
        found = await other.client.get("/report")
    assert (made.headers["x-cache"], found.headers["x-cache"]) == ("MISS", "HIT")
    assert made.json() == found.json()


@pytest.mark.parametrize("name", ["flask", "fastapi"])
async def test_redis_gone(database: str, name: StackName, caplog: pytest.LogCaptureFixture) -> None:
    """Without its Redis the report is made each time, and the log says why."""
    url = f"redis://127.0.0.1:{free_port()}/0"
    settings = CatalogSettings(database_url=database, cache_redis_url=url)
    async with open_stack(name, settings) as stack:
        for _ in range(2):
            answer = await stack.client.get("/report")
            assert (answer.status_code, answer.headers["x-cache"]) == (200, "MISS")
    assert "could not be read" in caplog.text
    assert "could not be written" in caplog.text


class ForeignCache:
    """A cache that holds what no version of ours has written."""

    def get(self, key: str) -> Any:
        """Return something."""
        return {"count": key}

    def set(self, key: str, value: Any) -> Any:
        """Forget."""


def test_foreign_entry_is_a_miss(caplog: pytest.LogCaptureFixture) -> None:
    """An entry that is no report, from another version perhaps, is a miss."""
    revision = Revision(id=1, value=1, epoch="a")
    with caplog.at_level(logging.WARNING):
        report, hit = reports.read_through(ForeignCache(), revision, lambda: reports.build([]))
    assert (report.count, hit) == (0, False)


def test_other_catalogue_is_another_key() -> None:
    """Two catalogues that share a cache do not read each other's reports."""
    cache = SimpleCache()
    row = Row(1, "Mug", Decimal(1), 1)
    for epoch, rows in (("a", [row]), ("b", [])):
        revision = Revision(id=1, value=5, epoch=epoch)
        report, hit = reports.read_through(cache, revision, partial(reports.build, rows))
        assert (report.count, hit) == (len(rows), False)


async def test_export(settings: CatalogSettings, session: Session) -> None:
    """The export holds every item, and no cell that a spreadsheet would run."""
    for name in ("=1+1", "+1", "-1", "@SUM(A1)", 'a "quoted", name', "two\nlines"):
        writes.create_item(session, ItemIn(name=name, description="\tx", price=Decimal("1.10")))
    async with open_stack("flask", settings) as stack:
        answer = await stack.client.get("/export.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="items.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [int(row["id"]) for row in rows] == list(range(1, 37))
    assert [row["name"] for row in rows[30:]] == [
        "'=1+1", "'+1", "'-1", "'@SUM(A1)", 'a "quoted", name', "two\nlines",
    ]  # fmt: skip
    assert {row["description"] for row in rows[30:]} == {"'\tx"}
    assert rows[35]["price"] == "1.10"
    assert rows[35]["created_at"] == rows[35]["updated_at"]


def test_export_streams(
    settings: CatalogSettings, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The export leaves in pieces, and lets go of the database when the client leaves."""
    from services.flask_service import create_app
    from services.flask_service import reports as flask_reports

    monkeypatch.setattr(flask_reports, "ROWS_AT_ONCE", 10)
    app = create_app(settings)
    answer = app.test_client().get("/export.csv", buffered=False)
    pieces = answer.iter_encoded()
    assert next(pieces).count(b"\n") == 11
    assert next(pieces).count(b"\n") == 10
    answer.close()
    database = app.extensions["catalog"]
    assert database._engine.pool.checkedout() == 0
    database.close()


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
async def test_export_on_postgres(settings: CatalogSettings) -> None:
    """The export streams from PostgreSQL too."""
    async with open_stack("flask", settings) as stack:
        answer = await stack.client.get("/export.csv")
    assert answer.text.count("\r\n") == 31


def test_revision_names_the_catalogue(session: Session) -> None:
    """A new catalogue starts at revision 0, with an epoch of its own."""
    revision = session.scalars(queries.revision()).one()
    assert (revision.value, len(revision.epoch)) == (0, 32)
