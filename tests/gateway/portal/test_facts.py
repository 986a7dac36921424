"""The documents that the portal shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask

from gateway.checks import Finding
from gateway.config import Settings, all_settings, read
from gateway.loading import Interface, Service
from gateway.portal import facts
from gateway.portal.effective import MASK, configuration
from gateway.portal.history import History
from gateway.telemetry.live import WINDOWS, Live, merge, merge_routes
from tests.gateway.projects import write_project
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


def overview(*workers: dict[str, Any], history: History | None = None) -> dict[str, Any]:
    """The overview of these workers."""
    return facts.overview(ABOUT, workers, history or History(), NOW)


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


def test_history_has_the_windows_that_are_over() -> None:
    """The newest last; the one that is open would look like a fall."""
    clock = Clock()
    lives = [Live(clock), Live(clock)]
    for live in lives:
        live.closed([ended(0.1)] * 5)
        live.closed([ended(0.1, status=500)] * 5)
    clock.now += 5
    lives[0].closed([ended(0.1)] * 30)
    charts = overview(*(worker(live=live) for live in lives))["mounts"][0]["history"]
    assert charts["requests_per_second"] == [0.0] * (WINDOWS - 1) + [4.0]
    assert charts["errors_per_second"][-1] == 2.0
    assert charts["p95_seconds"][-1] == pytest.approx(0.1, rel=0.05)


def test_history_goes_on_where_the_last_look_ended() -> None:
    """A later look asks for what is new and shows the same as a first one."""
    clock = Clock()
    live = Live(clock)
    kept, asked = History(), []
    for number in range(300):
        live.closed([ended(0.1 + number / 1000)] * (number % 7))
        clock.now += 5
        if number % 10 == 0:
            asked.append(int(clock.now // 5) - kept.since(clock.now))
            kept.add(merge([told(live, kept.since(clock.now))]))
    fresh = History()
    fresh.add(merge([told(live)]))
    kept.add(merge([told(live, kept.since(clock.now))]))
    window = int(clock.now // 5)
    assert kept.of("web", window) == fresh.of("web", window)
    assert (asked[0], set(asked[1:])) == (WINDOWS, {12})
    # Nobody looked for long: everything again, and no more than there is.
    clock.now += 5000
    assert int(clock.now // 5) - kept.since(clock.now) == WINDOWS


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
    document = facts.routes(listed, merge_routes(rows(live)))
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


def test_a_service_that_cannot_be_looked_into_has_one_line_with_all_its_figures() -> None:
    """Whatever its routes may be."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError

    live = Live()
    live.closed([ended(mount="opaque", route=""), ended(mount="opaque", method="POST")])
    listed = facts.listed_routes([service(app, "opaque")])
    (route,) = facts.routes(listed, merge_routes(rows(live)))["routes"]
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
    )
    assert (found["found"], found["worker"]) == (True, 2)
    assert found["record"] == {"time": "2027-01-15T08:00:01.500Z"}
    assert [line["event"] for line in found["lines"]] == ["first", "second"]


def test_a_request_that_still_runs_has_lines_and_no_record() -> None:
    """It is known all the same; what nobody knows is not found."""
    line = {"timestamp": "2027-01-15T08:00:01.000Z", "event": "first"}
    running = facts.request("x", [{"pid": 7, "record": None, "lines": [line]}])
    assert (running["found"], running["worker"], running["record"]) == (True, 7, None)
    unknown = facts.request("y", [{"pid": 7, "record": None, "lines": []}])
    assert (unknown["found"], unknown["worker"], unknown["lines"]) == (False, None, [])


def test_the_configuration_tells_each_setting_and_where_it_comes_from(tmp_path: Path) -> None:
    """Every one, those of each mount by its name; the purpose is that of the documentation."""
    toml = (
        "[server]\nport = 9000\n"
        '[[mounts]]\nname = "a"\nprefix = "/a"\napp = "a:b"\nthreads = 4\n'
        '[[mounts]]\nname = "b"\nprefix = "/b"\napp = "a:b"\n'
    )
    file = write_project(tmp_path, toml)
    environ = {"GATEWAY_SERVER__WORKERS": "3", "GATEWAY_EDGE__TRUSTED_PROXIES": '["unix"]'}
    found = configuration(
        read(file, {"server": {"host": "::1"}}, environ), [Finding("edge", "what", "mend")]
    )
    settings = {one["key"]: one for one in found["settings"]}
    own = [key for key, _, _ in all_settings() if not key.startswith("mounts.")]
    of_mounts = [key for key, _, _ in all_settings() if key.startswith("mounts.")]
    each = [f"mounts.{name}.{key[7:]}" for name in ("a", "b") for key in of_mounts]
    assert list(settings) == [*own, *each]
    assert settings["server.port"] == {
        "key": "server.port",
        "value": 9000,
        "origin": "file",
        "source": str(file),
        "help": next(text for key, text, _ in all_settings() if key == "server.port"),
        "secret": False,
    }

    def told_of(key: str) -> tuple[Any, str, str]:
        return settings[key]["value"], settings[key]["origin"], settings[key]["source"]

    assert told_of("server.host") == ("::1", "command line", "--host")
    assert told_of("server.workers") == (3, "environment", "GATEWAY_SERVER__WORKERS")
    assert told_of("server.drain_seconds") == (20.0, "default", "")
    assert told_of("edge.trusted_proxies")[0] == ["unix"]
    assert told_of("edge.cors_origins") == ([], "default", "")
    assert told_of("edge.security_headers") == ({}, "default", "")
    assert told_of("mounts.a.threads") == (4, "file", str(file))
    assert told_of("mounts.b.threads") == (10, "default", "")
    assert found["findings"] == [{"where": "edge", "what": "what", "mend": "mend"}]


def test_no_secret_is_told(tmp_path: Path) -> None:
    """Not even how long it is, wherever it is kept."""
    secrets = {
        "GATEWAY_ADMIN__TOKEN": "of-the-admin-and-long-enough",
        "GATEWAY_SERVER__TLS_KEY_PASSWORD": "of-the-certificate",
        "GATEWAY_SESSION__SECRET_KEY": "of-the-session-and-long-enough",
        "GATEWAY_SESSION__SECRET_KEY_FALLBACKS": '["of-the-session-before"]',
        "GATEWAY_EDGE__RATE_LIMIT_STORE": "redis://user:of-the-store@redis/0",
    }
    toml = '[[mounts]]\nname = "a"\nprefix = "/a"\napp = "a:b"\n'
    file = write_project(tmp_path, toml)
    found = configuration(read(file, None, secrets), [])
    assert "of-the" not in str(found)
    masked = {one["key"] for one in found["settings"] if one["value"] == MASK}
    known = {one["key"] for one in found["settings"] if one["secret"]}
    assert masked == known
    assert len(masked) == len(secrets)
    unset = configuration(read(file, None, {}), [])["settings"]
    assert {one["value"] for one in unset if one["secret"]} == {"", "memory://"}


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
