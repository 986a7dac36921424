"""The pages of the document in a browser, where a service describes itself with scripts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from gateway.portal.documentation import documentation_routes
from tests.browsers import chromium
from tests.gateway.openapi.described import service_of

SCRIPT = "<script src='/fastapi/evil.js'></script>"
HOSTILE = f"""Read this. <iframe srcdoc="{SCRIPT}"></iframe> {SCRIPT}
<object data="/fastapi/evil.html"></object> <embed src="/fastapi/evil.html">
<img src="data:," onerror="document.documentElement.dataset.ran = 1">

[a link](javascript:alert(1)) <a href="javascript:alert(1)">another</a>
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def asked() -> list[str]:
    """What was fetched of the service."""
    return []


@pytest.fixture
def url(asked: list[str]) -> Iterator[str]:
    """Serves the pages and the service, as the gateway does, at one origin."""
    service = FastAPI(title="Hostile", description=HOSTILE)
    service.add_api_route("/items", lambda: 1, description=HOSTILE, summary="Hostile items")

    async def evil(request: Request) -> Response:
        asked.append(request.url.path)
        mark = "top.document.documentElement.dataset.ran = 1"
        is_script = request.url.path.endswith(".js")
        return Response(
            mark if is_script else SCRIPT,
            media_type="text/javascript" if is_script else "text/html",
        )

    pages = documentation_routes([service_of(service, "fastapi", "/fastapi")], None, "/_gateway")
    app = Starlette(routes=[Mount("/_gateway", routes=pages), Route("/fastapi/{name}", evil)])
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/_gateway"
    server.should_exit = True
    thread.join(20)
    listener.close()


@pytest.mark.parametrize("name", ["docs", "redoc"])
def test_descriptions_run_no_scripts(
    browser: Browser, url: str, asked: list[str], name: str
) -> None:
    """Their words are shown; neither a frame nor a script of theirs is fetched, nor run."""
    page = browser.new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{url}/{name}")
    if name == "docs":
        page.get_by_text("Hostile items").first.click()
        page.locator(".opblock-body").get_by_text("Read this.").wait_for()
    else:
        page.get_by_text("Read this.").nth(1).wait_for()
    page.wait_for_load_state("networkidle")
    assert asked == []
    assert page.evaluate("document.documentElement.dataset.ran") is None
    assert page.locator("#page :is(iframe, object, embed, script)").count() == 0
    assert page.locator("#page :is([onerror], [href^='javascript:'])").count() == 0
    page.close()
