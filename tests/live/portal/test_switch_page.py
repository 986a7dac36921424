"""The boards of the switches, in a browser over a real gateway."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from gateway.switch.evidence.store import Store
from gateway.switch.records import Finding, Period, Tally
from tests.gateway.projects import write_project
from tests.live.portal.conftest import OpenPage, Watched
from tests.live.portal.test_every_page import serious
from tests.live.serving import Gateway, serving, wait_until

EVIL = "<img src=x onerror=alert(1)>"
SERVICES = """
from fastapi import FastAPI
from flask import Flask

web = Flask(__name__, static_folder=None)
api = FastAPI()


@web.get("/items/<int:item_id>")
def read(item_id):
    return {"by": "flask"}


@web.get("/items")
def listed():
    return {"by": "flask"}


@web.get("/only")
def only():
    return {"by": "flask"}


@api.get("/items/{item_id}")
async def read_item(item_id: int):
    return {"by": "fastapi"}


@api.get("/items")
async def list_items():
    return {"by": "fastapi"}
"""
PROJECT = """
[[mounts]]
name = "web"
app = "services_:web"

[[mounts]]
name = "api"
app = "services_:api"

[[mounts]]
name = "shop"
prefix = "/shop"
switch = { legacy = "web", candidate = "api" }

[[mounts.rules]]
methods = ["GET"]
path = "/items/{item_id}"
mode = "shadow"
"""
RULE = "GET /items/{item_id}"
ROUTE = "GET /items/{}"
# The seeded one: what the tests ask for is compared as well.
FINDING = '.finding[data-signature="s"]'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's."""
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    """A switch over both services, on this machine: no token."""
    write_project(folder, PROJECT, {"services_": SERVICES})
    with serving(cwd=folder) as gateway:
        yield gateway


@pytest.fixture
def store(gateway: Gateway, folder: Path) -> Iterator[Store]:
    """The switch's database, with a mismatch; all that was set is undone afterwards."""
    store = Store(f"sqlite:///{folder}/switch.db")
    store.prepare()
    store.add({Period("shop", RULE, ROUTE, 0, "shadow"): seeded()})
    yield store
    store.kill("shop", False, who="test")
    store.set("shop", [RULE, "GET /items"], None, who="test")
    with closing(sqlite3.connect(folder / "switch.db")) as connection, connection:
        for (name,) in connection.execute("select name from sqlite_master where type = 'table'"):
            if not re.search("revision|sqlite", name):
                connection.execute(f'delete from "{name}"')
    store.close()


@pytest.fixture
def opened(open_url: OpenPage, gateway: Gateway, store: Store) -> Callable[..., Watched]:
    """Opens the page."""

    def open_(query: str = "", *arguments: str, **options: bool) -> Watched:
        return open_url(f"{gateway.url}/_gateway/switch{query}", *arguments, **options)

    return open_


def seeded() -> Tally:
    """Evidence with a difference that has an explanation, and one that looks like a script."""
    now = datetime.now(UTC)
    differences = [
        difference("/price", "1.10", 1.1, "one number, as text and as a number"),
        difference("/name", EVIL, "A lamp", "two texts"),
    ]
    sample = {
        "method": "GET",
        "target": "/shop/items/1",
        "differences": differences,
        "left_out": 0,
        "legacy": {"status": 200, "headers": [["x-evil", EVIL]], "body": f'{{"name": "{EVIL}"}}'},
        "candidate": {"status": 200, "headers": [], "body": '{"name": "A lamp"}'},
        "request": {"headers": [["accept", "*/*"]], "body": None},
    }
    finding = Finding("mismatch", "s", 2, now, now, sample)
    counts = {"served legacy 2xx": 5, "shadow match": 3, "shadow mismatch": 2, "uncompared why": 1}
    durations = {"paired legacy 20": 5, "paired candidate 21": 5}
    return Tally({**counts, **durations, "hit a rule": 1}, {("mismatch", "s"): finding})


def difference(place: str, legacy: Any, candidate: Any, why: str) -> dict[str, Any]:
    """One difference of two documents."""
    sides = {"legacy": legacy, "candidate": candidate}
    return {"kind": "json", "place": place, **sides, "why": why}


