"""The switches in the portal: their reports, setting modes, and their page, of a whole gateway."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.app import create_app
from gateway.config import read
from gateway.health import Health
from gateway.loading import load_services
from gateway.portal import Surroundings
from gateway.switch.evidence.store import Store
from gateway.switch.records import Finding, Period, Tally
from tests.gateway.asgi import running
from tests.gateway.portal.test_api_document import check
from tests.gateway.projects import clean_imports, write_project

TOKEN = "of-the-test-and-long-enough"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
NOT_OF_JSON = "not json"
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
    app = "services_of_switch:web"
    [[mounts]]
    name = "api"
    app = "services_of_switch:api"
    [[mounts]]
    name = "shop"
    prefix = "/shop"
    switch = { legacy = "web", candidate = "api" }
    [[mounts.rules]]
    methods = ["GET"]
    path = "/items/{item_id}"
    mode = "shadow"
"""
WITHOUT = """
    [[mounts]]
    name = "web"
    prefix = "/web"
    app = "services_of_switch:web"
"""
ITEM = "GET /items/{item_id}"
EVIL = "</code><script>alert(1)</script>"


@dataclass
class Gateway:
    """A whole gateway, and what its switch's database has."""

    http: httpx.AsyncClient
    store: Store

    async def get(self, path: str = "/shop") -> Any:
        """A document of the API."""
        answer = await self.http.get(f"/_gateway/api/switches{path}", headers=BEARER)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        return answer.json()

    async def page(self, query: str = "", status: int = 200) -> str:
        """The page."""
        answer = await self.http.get(f"/_gateway/switch{query}", headers=BEARER)
        assert answer.status_code == status
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        return answer.text

    async def post(self, switch: str = "shop", **order: Any) -> httpx.Response:
        """The answer to an order."""
        path = f"/_gateway/api/switches/{switch}/set"
        return await self.http.post(path, json=order, headers=BEARER)

    async def set(self, **order: Any) -> Any:
        """What an order that is sound has come to."""
        answer = await self.post(**order)
        assert answer.status_code == 200, answer.text
        check(answer.json(), "SetAnswer")
        return answer.json()

    async def by(self, path: str = "/items/1") -> str:
        """Which service answers."""
        by: str = (await self.http.get(f"/shop{path}")).json()["by"]
        return by

    async def within(self, seconds: float, is_so: Callable[[], Any]) -> None:
        """Wait until something is so."""
        until = time.monotonic() + seconds
        while not await is_so():
            assert time.monotonic() < until, "it did not happen"
            await asyncio.sleep(0.02)


@asynccontextmanager
async def gateway(folder: Path, toml: str = PROJECT, **environ: str) -> AsyncIterator[Gateway]:
    """A whole gateway, with a database in the folder."""
    url = f"sqlite:///{folder}/switch.db"
    given = {"GATEWAY_ADMIN__TOKEN": TOKEN, "GATEWAY_SWITCH__DATABASE": url, **environ}
    with clean_imports():
        file = write_project(folder, toml, {"services_of_switch": SERVICES})
        configuration = read(file, None, given)
        services = load_services(configuration)
        app = create_app(
            configuration.checked(), services, Health(), surroundings=Surroundings(configuration)
        )
        store = Store(url)
        store.prepare()
        transport = httpx.ASGITransport(app=app)
        async with (
            running(app),
            httpx.AsyncClient(transport=transport, base_url="http://gateway.test:81") as http,
        ):
            yield Gateway(http, store)
        store.close()


def mismatch(value: Any = "1.10") -> Tally:
    """Three comparisons, of which one differs."""
    now = datetime.now(UTC)
    difference = {"kind": "json", "place": "/price", "legacy": value, "candidate": 1.1}
    why = "one number, as text and as a number"
    sample = {
        "method": "GET",
        "target": "/shop/items/1",
        "differences": [{**difference, "why": why}],
        "left_out": 0,
        "legacy": {"status": 200, "headers": [["content-type", "a"]], "body": f'"{value}"'},
        "candidate": {"status": 200, "headers": [], "body": None},
        "request": {"headers": [["accept", "*/*"]], "body": None},
    }
    counts = {"served legacy 2xx": 3, "shadow match": 2, "shadow mismatch": 1, "noise asked": 1}
    return Tally(
        {
            **counts,
            "uncompared the client left": 4,
            "paired legacy 20": 3,
            "paired candidate 21": 3,
        },
        {
            ("mismatch", "s"): Finding("mismatch", "s", 1, now, now, sample),
            ("noise", "n"): Finding("noise", "n", 1, now, now, sample),
        },
    )


