"""Fixtures for all tests: real PostgreSQL and Redis servers, private to the run."""

from collections.abc import Iterator

import pytest

from tests.backends import PostgresServer, run_postgres, run_redis


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server; each test asks it for a fresh database."""
    with run_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a Redis server; its database 0 is shared by the tests of a run."""
    with run_redis() as url:
        yield url


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads the settings of who runs it."""
    for name in (
        "CATALOG_DATABASE_URL",
        "CATALOG_SECRET_KEY",
        "CATALOG_SECRET_KEY_FALLBACKS",
        "CACHE_REDIS_URL",
    ):
        monkeypatch.delenv(name, raising=False)