def by(gateway: Gateway, path: str = "/items/1") -> str:
    """Which service answers."""
    answered: str = httpx.get(f"{gateway.url}/shop{path}").json()["by"]
    return answered


def line(page: Page, route: str = ROUTE) -> Locator:
    """A route's line on the board."""
    return page.locator(f'details.route[data-route="{route}"]')


def unfold(page: Page, route: str = ROUTE) -> Locator:
    """A route's line, opened, with its evidence."""
    found = line(page, route)
    found.locator("> summary").click()
    expect(found.locator("form.flip")).to_be_visible()
    return found


def ask_for(route: Locator, mode: str, why: str = "") -> None:
    """Fill in a route's form, and send it."""
    route.get_by_label("Mode", exact=True).select_option(mode)
    route.get_by_label("Why, for the history").fill(why)
    route.get_by_role("button", name="Set …").click()


@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_board_is_sound(
    opened: Callable[..., Watched], screenshots: Path, scheme: str, size: str
) -> None:
    """With a route open, and with its question: nobody is locked out, nothing from elsewhere."""
    watched = opened("", size, scheme)
    page = watched.page
    route = unfold(page)
    route.locator(FINDING).locator("summary").click()
    page.screenshot(path=screenshots / f"switch-{size}-{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert serious(page) == []
    ask_for(route, "canary")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.screenshot(path=screenshots / f"switch-question-{size}-{scheme}.png")
    assert serious(page) == []
    assert watched.complaints == []


def test_a_mismatch_is_shown_with_what_it_means(opened: Callable[..., Watched]) -> None:
    """Both values as they were, why, a rule to copy, and the line that asks again."""
    watched = opened()
    page = watched.page
    expect(page.locator("[data-summary]")).to_have_text("3 routes, 0 moved, 0 ready")
    route = unfold(page)
    finding = route.locator(FINDING)
    expect(finding).to_contain_text("Flask writes a Decimal as text")
    expect(finding.locator(".differences")).to_contain_text(f'"{EVIL}"')
    finding.locator("[data-copy]").first.click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert 'kind = "decimal", pointer = "/price"' in copied
    finding.locator("summary").click()
    expect(finding.locator("details")).to_contain_text(f'{{"name": "{EVIL}"}}')
    expect(finding.locator("details")).to_contain_text("/shop/items/1")
    assert watched.complaints == []


def test_nothing_is_set_before_somebody_has_agreed(
    opened: Callable[..., Watched], store: Store, gateway: Gateway
) -> None:
    """The question says what would be; Cancel and Escape leave all as it is."""
    page = opened().page
    before = store.revision()
    route = unfold(page)
    for key in ("Enter", "Escape"):
        ask_for(route, "candidate")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("GET /items/{item_id}: from shadow to candidate.")
        expect(dialog).to_contain_text("In effect within two seconds in every worker.")
        page.keyboard.press(key)  # Cancel has the focus
        expect(dialog).to_be_hidden()
    assert store.revision() == before
    assert by(gateway) == "flask"


def test_a_mode_is_set_by_keyboard_and_holds(
    opened: Callable[..., Watched], store: Store, gateway: Gateway
) -> None:
    """The other service answers within two seconds; the board and its history tell."""
    watched = opened()
    page = watched.page
    line(page).locator("> summary").focus()
    page.keyboard.press("Enter")
    expect(line(page).locator("form.flip")).to_be_visible()
    page.keyboard.press("Tab")
    for _ in ("canary", "candidate-shadow", "candidate"):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.type("it matches <b>now</b>")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate("document.activeElement.textContent") == "Cancel"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("[data-told]")).to_contain_text("from shadow to candidate.")
    wait_until(lambda: by(gateway) == "fastapi", 2)
    moved = page.locator(f'[data-mode="candidate"] details[data-route="{ROUTE}"]')
    expect(moved).to_have_attribute("open", "")
    expect(moved.locator(".word")).to_have_text("MOVED")
    assert page.evaluate("document.activeElement.closest('details').dataset.route") == ROUTE
    history = moved.get_by_role("region", name="History")
    expect(history).to_contain_text("portal")
    expect(history).to_contain_text("it matches <b>now</b>")
    assert store.run_time("shop").rules[RULE].mode == "candidate"
    assert watched.complaints == []


