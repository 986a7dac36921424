"""The overview while it is open."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.live.portal.conftest import OpenPage
from tests.live.portal.facts import error, mount, overview
from tests.live.portal.serving import SeededPortal

LIVE = "text=/Live, /"


def drawn(page: Page) -> list[str]:
    """All text and all shapes of the page."""
    texts = page.locator("main").inner_text().split("\n")
    shapes: list[str] = page.locator("main path").evaluate_all(
        "all => all.map(one => one.getAttribute('d'))"
    )
    return [*texts, *shapes]


def test_script_draws_what_the_server_drew(open_page: OpenPage) -> None:
    """The first message changes nothing where nothing has changed: both spell and draw alike."""
    without = open_page("/", scripts=False).page
    page = open_page("/").page
    page.wait_for_selector(LIVE)
    page.evaluate("document.querySelector('[data-live]').hidden = true")
    assert drawn(page) == drawn(without)


def test_overview_moves(open_page: OpenPage, portal: SeededPortal) -> None:
    """Figures, charts, states and errors follow the stream."""
    page = open_page("/").page
    page.wait_for_selector(LIVE)
    before = page.get_attribute('[data-mount="fastapi"] [data-shape="requests"]', "d")
    busy = mount("fastapi", stack="FastAPI", threads=None, requests_per_second=99.0)
    busy["history"]["requests_per_second"][-1] = 99.0
    portal.facts.current = overview(
        mount("flask", state="not ready"),
        busy,
        errors=[error("fresh-1", "/flask/late", 503, "rejected")],
    )
    page.wait_for_selector("text=2 services, 1 not ready, 107 req/s, 1 error in the last minute")
    assert page.inner_text('[data-mount="fastapi"] [data-field="rate"]') == "99\u00a0req/s"
    assert page.get_attribute('[data-mount="fastapi"] [data-shape="requests"]', "d") != before
    assert page.inner_text('[data-mount="flask"] [data-field="state"]') == "not ready"
    assert page.locator('[data-rows="errors"] tr').count() == 1
    assert page.get_attribute("text=fresh-1", "href") == "/_gateway/requests/fresh-1"


def test_change_for_the_worse_is_announced(open_page: OpenPage, portal: SeededPortal) -> None:
    """A screen reader hears that a service is not ready, and none of the rates."""
    page = open_page("/").page
    page.wait_for_selector(LIVE)
    assert page.inner_text("[data-announce]") == ""
    portal.facts.current = overview(mount("flask"), mount("fastapi", state="not ready"))
    page.wait_for_selector("text=2 services, 1 not ready")
    assert page.text_content("[data-announce]") == (
        "2 services, 1 not ready, no errors in the last minute"
    )


def test_overview_can_be_paused(open_page: OpenPage, portal: SeededPortal) -> None:
    """What moves by itself can be held still, and let go."""
    page = open_page("/").page
    page.wait_for_selector(LIVE)
    page.click("text=Pause")
    page.wait_for_selector("text=Paused")
    portal.facts.current = overview(mount("flask"))
    page.wait_for_timeout(400)
    assert page.inner_text("[data-headline]").startswith("2 services")
    page.click("button:has-text('Pause')")
    page.wait_for_selector("text=1 service, ready")


def test_several_workers_are_listed(open_page: OpenPage, portal: SeededPortal) -> None:
    """One worker is the process; of several each has its row."""
    page = open_page("/").page
    page.wait_for_selector(LIVE)
    assert page.locator("[data-workers]").is_hidden()
    worker = portal.facts.current["workers"][0]
    portal.facts.current = overview(workers=[worker, {**worker, "pid": 4712}])
    page.wait_for_selector('[data-rows="workers"] >> text=4712')
    assert page.inner_text('[data-process] [data-field="workers"]') == "2"


def test_silent_worker_is_told_of(open_page: OpenPage, portal: SeededPortal) -> None:
    """Script and server say alike that not all is well with the workers."""
    page = open_page("/").page
    page.wait_for_selector(LIVE)
    for changes, told in [
        ({"silent": [4712], "well": False}, "1 worker does not answer"),
        ({"silent": [], "well": False}, "a worker is shutting down"),
    ]:
        portal.facts.current = overview(mount("web"), **changes)
        page.wait_for_selector(f"text=1 service, ready, {told}, 8.4")
        assert page.get_attribute("[data-headline]", "data-well") == "no"
        plain = open_page("/", scripts=False).page
        assert plain.inner_text("[data-headline]") == page.inner_text("[data-headline]")
        assert plain.get_attribute("[data-headline]", "data-well") == "no"
