"""A database of each kind for what switches remember."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from gateway.switch.evidence.store import Store
from tests.backends import PostgresServer

StoreFactory = Callable[[], Store]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('tmp_path')}/new/switch.db"
    postgres: PostgresServer = request.getfixturevalue("postgres")
    return postgres.fresh_database()


@pytest.fixture
def open_store(database_url: str) -> Iterator[StoreFactory]:
    """Opens stores on one database, each as another process has its own."""
    stores: list[Store] = []

    def opened() -> Store:
        stores.append(Store(database_url))
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


@pytest.fixture
def store(open_store: StoreFactory) -> Store:
    """A prepared store."""
    store = open_store()
    store.prepare()
    return store
