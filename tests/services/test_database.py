"""Settings, passwords, and the first start of a catalogue."""

import asyncio
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from services.catalog import database as catalog_database
from services.catalog import passwords, queries, writes
from services.catalog.models import Item, Revision, User
from services.catalog.seed import ITEMS
from services.catalog.settings import DEVELOPMENT_SECRET_KEY, CatalogSettings
from services.fastapi_service import create_app as create_fastapi
from services.flask_service import create_app as create_flask
from tests.services.processes import WRITES, prepare, run_at_once, write

both_databases = pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)


@both_databases
def test_several_processes_start_at_once(database: str) -> None:
    """However many processes prepare a fresh database, it is prepared once."""
    run_at_once(prepare, database, 6)
    engine = catalog_database.build_engine(CatalogSettings(database_url=database))
    with Session(engine) as session:
        for model, count in ((Item, len(ITEMS)), (User, 1), (Revision, 1)):
            assert session.scalar(select(func.count()).select_from(model)) == count
    engine.dispose()


@both_databases
def test_several_processes_write_at_once(engine: Engine, database: str) -> None:
    """Writers of several processes wait for each other, and no number is lost or used twice."""
    run_at_once(write, database, 4)
    with Session(engine) as session:
        changes = session.scalars(queries.changes_since(0, 1000)).all()
        assert [change.id for change in changes] == list(range(1, 4 * WRITES + 1))


def test_later_starts_fill_nothing(engine: Engine, settings: CatalogSettings) -> None:
    """What was deleted is not back after the next start."""
    with Session(engine) as session:
        for item_id in range(1, 31):
            assert writes.delete_item(session, item_id)
    catalog_database.prepare(engine, settings)
    with Session(engine) as session:
        assert session.scalars(queries.all_items()).all() == []


def test_sqlite_is_set_up(engine: Engine) -> None:
    """Readers do not wait for writers, and writers wait for each other."""
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 10_000}


def test_folder_is_made(tmp_path: Path) -> None:
    """The SQLite file's folder is made on the first start."""
    file = tmp_path / "a" / "b" / "catalog.db"
    settings = CatalogSettings(database_url=f"sqlite:///{file}")
    engine = catalog_database.build_engine(settings)
    assert not file.parent.exists()
    catalog_database.prepare(engine, settings)
    engine.dispose()
    assert file.exists()


async def test_building_an_application_touches_nothing(tmp_path: Path) -> None:
    """Neither factory makes a file or opens a connection."""
    settings = CatalogSettings(database_url=f"sqlite:///{tmp_path}/a/catalog.db")
    create_flask(settings)
    create_fastapi(settings)
    assert list(await asyncio.to_thread(lambda: list(tmp_path.iterdir()))) == []


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///var/catalog.db", "sqlite"),
        ("postgres://a@b/c", "postgresql+psycopg"),
        ("postgresql://a@b/c", "postgresql+psycopg"),
        ("postgresql+psycopg://a@b/c", "postgresql+psycopg"),
    ],
)
def test_database_urls(url: str, driver: str) -> None:
    """The usual spellings of a URL are understood, and PostgreSQL is psycopg 3's."""
    assert CatalogSettings(database_url=url).url.drivername == driver


@pytest.mark.parametrize("url", ["mysql://user:s3cret@b/c", "sqlite://", "s3cret"])
def test_bad_database_urls(url: str) -> None:
    """A database that cannot be is refused, and its password is not in the message."""
    with pytest.raises(ValidationError) as caught:
        CatalogSettings(database_url=url)
    assert "database_url" in str(caught.value)


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings come from the environment."""
    assert CatalogSettings().development
    assert CatalogSettings().signing_key == DEVELOPMENT_SECRET_KEY
    monkeypatch.setenv("CATALOG_DATABASE_URL", "postgresql://a@b/c")
    monkeypatch.setenv("CATALOG_SECRET_KEY", "a-secret-key")
    monkeypatch.setenv("CATALOG_SECRET_KEY_FALLBACKS", '["old"]')
    monkeypatch.setenv("CACHE_REDIS_URL", "redis://c")
    settings = CatalogSettings()
    assert not settings.development
    assert settings.signing_key == "a-secret-key"
    assert settings.secret_key_fallbacks == ["old"]
    assert settings.cache_redis_url == "redis://c"
    assert settings.url.host == "b"
    assert "secret" not in repr(settings)


@pytest.mark.parametrize("key", ["", DEVELOPMENT_SECRET_KEY])
def test_secret_key_must_be_one(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """An empty key, or the one that everybody knows, is refused rather than used."""
    monkeypatch.setenv("CATALOG_SECRET_KEY", key)
    with pytest.raises(ValidationError):
        CatalogSettings()


def test_passwords() -> None:
    """A password is told from another one, and nobody has none."""
    stored = passwords.hash_password("right")
    assert stored.startswith("scrypt:")
    assert "right" not in stored
    assert passwords.verify(stored, "right")
    assert not passwords.verify(stored, "wrong")
    # The words that the stand-in for unknown users was made of.
    assert not passwords.verify(None, "nobody")
