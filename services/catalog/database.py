"""Engines, and the first start."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, delete, event, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import Session

from services.catalog import passwords, queries
from services.catalog.models import Base, Item, Revision, User, now
from services.catalog.seed import ITEMS
from services.catalog.settings import CatalogSettings

DEMO_NAME = "demo"
DEMO_PASSWORD = "demo-password"  # noqa: S105 - announced at every start
BUSY_TIMEOUT_MS = 10_000
# Any number will do, as long as nobody else who uses the database locks it.
PREPARE_LOCK = 0x63617461

log = logging.getLogger(__name__)


def build_engine(settings: CatalogSettings) -> Engine:
    """Build the engine for synchronous code; nothing connects yet."""
    engine = create_engine(settings.url, pool_pre_ping=settings.sqlite_file is None)
    _set_up_sqlite(engine)
    return engine


def build_async_engine(settings: CatalogSettings) -> AsyncEngine:
    """Build the engine for asynchronous code; nothing connects yet."""
    url = settings.url
    if settings.sqlite_file:
        url = url.set(drivername="sqlite+aiosqlite")
    engine = create_async_engine(url, pool_pre_ping=settings.sqlite_file is None)
    _set_up_sqlite(engine.sync_engine)
    return engine


def prepare(engine: Engine, settings: CatalogSettings) -> None:
    """Make the tables and the first items, and let the demo user in or out.

    Several processes may do this at once: one goes first, and the others find it done.

    Args:
        engine: The catalogue's engine.
        settings: Say whether this is development.
    """
    if settings.sqlite_file:
        settings.sqlite_file.parent.mkdir(parents=True, exist_ok=True)
    with _alone(engine) as connection, Session(connection) as session:
        Base.metadata.create_all(connection)
        if session.scalar(queries.revision()) is None:
            session.add(Revision())
            start = now() - timedelta(days=len(ITEMS))
            for day, (name, description, price, stock) in enumerate(ITEMS):
                at = start + timedelta(days=day)
                session.add(
                    Item(
                        name=name,
                        description=description,
                        price=price,
                        stock=stock,
                        created_at=at,
                        updated_at=at,
                    )
                )
        if not settings.development:
            session.execute(delete(User).where(User.is_demo))
        elif session.scalar(queries.user_named(DEMO_NAME)) is None:
            session.add(
                User(
                    username=DEMO_NAME,
                    password_hash=passwords.hash_password(DEMO_PASSWORD),
                    is_demo=True,
                )
            )
        session.flush()


def announce_demo_user(settings: CatalogSettings) -> None:
    """Say, once in a process, that this is development and who may sign in."""
    if settings.development:
        _announce_once()


@cache
def _announce_once() -> None:
    log.warning(
        "Development only: sign in as %r with the password %r. "
        "Set CATALOG_SECRET_KEY to turn this user off.",
        DEMO_NAME,
        DEMO_PASSWORD,
    )


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """A transaction that no other process's preparation overlaps."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(select(func.pg_advisory_xact_lock(PREPARE_LOCK)))
        yield connection
        connection.commit()


def _set_up_sqlite(engine: Engine) -> None:
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()
