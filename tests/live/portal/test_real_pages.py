"""The portal of a real gateway, with what its services really do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Page

from tests.live.portal.conftest import OpenPage
from tests.live.portal.project import real_gateway
from tests.live.serving import Gateway

# What is on a page once it is whole.
PAGES = {
    "/": "text=/Live, /",
    "/routes": "text=In both stacks",
    "/compare": "text=Filled in from the OpenAPI document.",
    "/requests": "text=Look it up",
    "/configuration": "text=services_:web",
    "/docs": "[data-path='/web/items/{item_id}']",
    "/redoc": '[data-section-id="operation/web.read.get"]',
}

OpenHere = Callable[[str], Page]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Both services, in development, on this machine: no token."""
    with real_gateway(tmp_path_factory.mktemp("project")) as gateway:
        yield gateway


@pytest.fixture
def opened(open_url: OpenPage, gateway: Gateway) -> OpenHere:
    """Opens a page of the portal, by its path below the prefix."""

    def open_(path: str) -> Page:
        return open_url(f"{gateway.url}/_gateway{path}").page

    return open_


@pytest.mark.parametrize("path", PAGES)
def test_page_of_a_real_gateway_is_sound(open_url: OpenPage, gateway: Gateway, path: str) -> None:
    """No error, and nothing from elsewhere, the documentation of all services included."""
    watched = open_url(f"{gateway.url}/_gateway{path}")
    watched.page.wait_for_selector(PAGES[path])
    assert watched.complaints == []


def test_overview_moves_while_requests_are_sent(opened: OpenHere, gateway: Gateway) -> None:
    """Rate, chart and errors follow the traffic; the error's ID leads to its lines."""
    page = opened("/")
    page.wait_for_selector("text=/Live, /")
    rate = '[data-mount="web"] [data-field="rate"]'
    before = float(page.inner_text(rate).split("\u00a0")[0])
    with httpx.Client(base_url=gateway.url) as client:
        for _ in range(50):
            client.get("/web/items/1")
        assert client.get("/web/broken").status_code == 500
    page.wait_for_selector("text=1 error in the last minute")
    assert float(page.inner_text(rate).split("\u00a0")[0]) > before + 1
    page.wait_for_selector('[data-mount="web"] [data-shape="errors"][d^="M"]', state="attached")
    page.click("[data-rows=errors] a")
    page.wait_for_selector("text=RuntimeError: it is broken")


def test_differences_are_marked_and_runs_are_drawn(opened: OpenHere) -> None:
    """The price differs, and nothing else of the body; each run is a dot."""
    page = opened("/compare?method=GET&path=/items/{item_id}&first=web&second=api")
    page.wait_for_selector("text=Filled in")
    assert page.input_value("#param-item_id") == "1"
    page.click("text=Run 200 times")
    page.wait_for_selector("svg.plot")
    marked = page.locator(".body .differs").all_inner_texts()
    assert [" ".join(text.split()) for text in marked] == [
        '≠ differs: "price": "1.10"',
        '≠ differs: "price": 1.1',
    ]
    assert page.locator("svg.plot circle").count() == 400
    assert page.inner_text("[data-runs] h3") == "Latency of 200 runs each"


def test_notes_of_a_comparison_are_shown(opened: OpenHere) -> None:
    """What the figures do not say: every other run of one service ended in another way."""
    page = opened("/compare?method=GET&path=/turns&first=web&second=api")
    page.wait_for_selector("text=Filled in")
    page.click("text=Run 200 times")
    page.wait_for_selector("text=Not all answers of web have one status: 100 times 202, 100 times")


def test_body_is_proposed_by_the_service_that_describes_it(opened: OpenHere) -> None:
    """A Flask view that says nothing of its JSON leaves the word to FastAPI's model."""
    page = opened("/compare?method=POST&path=/items&first=web&second=api")
    page.wait_for_selector("text=Filled in")
    assert json.loads(page.input_value("#body")) == {"name": "text", "price": 1.5}


def test_routes_lead_to_their_operations(opened: OpenHere) -> None:
    """The link opens the operation; what no document has is no link."""
    page = opened("/routes")
    page.wait_for_selector('a[href="/_gateway/docs#/api.who%20am%20I/api.me_me_get"]')
    assert page.locator("a:has-text('/web/static/')").count() == 0
    page.click("a:has-text('/api/me')")
    page.wait_for_selector(".opblock.is-open:has-text('/api/me')")
