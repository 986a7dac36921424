"""The documents that the portal shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask

from gateway.config import Settings
from gateway.loading import Interface, Service
from gateway.portal import facts
from gateway.portal.history import History
from gateway.telemetry.live import ROUTES_KEPT, WINDOWS, Live, merge_routes
from tests.gateway.portal.test_api_document import check
from tests.gateway.telemetry.exchanges import ended
from tests.gateway.telemetry.services import MOUNTS, fastapi_service, flask_service
from tests.gateway.telemetry.test_live import Clock, rows, told

NOW = 1_800_000_000.0


def service(app: Any, name: str, interface: Interface = "asgi", **mount: Any) -> Service:
    """A service under `/name`."""
    table = {"name": name, "prefix": f"/{name}", "app": "of.the_test:app", **mount}
    return Service(Settings.model_validate({"mounts": [table]}).mounts[0], app, interface)


def both() -> list[Service]:
    """Flask at `/web`, FastAPI at `/api`."""
    apps: list[tuple[Any, Interface]] = [(flask_service(), "wsgi"), (fastapi_service(), "asgi")]
    return [
        service(app, str(mount["name"]), interface)
        for mount, (app, interface) in zip(MOUNTS, apps, strict=True)
    ]


ABOUT = facts.About("1.2.3", "3.13.0", "production", both(), {"api": "4.5"})


def worker(pid: int = 1, live: Live | None = None, **given: Any) -> dict[str, Any]:
    """What one worker tells."""
    figures = {
        "pid": pid,
        "memory_bytes": 100 * pid,
        "threads": 3,
        "uptime_seconds": 60.0 * pid,
        "event_loop_lag_seconds": 0.001 * pid,
    }
    return {
        "worker": figures,
        "draining": False,
        "services": {"web": True, "api": True},
        "pools": {"web": {"allowed": 10, "busy": pid, "queued": 2, "stuck": 0}},
        "live": told(live or Live()),
        "errors": [],
        **given,
    }


def overview(
    *workers: dict[str, Any], silent: Sequence[int] = (), history: History | None = None
) -> dict[str, Any]:
    """The overview of these workers."""
    return facts.overview(ABOUT, workers, history or History(), NOW, silent)


def test_the_overview_adds_the_workers_up() -> None:
    """Memory and threads together, the worst lag, the longest time up."""
    found = overview(worker(2), worker(1))
    assert [one["pid"] for one in found["workers"]] == [1, 2]
    assert (found["memory_bytes"], found["event_loop_lag_seconds"]) == (300, 0.002)
    assert (found["started"], found["uptime_seconds"]) == ("2027-01-15T07:58:00.000Z", 120.0)
    web, api = found["mounts"]
    assert web["threads"] == {"allowed": 20, "busy": 3, "queued": 4, "stuck": 0}
    assert api["threads"] is None
    assert (web["stack"], web["adapter"], web["version"]) == ("Flask", "bridge", "")
    assert (api["stack"], api["adapter"], api["version"]) == ("FastAPI", None, "4.5")


@pytest.mark.parametrize(
    ("workers", "state", "draining"),
    [
        ([{}], "ready", False),
        ([{}, {"services": {"web": False, "api": True}}], "not ready", False),
        ([{"services": {}}], "not ready", False),
        ([{"draining": True}], "draining", True),
        # One worker is being replaced: requests go to the other.
        ([{"draining": True, "services": {"web": False}}, {}], "ready", False),
        ([], "not ready", False),
    ],
)
def test_a_mount_is_ready_where_every_worker_that_stays_is(
    workers: list[dict[str, Any]], state: str, draining: bool
) -> None:
    """Draining is what all do together."""
    found = overview(*(worker(number + 1, **given) for number, given in enumerate(workers)))
    assert (found["mounts"][0]["state"], found["draining"]) == (state, draining)


@pytest.mark.parametrize(
    ("workers", "silent", "well"),
    [
        ([{}, {}], [], True),
        ([{}, {}], [7, 5], False),
        ([{}, {"draining": True}], [], False),
        ([{}, {"services": {"web": True, "api": False}}], [], False),
        ([], [], False),
    ],
)
def test_all_is_well_where_every_worker_answers_stays_and_is_ready(
    workers: list[dict[str, Any]], silent: list[int], well: bool
) -> None:
    """One that hangs is told, though the mounts of the others are ready."""
    found = overview(
        *(worker(number + 1, **given) for number, given in enumerate(workers)), silent=silent
    )
    assert (found["well"], found["silent"]) == (well, sorted(silent))
    if silent:
        assert {mount["state"] for mount in found["mounts"]} == {"ready"}


def test_rates_are_of_ten_seconds_and_errors_of_a_minute() -> None:
    """Percentiles too; what is older is history."""
    clock = Clock()
    live = Live(clock)
    live.closed([ended(9.0, status=500)] * 100)
    clock.now += 65
    live.closed([ended(0.1, status=500), *[ended(0.1)] * 3])
    clock.now += 25
    live.closed([ended(0.01)] * 16)
    clock.now += 4
    web = overview(worker(live=live))["mounts"][0]
    assert web["requests_per_second"] == pytest.approx(16 / 14)
    assert web["error_rate"] == pytest.approx(1 / 20)
    assert web["p50_seconds"] == pytest.approx(0.01, rel=0.05)
    assert web["p95_seconds"] == pytest.approx(0.1, rel=0.05)


def test_a_mount_that_nobody_asks_has_no_percentiles() -> None:
    """Zero requests are no fast ones."""
    web = overview(worker())["mounts"][0]
    assert (web["requests_per_second"], web["error_rate"], web["p50_seconds"]) == (0, 0, None)
    assert web["history"]["p99_seconds"] == [None] * WINDOWS
    assert web["history"]["requests_per_second"] == [0.0] * WINDOWS


def test_the_newest_errors_of_all_workers_come_first() -> None:
    """Fifty of them."""
    of_one = [{"time": f"2027-01-15T08:00:{second:02}.000Z"} for second in range(59, 0, -2)]
    of_other = [{"time": f"2027-01-15T08:00:{second:02}.000Z"} for second in range(58, -1, -2)]
    found = overview(worker(1, errors=of_one), worker(2, errors=of_other))["errors"]
    assert [int(error["time"][17:19]) for error in found] == list(range(59, 9, -1))


def test_routes_have_figures_and_a_place_to_read_more() -> None:
    """A FastAPI route its service's page, a Flask route the gateway's."""
    live = Live()
    live.closed(
        [
            *[ended(0.1)] * 3,
            ended(0.1, method="HEAD"),
            ended(mount="api", stack="FastAPI", route="/items/{item_id}", status=500),
            ended(route="", status=404),
        ]
    )
    listed = facts.listed_routes(both(), "/apps", "/apps/_gateway/docs")
    document = facts.routes(listed, facts.listed_pairs(listed), merge_routes(rows(live)))
    by_template = {route["template"]: route for route in document["routes"]}
    web = by_template["/web/items/<int:item_id>"]
    assert (web["path"], web["documentation"]) == ("/items/{item_id}", "/apps/_gateway/docs")
    assert web["methods"] == ["GET", "HEAD", "OPTIONS"]
    assert (web["requests"], web["error_rate"]) == (4, 0)
    assert web["p50_seconds"] == pytest.approx(0.1, rel=0.05)
    api = by_template["/api/items/{item_id}"]
    assert (api["requests"], api["error_rate"]) == (1, 1)
    assert (api["documentation"], api["stack"]) == ("/apps/api/docs", "FastAPI")
    assert by_template["/web/fails"]["requests"] == 0
    pairs = [
        (pair["methods"], pair["path"], [document["routes"][i]["template"] for i in pair["routes"]])
        for pair in document["pairs"]
    ]
    assert pairs == [
        (["GET"], "/items/{item_id}", ["/web/items/<int:item_id>", "/api/items/{item_id}"]),
        (["GET"], "/fails", ["/web/fails", "/api/fails"]),
    ]


def test_routes_that_are_counted_together_have_no_figures_of_their_own() -> None:
    """Nobody knows them: they are not 0, which is told where nothing is counted together."""
    live = Live()
    live.closed([ended()])
    live.closed([ended(mount="other", route=f"/{number}") for number in range(ROUTES_KEPT)])
    live.closed([ended(route="/fails")] * 3)
    listed = facts.listed_routes(both())
    document = facts.routes(listed, [], merge_routes(rows(live)))
    by_template = {route["template"]: route for route in document["routes"]}
    names = ("requests", "requests_per_second", "error_rate", "p50_seconds", "p99_seconds")
    assert [by_template["/web/fails"][name] for name in names] == [None] * 5
    assert by_template["/web/items/<int:item_id>"]["requests"] == 1
    assert by_template["/api/fails"]["requests"] == 0
    check({**document, "pairs": []}, "Routes")


def test_a_service_that_cannot_be_looked_into_has_one_line_with_all_its_figures() -> None:
    """Whatever its routes may be."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError

    live = Live()
    live.closed([ended(mount="opaque", route=""), ended(mount="opaque", method="POST")])
    listed = facts.listed_routes([service(app, "opaque")])
    (route,) = facts.routes(listed, [], merge_routes(rows(live)))["routes"]
    assert (route["template"], route["methods"], route["requests"]) == ("/opaque/*", ["*"], 2)


