"""What only the FastAPI service has: documentation, dependencies, and waiting in numbers."""

import asyncio
import re
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.catalog.models import User
from services.catalog.schemas import Paging
from services.catalog.settings import CatalogSettings
from services.fastapi_service import basics, create_app, dependencies
from tests.services.conftest import open_stack


async def test_hello(settings: CatalogSettings) -> None:
    """The smallest answer is JSON."""
    async with open_stack("fastapi", settings) as stack:
        assert (await stack.client.get("/")).json() == {"Hello": "World"}


async def test_many_wait_together(
    settings: CatalogSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand clients wait at once: none of them is answered before all of them wait."""
    waits: list[float] = []
    all_wait = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 1000:
            all_wait.set()
        await all_wait.wait()

    monkeypatch.setattr(basics, "asyncio", SimpleNamespace(sleep=sleep))
    async with open_stack("fastapi", settings) as stack, asyncio.timeout(60):
        answers = await asyncio.gather(*(stack.client.get("/async") for _ in range(1000)))
    assert {answer.status_code for answer in answers} == {200}
    assert set(waits) == {1}


@pytest.mark.parametrize("prefix", ["", "/fastapi"])
@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_documentation_needs_no_internet(
    settings: CatalogSettings, path: str, prefix: str
) -> None:
    """All that a documentation page asks for is here, and it may ask nobody else."""
    async with open_stack("fastapi", settings, prefix=prefix) as stack:
        page = await stack.client.get(path)
        addresses = re.findall(r'(?:src|href|spec-url)="([^"]+)"', page.text)
        addresses += re.findall(r"url: '([^']+)'", page.text)
        assert len(addresses) >= 3
        for address in addresses:
            assert address.startswith(f"{prefix}/")
            found = await stack.client.get(address.removeprefix(prefix))
            assert found.status_code == 200
            assert len(found.content) > 1000
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'self'")
    assert "http" not in policy
    assert "*" not in policy


async def test_schema(settings: CatalogSettings) -> None:
    """Operations have names, tags, descriptions and models of refusals; models have examples."""
    async with open_stack("fastapi", settings, prefix="/fastapi") as stack:
        schema = (await stack.client.get("/openapi.json")).json()
    assert schema["servers"] == [{"url": "/fastapi"}]
    operations = {
        operation["operationId"]: operation
        for path in schema["paths"].values()
        for operation in path.values()
    }
    assert set(operations) == {
        "say_hello", "wait_a_second", "list_items", "read_item", "create_item", "replace_item",
        "delete_item", "log_in", "log_out", "read_me", "read_report", "stream_changes",
    }  # fmt: skip
    tags = {tag["name"] for tag in schema["tags"]}
    models = schema["components"]["schemas"]
    for operation in operations.values():
        assert set(operation["tags"]) <= tags
        assert operation["description"]
        for status, answer in operation["responses"].items():
            if status.startswith("4"):
                reference = answer["content"]["application/json"]["schema"]["$ref"]
                name = reference.removeprefix("#/components/schemas/")
                assert name == ("Invalid" if status == "422" else "Detail")
                assert name in models
    for name in ("ItemIn", "ItemOut", "Credentials", "UserOut", "ChangeOut", "Detail", "Invalid"):
        assert models[name]["examples"]
    assert models["ItemIn"]["properties"]["name"]["maxLength"] == 120
    assert "HTTPValidationError" not in models


LARGE = b'{"name": "' + b"x" * 70_000


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("body", "status"), [(b'"\xff"', 400), (b"\xe9", 400), (LARGE, 413)])
async def test_what_cannot_be_read_is_in_the_schema(
    settings: CatalogSettings, body: bytes, status: int, chunked: bool
) -> None:
    """It is refused before the route is asked: each route that takes a body says so."""
    async with open_stack("fastapi", settings) as stack:
        await stack.log_in()
        schema = (await stack.client.get("/openapi.json")).json()
        asked = [
            (path, method, operation["responses"])
            for path, methods in schema["paths"].items()
            for method, operation in methods.items()
            if "requestBody" in operation
        ]
        assert len(asked) == 3
        for path, method, responses in asked:
            answer = await stack.client.request(
                method,
                path.replace("{item_id}", "1"),
                content=in_pieces(body) if chunked else body,
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code == status
            assert answer.headers["content-type"].split(";")[0] in responses[str(status)]["content"]
            if answer.headers["content-type"] == "application/json":
                assert set(answer.json()) == {"detail"}


async def call(app: FastAPI, path: str, session: dict[str, Any] | None = None) -> httpx.Response:
    """Call an application whose lifespan has not run, with a session if there is one."""

    async def provided(scope: Any, receive: Any, send: Any) -> None:
        if session is not None:
            scope["session"] = session
        await app(scope, receive, send)

    transport = httpx.ASGITransport(provided)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return await client.get(path)


async def test_dependencies_can_be_overridden(settings: CatalogSettings) -> None:
    """Settings, session, user and paging can each be replaced, and then nothing else is needed."""
    app = create_app(settings)

    @app.get("/whose")
    async def whose(settings: dependencies.SettingsDep) -> str:
        return settings.database_url

    class NoDatabase:
        """Answers like a session on an empty database."""

        async def scalars(self, _: Any) -> Any:
            return SimpleNamespace(all=list, one=lambda: 0)

    async def no_database() -> AsyncIterator[Any]:
        yield NoDatabase()

    app.dependency_overrides = {
        dependencies.get_settings: lambda: SimpleNamespace(database_url="overridden"),
        dependencies.get_session: no_database,
        dependencies.get_current_user: lambda: User(id=7, username="ada"),
        dependencies.get_paging: lambda: Paging(page=3, size=4),
    }
    assert (await call(app, "/whose")).json() == "overridden"
    assert (await call(app, "/me")).json() == {"id": 7, "username": "ada"}
    page = (await call(app, "/items?page=x")).json()
    assert page == {"items": [], "page": 3, "size": 4, "total": 0, "pages": 0}


async def test_session_of_the_server_around(settings: CatalogSettings) -> None:
    """A session that the server provides is used, and no cookie of our own is set."""
    app = create_app(settings)
    async with app.router.lifespan_context(app) as state:
        session = {"user_id": 1}

        async def provided(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "session": session, "state": dict(state or {})}, receive, send)

        transport = httpx.ASGITransport(provided)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            assert (await client.get("/me")).json() == {"id": 1, "username": "demo"}
            answer = await client.post("/logout")
    assert session == {}
    assert "set-cookie" not in answer.headers