def test_canary_asks_for_its_share(opened: Callable[..., Watched], store: Store) -> None:
    """The field is there for this mode alone; what cannot be is refused in words."""
    watched = opened()
    page = watched.page
    route = unfold(page, "GET /items")
    percent = route.get_by_label("Percent")
    expect(percent).to_be_hidden()
    route.get_by_label("Mode", exact=True).select_option("canary")
    expect(percent).to_be_visible()
    percent.fill("0")
    ask_for(route, "canary")
    expect(route.get_by_role("alert")).to_contain_text("above 0 and up to 100")
    percent.fill("12.5")
    ask_for(route, "canary")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("GET /items: from legacy to canary at 12.5 %.")
    page.get_by_role("button", name="Set it").click()
    expect(page.locator('[data-mode="canary"] .badge').last).to_have_text("12.5 %")
    assert store.run_time("shop").rules["GET /items"].percent == 12.5
    # The browser itself says of each answer that is no success that it was none.
    assert [one for one in watched.complaints if "422" not in one] == []


def test_the_kill_switch_gives_all_to_the_legacy_service(
    opened: Callable[..., Watched], store: Store, gateway: Gateway
) -> None:
    """And back, each after a question."""
    store.set("shop", [RULE], "candidate", who="test")
    wait_until(lambda: by(gateway) == "fastapi", 3)
    page = opened().page
    for label, said, who in (
        ("Turn it on", "The kill switch is on: web answers every request", "flask"),
        ("Turn it off", "The kill switch is off", "fastapi"),
    ):
        page.locator("form.kill button").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("The kill switch: o")
        dialog.get_by_role("button", name=label).click()
        expect(page.locator("form.kill")).to_contain_text(said)
        wait_until(lambda who=who: by(gateway) == who, 2)


def test_the_board_is_live_and_leaves_alone_what_somebody_does(
    opened: Callable[..., Watched], store: Store
) -> None:
    """What others set and find is shown; what is open, written and chosen here stays."""
    watched = opened()
    page = watched.page
    route = unfold(page)
    route.locator(FINDING).locator("summary").click()
    why = route.get_by_label("Why, for the history")
    why.fill("half a sen")
    why.evaluate("node => node.mark = 'the same element'")
    store.add({Period("shop", RULE, ROUTE, 0, "shadow"): seeded()})
    store.set("shop", ["GET /items"], "canary", 5, who="ann")
    expect(page.locator('[data-mode="canary"]')).to_contain_text("/items", timeout=8000)
    expect(route.locator(FINDING).locator("h5")).to_contain_text("4 \u00d7", timeout=8000)
    # Also where the line moves to another mode.
    store.set("shop", [RULE], "candidate", who="ann")
    moved = page.locator(f'[data-mode="candidate"] details[data-route="{ROUTE}"]')
    expect(moved).to_have_attribute("open", "", timeout=8000)
    assert why.input_value() == "half a sen"
    assert why.evaluate("node => node.mark") == "the same element"
    assert page.evaluate("document.activeElement.name") == "why"
    expect(route.locator(FINDING).locator("details")).to_have_attribute("open", "")
    page.reload()
    expect(line(page).locator(FINDING)).to_be_visible()
    assert watched.complaints == []


def test_what_is_shown_is_what_is_typed(opened: Callable[..., Watched]) -> None:
    """The address keeps the words; there, it works without a script as well."""
    page = opened().page
    page.fill("#q", "get shadow")
    expect(page.locator("details.route")).to_have_count(1)
    expect(page.locator("[data-count]")).to_have_text("1 of 3")
    page.wait_for_url("**/switch?q=get+shadow")
    plain = opened("?q=get+shadow", scripts=False).page
    assert plain.locator("details.route").count() == 1


def test_the_evidence_can_be_read_without_scripts(opened: Callable[..., Watched]) -> None:
    """Each route has a link to the page with its evidence; a command sets modes."""
    page = opened(scripts=False).page
    line(page).locator("> summary").click()
    line(page).get_by_role("link", name="Show the evidence").click()
    expect(line(page).locator(FINDING)).to_contain_text("Flask writes a Decimal as text")
    expect(line(page).locator("form.flip")).to_be_hidden()
    assert "gateway switch set ROUTE MODE" in page.inner_text("main")