def seed(store: Store, value: Any = "1.10") -> None:
    """Evidence of the rule that the file has."""
    store.add({Period("shop", ITEM, "GET /items/{}", 0, "shadow"): mismatch(value)})


def route_of(report: Any, key: str = "GET /items/{}") -> Any:
    """One route of a report."""
    return next(route for route in report["routes"] if route["route"] == key)


# --- the API ------------------------------------------------------------------------------------


async def test_reports_are_as_described(tmp_path: Path) -> None:
    """Without evidence, and with all sorts of it; one switch as among all."""
    async with gateway(tmp_path) as served:
        check(await served.get(""), "Switches")
        seed(served.store)
        served.store.set("shop", ["GET /items"], "canary", 5, who="ann", why="a try")
        served.store.kill("shop", True, who="ann")
        served.store.kill("shop", False, who="ann")
        await asyncio.sleep(1.1)  # until what was known is a second old
        all_ = await served.get("")
        check(all_, "Switches")
        own = await served.get()
        assert all_ == {"switches": [own]}
        found = route_of(own)
        assert found["compared"]["mismatch"] == 1
        assert found["mismatches"][0]["explanation"].startswith("/price: Flask writes a Decimal")
        assert route_of(own, "GET /items")["percent"] == 5


async def test_curl_lines_lead_to_where_the_portal_was_asked(tmp_path: Path) -> None:
    """Not to where the settings say, which another port, or a proxy, may lead to."""
    async with gateway(tmp_path) as served:
        seed(served.store)
        curl = route_of(await served.get())["mismatches"][0]["sample"]["curl"]
        assert curl.endswith(" http://gateway.test:81/shop/items/1")


async def test_a_mode_is_set_and_told(tmp_path: Path) -> None:
    """The other service answers within two seconds; who and why are in the history."""
    async with gateway(tmp_path) as served:
        assert await served.by() == "flask"
        done = await served.set(route=ITEM, mode="candidate", why="it matches")
        assert done["changes"] == [
            {"rule": ITEM, "before": "shadow", "after": "candidate", "from_file": True}
        ]
        assert (done["revision"], done["killed"], done["dry_run"]) == (1, False, False)

        async def is_moved() -> bool:
            return await served.by() == "fastapi"

        await served.within(2, is_moved)
        found = route_of(await served.get())
        assert (found["mode"], found["verdict"]["verdict"]) == ("candidate", "MOVED")
        assert found["set"]["who"] == "portal"
        [change] = found["history"]
        assert (change["before"], change["after"]) == ("shadow", "candidate")
        assert (change["who"], change["why"]) == ("portal", "it matches")


async def test_a_route_without_a_rule_gets_one(tmp_path: Path) -> None:
    """And back to what the file says, which is none."""
    async with gateway(tmp_path) as served:
        done = await served.set(route="GET /items", mode="canary", percent=2.5)
        assert done["changes"][0]["after"] == "canary 2.5 %"
        assert done["text"][0] == "GET /items: from legacy to canary at 2.5 %."
        found = route_of(await served.get(), "GET /items")
        assert (found["rule"], found["mode"], found["percent"]) == ("GET /items", "canary", 2.5)
        back = await served.set(route="GET /items", mode="file")
        assert back["changes"][0]["after"] == "no rule"
        assert route_of(await served.get(), "GET /items")["rule"] == ""


async def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    """It tells what would be, in words for a person to agree to."""
    async with gateway(tmp_path) as served:
        told = await served.set(route=ITEM, mode="canary", percent=5, dry_run=True)
        assert told["revision"] is None
        assert told["text"] == [
            "GET /items/{item_id}: from shadow to canary at 5 %.",
            "In effect within two seconds in every worker.",
        ]
        assert (await served.get())["revision"] == 0
        assert served.store.history("shop") == []