def test_a_request_is_told_by_the_worker_that_answered_it() -> None:
    """Its record and its lines in order; the last one where the ID came twice."""
    lines = [{"timestamp": "2027-01-15T08:00:01.000Z", "event": "second"}]
    earlier = [{"timestamp": "2027-01-15T08:00:00.000Z", "event": "first"}]
    found = facts.request(
        "x",
        [
            {"pid": 1, "record": None, "lines": []},
            {"pid": 2, "record": {"time": "2027-01-15T08:00:01.500Z"}, "lines": lines},
            {"pid": 3, "record": {"time": "2027-01-15T08:00:00.500Z"}, "lines": earlier},
        ],
        [5, 4],
    )
    assert (found["found"], found["worker"]) == (True, 2)
    assert found["record"] == {"time": "2027-01-15T08:00:01.500Z"}
    assert [line["event"] for line in found["lines"]] == ["first", "second"]
    assert found["silent"] == [4, 5]


def test_a_request_that_still_runs_has_lines_and_no_record() -> None:
    """It is known all the same; what nobody knows is not found."""
    line = {"timestamp": "2027-01-15T08:00:01.000Z", "event": "first"}
    running = facts.request("x", [{"pid": 7, "record": None, "lines": [line]}], [])
    assert (running["found"], running["worker"], running["record"]) == (True, 7, None)
    unknown = facts.request("y", [{"pid": 7, "record": None, "lines": []}], [])
    assert (unknown["found"], unknown["worker"], unknown["lines"]) == (False, None, [])


@pytest.mark.parametrize(
    ("app", "distributions", "version"),
    [
        (FastAPI(version="7.8"), {"of": ["1.0"]}, "7.8"),
        (Flask("of"), {"of": ["1.0"]}, "1.0"),
        (Flask("of"), {"of": ["1.0", "2.0"]}, ""),
        (Flask("of"), {"other": ["1.0"]}, ""),
    ],
)
def test_a_service_has_its_own_version_or_its_distribution_s(
    app: Any, distributions: dict[str, list[str]], version: str
) -> None:
    """Where it cannot be told, there is none."""
    assert facts.service_version(service(app, "a"), distributions) == version
