"""What holds for every page of the portal, in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page

from tests.live.portal.conftest import OpenPage
from tests.live.portal.facts import REQUEST_ID

PAGES = {
    "overview": "/",
    "routes": "/routes",
    "compare": "/compare?method=POST&path=/items&first=flask&second=fastapi",
    "compared": "/compare",
    "requests": "/requests",
    "request": f"/requests/{REQUEST_ID}",
    "configuration": "/configuration",
}


def settle(page: Page, name: str) -> None:
    """Wait until the page's script has done its first work."""
    if name == "overview":
        page.wait_for_selector("text=/Live, /")
    elif name == "compare":
        page.wait_for_selector("text=Filled in")
    elif name == "compared":
        page.wait_for_selector("text=Filled in")
        page.click("text=Run 200 times")
        page.wait_for_selector("svg.plot")


def serious(page: Page) -> list[str]:
    """What axe-core calls serious or critical."""
    response: dict[str, Any] = Axe().run(page).response
    return [
        f"{found['id']}: {node['target']} {node.get('failureSummary', '')}"
        for found in response["violations"]
        if found["impact"] in {"serious", "critical"}
        for node in found["nodes"]
    ]


@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_page_is_sound(
    open_page: OpenPage, screenshots: Path, name: str, scheme: str, size: str
) -> None:
    """No error, nothing from elsewhere, nothing beside the screen, and nobody is locked out."""
    watched = open_page(PAGES[name], size, scheme)
    page = watched.page
    settle(page, name)
    page.screenshot(path=screenshots / f"{name}-{size}-{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert serious(page) == []
    assert watched.complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_page_can_be_used_by_keyboard(open_page: OpenPage, name: str) -> None:
    """The first key leads past the navigation, and what has the focus is seen to have it."""
    page = open_page(PAGES[name]).page
    settle(page, name)
    page.evaluate("document.activeElement.blur()")
    page.evaluate("getSelection().removeAllRanges()")
    page.goto(page.url)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


@pytest.mark.parametrize("name", ["overview", "routes", "request", "configuration"])
def test_page_is_whole_without_scripts(open_page: OpenPage, name: str) -> None:
    """Who has no JavaScript reads the same."""
    page = open_page(PAGES[name], scripts=False).page
    shown = page.inner_text("main")
    expected = {
        "overview": "2 services, all ready",
        "routes": "In both stacks",
        "request": "Exception on /items/broken [GET]",
        "configuration": "services.flask_service:create_app",
    }
    assert expected[name] in shown