async def test_a_mode_that_holds_already_is_said_to(tmp_path: Path) -> None:
    """As setting it once more throws away what was found, for the verdict."""
    async with gateway(tmp_path) as served:
        told = await served.set(route=ITEM, mode="shadow", dry_run=True)
        assert told["text"][0] == f"{ITEM}: shadow already; its evidence begins anew."
        seed(served.store)
        assert route_of(await served.get())["compared"]["mismatch"] == 1
        await served.set(route=ITEM, mode="shadow")
        assert route_of(await served.get())["compared"]["mismatch"] == 0


async def test_the_kill_switch_is_turned_on_and_off(tmp_path: Path) -> None:
    """The legacy service answers what the rules give to the candidate; what is set waits."""
    async with gateway(tmp_path) as served:

        async def by_candidate() -> bool:
            return await served.by() == "fastapi"

        async def by_legacy() -> bool:
            return not await by_candidate()

        await served.set(route=ITEM, mode="candidate")
        await served.within(2, by_candidate)
        on = await served.set(route="*", mode="legacy", why="in doubt")
        assert on["killed"]
        assert on["text"][0] == "The kill switch: on, web answers every request."
        await served.within(2, by_legacy)
        assert (await served.get())["killed"]
        waits = await served.set(route="GET /items", mode="shadow", dry_run=True)
        assert waits["text"][-1].startswith("The kill switch is on: web answers every request")
        off = await served.set(route="*", mode="rules")
        assert not off["killed"]
        await served.within(2, by_candidate)


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ({"mode": "shadow"}, "route is missing."),
        ({"route": ITEM}, "mode is missing."),
        ({"route": ITEM, "mode": "fastapi"}, '"fastapi" is no mode; modes are legacy, shadow'),
        ({"route": ITEM, "mode": "canary"}, "needs a percent, above 0 and up to 100"),
        ({"route": ITEM, "mode": "canary", "percent": 0}, "percent, above 0 and up to 100"),
        ({"route": ITEM, "mode": "canary", "percent": 101}, "percent, above 0 and up to 100"),
        ({"route": ITEM, "mode": "canary", "percent": "5"}, "percent: "),
        ({"route": ITEM, "mode": "shadow", "percent": 5}, 'percent is for the mode "canary"'),
        ({"route": "GET /nothing", "mode": "shadow"}, "gateway switch inventory lists all routes"),
        ({"route": "things", "mode": "shadow"}, "neither the name of a rule or a group nor a ro"),
        ({"route": "GET /only", "mode": "candidate"}, 'no route for GET /only in "api"'),
        ({"route": "*", "mode": "shadow"}, 'The route "*" is the kill switch'),
        ({"route": ITEM, "mode": "rules"}, '"rules" is nothing that one route can be set to'),
        ({"route": ITEM, "mode": "shadow", "who": "ann"}, "who is nothing that can be set."),
        ({"route": ITEM, "mode": "shadow", "why": "x" * 1001}, "why: "),
        (NOT_OF_JSON, "The body is no JSON"),
    ],
)
async def test_what_cannot_be_set_is_refused(tmp_path: Path, order: Any, told: str) -> None:
    """With the reason and what can, as a problem; nothing is set."""
    async with gateway(tmp_path) as served:
        if order == NOT_OF_JSON:
            headers = {**BEARER, "Content-Type": "application/json"}
            path = "/_gateway/api/switches/shop/set"
            answer = await served.http.post(path, content=b"{", headers=headers)
        else:
            answer = await served.post(**order)
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        check(answer.json(), "Problem")
        assert told in answer.json()["detail"]
        assert served.store.revision() == 0


async def test_a_form_of_another_site_sets_nothing(tmp_path: Path) -> None:
    """What a browser sends for a stranger's page is no JSON, whatever its text."""
    async with gateway(tmp_path) as served:
        text = b'{"route": "*", "mode": "legacy"}'
        headers = {**BEARER, "Content-Type": "text/plain"}
        answer = await served.http.post(
            "/_gateway/api/switches/shop/set", content=text, headers=headers
        )
        assert answer.status_code == 415
        assert served.store.revision() == 0


async def test_an_unknown_switch_is_told_from_those_that_there_are(tmp_path: Path) -> None:
    """404, with the names."""
    async with gateway(tmp_path) as served:
        asked = await served.http.get("/_gateway/api/switches/web", headers=BEARER)
        for answer in (asked, await served.post("web", route=ITEM, mode="shadow")):
            assert answer.status_code == 404
            assert answer.json()["detail"].endswith("Switches are: shop.")


