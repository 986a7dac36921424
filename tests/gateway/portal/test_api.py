"""The portal's JSON API."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate
from starlette.routing import Router

from gateway.checks import Finding
from gateway.config import read
from gateway.exchange import ExchangeMiddleware, Observers, current_exchange
from gateway.health import Health
from gateway.portal.api import GroupFacts, Watched, api_routes, overviews
from gateway.portal.switch import WatchedSwitches
from gateway.portal.switch_api import switch_routes
from gateway.telemetry.group import Told, WorkerGroup
from gateway.telemetry.lines import RememberedLines
from gateway.telemetry.live import Live
from gateway.telemetry.process import Worker
from gateway.telemetry.recent import RecentRequests
from tests.gateway.portal.test_api_document import check
from tests.gateway.portal.test_facts import both
from tests.gateway.projects import write_project
from tests.gateway.telemetry.exchanges import ended

TOML = """\
[[mounts]]
name = "web"
prefix = "/web"
app = "of:flask"
[[mounts]]
name = "api"
prefix = "/api"
app = "of:fastapi"
"""


@dataclass
class Pool:
    """Threads of nobody."""

    threads: int = 10
    busy: int = 2
    awake: int = 3
    queued: int = 1
    stuck: int = 0
    totals: Mapping[str, int] = field(default_factory=dict)


class CountingGroup(WorkerGroup):
    """Counts how often the workers are asked, and has some that are silent."""

    asked = 0
    silent: tuple[int, ...] = ()

    async def ask(self, question: str, **arguments: Any) -> Told:
        """Ask, and count it."""
        self.asked += 1
        return replace(await super().ask(question, **arguments), silent=list(self.silent))


@dataclass
class Portal:
    """The API of one worker, without the rest of a gateway."""

    facts: GroupFacts
    watched: Watched
    group: CountingGroup
    health: Health
    http: httpx.AsyncClient

    async def get(self, path: str) -> Any:
        """A document."""
        answer = await self.http.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        return answer.json()


@asynccontextmanager
async def portal(folder: Path) -> AsyncIterator[Portal]:
    """An API that answers until the block ends."""
    health = Health(services={"web": True, "api": True})
    watched = Watched(
        Worker(),
        Live(),
        RecentRequests(10, query_strings=False),
        RememberedLines(10),
        {"web": Pool()},
        health,
    )
    group = CountingGroup(None)
    group_facts = GroupFacts(
        read(write_project(folder, TOML), None, {"GATEWAY_ADMIN__TOKEN": "secret-of-the-test-1"}),
        both(),
        watched,
        group,
        lambda: [Finding("edge", "what", "mend")],
    )
    observers = Observers(closed=[watched.live.closed, watched.recent.closed])
    app = ExchangeMiddleware(
        Router(api_routes(group_facts, health, stream_seconds=0.01)), observers
    )
    background = [
        asyncio.create_task(work())
        for work in (group_facts.keep, watched.worker.watch, watched.lines.keep)
    ]
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as http:
        await asyncio.sleep(0.01)
        yield Portal(group_facts, watched, group, health, http)
    for task in background:
        task.cancel()
    await asyncio.gather(*background, return_exceptions=True)


async def test_the_api_describes_itself(tmp_path: Path) -> None:
    """In valid OpenAPI 3.1, with every path that it has, and those that answer below it."""
    async with portal(tmp_path) as served:
        document = await served.get("/api/openapi.json")
        validate(document)
        paths = {path.replace(":path", "") for path in served_paths(served)}
        paths |= {
            "/api/compare",
            *(route.path for route in switch_routes(WatchedSwitches(None, []))),
        }
        assert set(document["paths"]) == paths - {"/api/openapi.json"}
        assert httpx.URL("http://x/_gateway/api/openapi.json").join(
            document["servers"][0]["url"]
        ) in {httpx.URL("http://x/_gateway"), httpx.URL("http://x/_gateway/")}


def served_paths(served: Portal) -> set[str]:
    """The paths of the routes."""
    return {route.path for route in api_routes(served.facts, served.health)}


async def test_answers_are_as_the_description_says(tmp_path: Path) -> None:
    """With requests, errors, lines and threads, and nothing more than is said."""
    async with portal(tmp_path) as served:
        check(await served.get("/api/overview"), "Overview")
        check(await served.get("/api/requests/nobody-s"), "Request")
        served.watched.live.closed([ended(), ended(mount="api", status=500)])
        served.watched.recent.closed([ended(trace_id="a" * 32), ended(status=500, answered=False)])
        current_exchange.set(ended())
        try:
            raise RuntimeError("of the test")
        except RuntimeError:
            logging.getLogger("of.the.test").exception("it failed")
        current_exchange.set(None)
        served.facts.shared["overview"].forget()
        for path, schema in (
            ("/api/overview", "Overview"),
            ("/api/routes", "Routes"),
            ("/api/requests/of-the-test", "Request"),
            ("/api/configuration", "Configuration"),
        ):
            check(await served.get(path), schema)
        request = await served.get("/api/requests/of-the-test")
        assert request["record"]["status"] == 500
        assert [line["event"] for line in request["lines"]] == ["it failed"]


async def test_the_overview_shows_this_worker(tmp_path: Path) -> None:
    """Its memory, its mounts, their threads and figures."""
    async with portal(tmp_path) as served:
        served.watched.live.closed([ended(0.1)] * 10)
        found = await served.get("/api/overview")
        (worker,) = found["workers"]
        assert worker["memory_bytes"] == found["memory_bytes"] > 1e6
        web = found["mounts"][0]
        assert (web["state"], web["version"]) == ("ready", "")
        assert web["threads"] == {"allowed": 10, "busy": 2, "queued": 1, "stuck": 0}
        assert web["requests_per_second"] > 0
        assert found["mounts"][1]["version"] == "0.1.0"


async def test_the_routes_count_what_has_ended(tmp_path: Path) -> None:
    """It is in the next answer that is made."""
    async with portal(tmp_path) as served:
        for number in range(3):
            found = await served.get("/api/routes")
            (route,) = [r for r in found["routes"] if r["template"] == "/web/items/<int:item_id>"]
            assert (route["requests"], route["documentation"]) == (number, "/_gateway/docs")
            served.watched.live.closed([ended()])
            served.facts.shared["routes"].forget()


async def test_workers_that_are_silent_are_told(tmp_path: Path) -> None:
    """In the overview and for a request, which one of them may know."""
    async with portal(tmp_path) as served:
        assert (await served.get("/api/overview"))["well"] is True
        served.facts.shared["overview"].forget()
        served.group.silent = (7,)
        found = await served.get("/api/overview")
        assert (found["silent"], found["well"], len(found["workers"])) == ([7], False, 1)
        check(found, "Overview")
        request = await served.get("/api/requests/nobody-s")
        assert request["silent"] == [7]


async def test_what_is_no_text_is_answered(tmp_path: Path) -> None:
    """Whatever a string holds, the answer is JSON."""
    async with portal(tmp_path) as served:
        served.watched.recent.closed([ended(path="/" + os.fsdecode(b"\xff"), status=500)])
        found = await served.get("/api/requests/of-the-test")
        assert found["record"]["path"] == "/\udcff"
        assert (await served.get("/api/overview"))["errors"][0]["path"] == "/\udcff"


async def test_a_request_is_found_by_any_id(tmp_path: Path) -> None:
    """Clients may choose their own, with slashes and all."""
    async with portal(tmp_path) as served:
        served.watched.recent.closed([ended(request_id="a/b:c+d=e~f")])
        found = await served.get("/api/requests/a/b:c+d=e~f")
        assert (found["found"], found["request_id"]) == (True, "a/b:c+d=e~f")
        quoted = await served.get("/api/requests/a%2Fb%3Ac%2Bd%3De~f")
        assert quoted["record"]["request_id"] == "a/b:c+d=e~f"
        assert (await served.get("/api/requests/another"))["found"] is False


async def test_the_configuration_masks_its_secrets(tmp_path: Path) -> None:
    """And has the findings of `gateway check`."""
    async with portal(tmp_path) as served:
        found = await served.get("/api/configuration")
        assert "secret-of-the-test-1" not in json.dumps(found)
        assert found["findings"] == [{"where": "edge", "what": "what", "mend": "mend"}]


async def test_the_stream_has_news_until_the_gateway_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Server-sent events, one overview each; the stop ends them cleanly."""
    async with portal(tmp_path) as served:
        seen: list[Any] = []
        overview = served.facts.overview

        async def stop_at_the_third() -> Any:
            seen.append(await overview())
            if len(seen) == 3:
                served.health.stop()
            return seen[-1]

        monkeypatch.setattr(served.facts, "overview", stop_at_the_third)
        answer = await asyncio.wait_for(served.http.get("/api/overview/stream"), 20)
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        *events, rest = answer.text.split("\n\n")
        assert rest == ""
        assert len(events) == 3
        for event in events:
            kind, _, data = event.partition("\n")
            assert kind == "event: overview"
            check(json.loads(data.removeprefix("data: ")), "Overview")


async def test_after_the_stop_no_stream_begins(tmp_path: Path) -> None:
    """A browser that comes back finds the end at once."""
    async with portal(tmp_path) as served:
        served.health.stop()
        assert [text async for text in overviews(served.facts, served.health, 60)] == []
