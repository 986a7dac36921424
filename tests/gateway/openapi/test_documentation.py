"""The routes of the document and its pages."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from gateway.portal import documentation
from gateway.portal.documentation import documentation_routes
from gateway.routes import documentation_links
from tests.gateway.openapi.described import service_of


class Watched(FastAPI):
    """Notes where it is described."""

    threads: list[int]

    def openapi(self) -> dict[str, Any]:
        """Its own document."""
        self.threads.append(threading.get_ident())
        return super().openapi()


@pytest.fixture
def service() -> Watched:
    app = Watched()
    app.threads = []
    app.add_api_route("/items", lambda: 1)
    return app


@pytest.fixture
async def http(service: Watched) -> AsyncIterator[httpx.AsyncClient]:
    services = [service_of(service, "api", "/api"), service_of(service, "h", "/h", "a.test")]
    routes = documentation_routes(services, "session", "/_gateway")
    app = Starlette(routes=[Mount("/_gateway", routes=routes)])
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test:8000") as http:
        yield http


def addresses(page: str) -> Iterator[str]:
    """What a page loads."""
    yield from re.findall(r'(?:src|href)="([^"]+)"', page)


async def test_the_document_is_built_once_in_a_thread(
    http: httpx.AsyncClient, service: Watched
) -> None:
    """Not on the event loop, however many ask at the same time."""
    answers = await asyncio.gather(*(http.get("/_gateway/openapi.json") for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert set(answers[0].json()["paths"]) == {"/api/items", "/h/items"}
    assert len(service.threads) == 2  # once for each mount
    assert threading.get_ident() not in service.threads


@pytest.mark.parametrize("path", ["openapi.json", "redoc/redoc.standalone.js", "docs/start.js"])
async def test_what_has_not_changed_is_not_sent_again(http: httpx.AsyncClient, path: str) -> None:
    """By the entity tag, alone, weak or among others."""
    tag = (await http.get(f"/_gateway/{path}")).headers["etag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = await http.get(f"/_gateway/{path}", headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tag
    answer = await http.get(f"/_gateway/{path}", headers={"If-None-Match": '"x"'})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, no-cache"


async def test_a_service_that_fails_once_is_not_left_out_for_good(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is asked again, though not for everybody who asks in the meantime."""
    faults: list[Exception] = [RuntimeError("password=secret")]
    asked = []

    class Failing(FastAPI):
        def openapi(self) -> dict[str, Any]:
            asked.append(self)
            if faults:
                raise faults[0]
            return super().openapi()

    app = Failing()
    app.add_api_route("/items", lambda: 1)
    routes = documentation_routes([service_of(app, "api", "/api")], None, "/_gateway")
    transport = httpx.ASGITransport(app=Starlette(routes=routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as http:
        first, second = [await http.get("/openapi.json") for _ in range(2)]
        assert first.json()["x-missing"] == ["api"]
        assert "`api` is missing" in first.json()["info"]["description"]
        assert "RuntimeError" in first.json()["info"]["description"]
        assert "secret" not in first.text
        assert second.content == first.content
        assert len(asked) == 1
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        faults.clear()
        monkeypatch.setattr(documentation, "AGAIN_SECONDS", 0)
        for _ in range(2):
            whole = (await http.get("/openapi.json")).json()
            assert set(whole["paths"]) == {"/api/items"}
            assert "x-missing" not in whole
        assert len(asked) == 2


def test_links_lead_to_the_host_of_the_mount() -> None:
    """With the port of the page; where there are many hosts, none of them is made up."""
    app = FastAPI(redoc_url=None)
    links = documentation_links
    assert links(service_of(app, "a", "/a"), "/apps", 8000) == ["/apps/a/docs"]
    bound = service_of(app, "a", "/a", "a.test")
    assert links(bound, "/apps") == ["//a.test/apps/a/docs"]
    assert links(bound, port=8000) == ["//a.test:8000/a/docs"]
    assert links(service_of(app, "a", "/a", "*.a.test")) == []


async def test_servers_are_those_of_the_reader(http: httpx.AsyncClient) -> None:
    """The port that was asked, behind the prefix that a proxy adds; each has its own tag."""
    one = await http.get("/_gateway/openapi.json")
    assert one.json()["paths"]["/h/items"]["servers"] == [{"url": "//a.test:8000"}]
    other = await http.get("/_gateway/openapi.json", headers={"Host": "gateway.test"})
    assert other.json()["paths"]["/h/items"]["servers"] == [{"url": "//a.test"}]
    assert one.headers["etag"] != other.headers["etag"]
    odd = await http.get("/_gateway/openapi.json", headers={"Host": "gateway.test:x"})
    assert odd.status_code == 200


async def test_a_prefix_before_the_gateway_is_the_server(service: Watched) -> None:
    """What the browser asks is what the proxy in front takes."""
    routes = documentation_routes([service_of(service)], None, "/_gateway")
    app = Starlette(routes=[Mount("/apps/_gateway", routes=routes)])
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as http:
        document = (await http.get("/apps/_gateway/openapi.json")).json()
    assert document["servers"] == [{"url": "/apps"}]


@pytest.mark.parametrize("page", ["docs", "redoc"])
async def test_the_pages_load_what_the_gateway_has(http: httpx.AsyncClient, page: str) -> None:
    """Every file of theirs is there, by an address relative to the page."""
    answer = await http.get(f"/_gateway/{page}")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    loaded = [address for address in addresses(answer.text) if not address.startswith("data:")]
    assert len(loaded) >= 3
    for address in loaded:
        found = await http.get(f"/_gateway/{address}")
        assert found.status_code == 200
        assert found.headers["content-type"].partition(";")[0] in {
            "application/json", "text/css", "text/javascript",
        }  # fmt: skip


@pytest.mark.parametrize("page", ["docs", "redoc"])
async def test_the_pages_may_load_nothing_else(http: httpx.AsyncClient, page: str) -> None:
    """The policy names this origin alone, and runs no script that stands in the page."""
    answer = await http.get(f"/_gateway/{page}")
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "://" not in "".join(policy.values())
    assert not re.search(r"<script(?! src=)[^>]*>", answer.text)


async def test_redoc_is_sent_without_its_logo(http: httpx.AsyncClient) -> None:
    """It would be fetched from elsewhere; a version that fetches another thing is noticed here."""
    script = (await http.get("/_gateway/redoc/redoc.standalone.js")).content
    assert documentation._LOGO not in script
    assert documentation._NO_LOGO in script
    assert not re.search(rb'src: ?"https?://', script)


async def test_swagger_ui_asks_no_validator(http: httpx.AsyncClient) -> None:
    """It would send the document's address to a public service."""
    assert "validatorUrl: null" in (await http.get("/_gateway/docs/start.js")).text