@pytest.mark.parametrize("path", ["/api/switches", "/api/switches/shop", "/switch"])
async def test_nobody_sees_a_switch_without_the_token(tmp_path: Path, path: str) -> None:
    """Nor sets anything."""
    async with gateway(tmp_path) as served:
        assert (await served.http.get(f"/_gateway{path}")).status_code == 401
        order = {"route": "*", "mode": "legacy"}
        refused = await served.http.post("/_gateway/api/switches/shop/set", json=order)
        assert refused.status_code == 401
        assert served.store.revision() == 0


async def test_a_database_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    """503 for scripts, a text on the page; the services go on."""
    (tmp_path / "file").write_text("no folder")
    url = f"sqlite:///{tmp_path}/file/switch.db"
    async with gateway(tmp_path, GATEWAY_SWITCH__DATABASE=url) as served:
        told = "The modes that the workers know hold."
        answers = [
            await served.http.get("/_gateway/api/switches", headers=BEARER),
            await served.http.get("/_gateway/api/switches/shop", headers=BEARER),
            await served.post(route=ITEM, mode="legacy"),
        ]
        for answer in answers:
            assert answer.status_code == 503
            check(answer.json(), "Problem")
            assert answer.json()["detail"].endswith(told)
        assert told in await served.page(status=503)
        assert await served.by() == "flask"


# --- the page -----------------------------------------------------------------------------------


async def test_the_board_shows_each_route_in_its_mode(tmp_path: Path) -> None:
    """With its verdict and its first reason; a summary of all above."""
    async with gateway(tmp_path) as served:
        seed(served.store)
        served.store.set("shop", ["GET /items"], "canary", 5, who="ann")
        page = await served.page()
        assert "3 routes, 0 moved, 0 ready" in page
        modes = re.findall(r'data-mode="([a-z-]+)"|data-route="([^"]+)"', page)
        assert [mode or route for mode, route in modes] == [
            *("shadow", "GET /items/{}"),
            *("canary", "GET /items"),
            *("legacy", "GET /only"),
        ]
        assert "1 of 3 comparisons differs; and 2 more" in page
        assert 'href="/_gateway/switch" aria-current="page"' in page


async def test_evidence_is_on_the_page_where_it_is_asked_for(tmp_path: Path) -> None:
    """By the address that the route's own link has; what is not open costs nothing."""
    async with gateway(tmp_path) as served:
        seed(served.store)
        page = await served.page()
        assert "Flask writes a Decimal as text" not in page
        [link] = re.findall(r'href="(\?open=[^"#]+)#[^"]+">Show', page)[:1]
        page = await served.page(link)
        for text in (
            "Flask writes a Decimal as text",
            "[mounts.rules.compare]",
            "http://gateway.test:81/shop/items/1",
            "the client left",
        ):
            assert text in page


async def test_what_services_answer_is_text_on_the_page(tmp_path: Path) -> None:
    """Also where it looks like something else, and so is what somebody gave as a reason."""
    async with gateway(tmp_path) as served:
        seed(served.store, EVIL)
        served.store.set("shop", [ITEM], "canary", 5, who=EVIL, why=EVIL)
        opened = re.findall(r'id="(r[0-9a-f]+)"', await served.page())
        page = await served.page("?" + "&".join(f"open={one}" for one in opened))
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert" not in page


async def test_routes_are_filtered_by_words(tmp_path: Path) -> None:
    """Of the path, the mode or the verdict; the summary is still of all."""
    async with gateway(tmp_path) as served:
        for query, shown in (("items+get", 2), ("shadow", 1), ("not+yet", 2), ("nothing+of+it", 0)):
            page = await served.page(f"?q={query}")
            assert page.count("data-route=") == shown
            assert f"{shown} of 3" in page
            assert "3 routes, 0 moved" in page


async def test_without_a_switch_the_page_says_how_to_have_one(tmp_path: Path) -> None:
    """The navigation does not lead there, and the API has none."""
    async with gateway(tmp_path, WITHOUT) as served:
        page = await served.page()
        assert "switch = { legacy" in page
        assert 'href="/_gateway/switch"' not in page
        assert await served.get("") == {"switches": []}
        assert (await served.post("web", route="*", mode="legacy")).status_code == 404
