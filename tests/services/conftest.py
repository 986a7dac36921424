"""Both stacks behind one kind of client, on a fresh database."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import httpx
import pytest
from flask import Flask
from sqlalchemy import Engine
from sqlalchemy.orm import Session
from starlette.types import Receive, Scope, Send

from services import fastapi_service, flask_service
from services.catalog import database as catalog_database
from services.catalog import passwords
from services.catalog.database import DEMO_NAME, DEMO_PASSWORD
from services.catalog.settings import CatalogSettings
from tests.backends import PostgresServer

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
StackName = Literal["flask", "fastapi"]


@dataclass(frozen=True)
class Stack:
    """One of the two services, and a client of it."""

    name: StackName
    client: httpx.AsyncClient

    async def log_in(self, name: str = DEMO_NAME, password: str = DEMO_PASSWORD) -> httpx.Response:
        """Sign in, in the way of this stack."""
        credentials = {"username": name, "password": password}
        if self.name == "flask":
            return await self.client.post("/login", data=credentials)
        return await self.client.post("/login", json=credentials)


class _InThread(httpx.AsyncBaseTransport):
    """Calls a WSGI application in a thread, as a server does."""

    def __init__(self, app: Flask, script_name: str) -> None:
        self._transport = httpx.WSGITransport(app, script_name=script_name)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await asyncio.to_thread(self._answer, request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = self._transport.handle_request(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.read())


@asynccontextmanager
async def open_stack(
    name: StackName, settings: CatalogSettings, prefix: str = "", scheme: str = "http"
) -> AsyncIterator[Stack]:
    """Run one of the services in this process."""
    url = f"{scheme}://testserver"
    if name == "flask":
        app = flask_service.create_app(settings)
        try:
            async with httpx.AsyncClient(transport=_InThread(app, prefix), base_url=url) as client:
                yield Stack(name, client)
        finally:
            app.extensions["catalog"].close()
        return
    api = fastapi_service.create_app(settings)
    async with api.router.lifespan_context(api) as state:

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            path = prefix + scope["path"]
            await api({**scope, "path": path, "state": dict(state or {})}, receive, send)

        transport = httpx.ASGITransport(with_state, root_path=prefix)
        async with httpx.AsyncClient(transport=transport, base_url=url) as client:
            yield Stack(name, client)


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords with little work: the tests are about other things."""
    monkeypatch.setattr(passwords, "METHOD", "scrypt:1024:8:1")
    # Made once for a process, maybe by an earlier test with the usual method.
    passwords._hash_of_nobody.cache_clear()


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh database: SQLite's, unless a test asks for "postgres"."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{request.getfixturevalue('tmp_path')}/catalog.db"
    postgres: PostgresServer = request.getfixturevalue("postgres")
    return postgres.fresh_database()


@pytest.fixture
def settings(database: str) -> CatalogSettings:
    """Development settings on the fresh database."""
    return CatalogSettings(database_url=database)


@pytest.fixture
def engine(settings: CatalogSettings) -> Iterator[Engine]:
    """An engine on the fresh database, prepared."""
    engine = catalog_database.build_engine(settings)
    catalog_database.prepare(engine, settings)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session on the fresh database, prepared."""
    with Session(engine, expire_on_commit=False) as session:
        yield session


@pytest.fixture(params=["flask", "fastapi"])
async def stack(request: pytest.FixtureRequest, settings: CatalogSettings) -> AsyncIterator[Stack]:
    """Each stack in turn."""
    async with open_stack(request.param, settings) as stack:
        yield stack


@pytest.fixture
async def signed_in(stack: Stack) -> Stack:
    """Each stack in turn, with the demo user signed in."""
    assert (await stack.log_in()).status_code == 200
    return stack
