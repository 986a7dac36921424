"""What several processes do at once; apart, so that they need not import the tests."""

import multiprocessing
from collections.abc import Callable
from decimal import Decimal
from multiprocessing.synchronize import Barrier

from sqlalchemy.orm import Session

from services.catalog import database, queries, writes
from services.catalog.schemas import ItemIn
from services.catalog.settings import CatalogSettings

WRITES = 20


def run_at_once(work: Callable[[str, Barrier], None], url: str, number: int) -> None:
    """Run a piece of work in several processes, which begin together, and wait for them all."""
    # Not fork: this process has threads.
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(number)
    processes = [context.Process(target=work, args=(url, barrier)) for _ in range(number)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * number


def prepare(url: str, barrier: Barrier) -> None:
    """Prepare a catalogue."""
    settings = CatalogSettings(database_url=url)
    engine = database.build_engine(settings)
    barrier.wait(60)
    database.prepare(engine, settings)
    engine.dispose()


def write(url: str, barrier: Barrier) -> None:
    """Replace one item again and again."""
    engine = database.build_engine(CatalogSettings(database_url=url))
    data = ItemIn(name="Kettle", price=Decimal(1))
    barrier.wait(60)
    for _ in range(WRITES):
        with Session(engine) as session:
            # As in a request, whose user is read first.
            session.scalar(queries.user(1))
            writes.replace_item(session, 1, data)
    engine.dispose()
