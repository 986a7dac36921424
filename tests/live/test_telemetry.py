"""Logs and metrics of a real gateway, with several workers."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.gateway.projects import PIDS, WEB_AND_API, write_project
from tests.live.serving import Gateway, serving, wait_until

TOKEN = "of-the-test-and-long-enough"
TOML = (
    """
    environment = "production"
    [server]
    workers = 2
    [edge]
    security_headers = { X-Frame-Options = "DENY" }
"""
    + WEB_AND_API
)


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Two workers in production."""
    folder: Path = tmp_path_factory.mktemp("workers")
    write_project(folder, TOML, {"services_": PIDS})
    with serving(cwd=folder, env={"GATEWAY_ADMIN__TOKEN": TOKEN}) as gateway:
        yield gateway


def counts(gateway: Gateway) -> dict[str, float]:
    """The requests that were counted by mount, of all workers."""
    answer = httpx.get(
        f"{gateway.url}/_gateway/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    assert answer.status_code == 200
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            if sample.name == "gateway_request_duration_seconds_count":
                mount = sample.labels["mount"]
                found[mount] = found.get(mount, 0) + sample.value
            elif sample.name == "gateway_workers":
                found["(workers)"] = sample.value
    return found


def ask(gateway: Gateway, mount: str, times: int) -> set[str]:
    """Ask on new connections, so that every worker gets some; return who answered."""
    return {httpx.get(f"{gateway.url}/{mount}/pid").text for _ in range(times)}


def test_whichever_worker_is_asked_knows_the_figures_of_all(workers: Gateway) -> None:
    """No request is missing, and none is counted twice."""
    before = counts(workers)
    pids = ask(workers, "web", 40) | ask(workers, "api", 40)
    assert len(pids) == 2
    for _ in range(6):
        after = counts(workers)
        assert after["web"] - before.get("web", 0) == 40
        assert after["api"] - before.get("api", 0) == 40
        assert after["(workers)"] == 2


def test_a_worker_s_figures_outlive_it(workers: Gateway) -> None:
    """Counters never fall, and gauges forget who is gone."""
    pids = ask(workers, "web", 20)
    before = counts(workers)
    os.kill(int(pids.pop()), signal.SIGKILL)
    workers.wait_for("died")
    wait_until(lambda: len(ask(workers, "web", 20)) == 2)
    assert counts(workers)["web"] >= before["web"] + 20
    wait_until(lambda: counts(workers)["(workers)"] == 2)


def test_every_line_of_a_production_log_is_json(workers: Gateway) -> None:
    """The gateway's, uvicorn's and the services', those of requests with their ID."""
    headers = {"X-Request-ID": "of-the-live-test"}
    for mount in ("web", "api"):
        httpx.get(f"{workers.url}/{mount}/pid?secret=1", headers=headers)
    wait_until(lambda: workers.output.count("of-the-live-test") >= 4)
    text = workers.output.partition("listens on")[2].partition("Ctrl-C stops it.")[2]
    lines = [json.loads(line) for line in text.splitlines() if line.strip()]
    ours = [line for line in lines if line.get("request_id") == "of-the-live-test"]
    assert {line["logger"] for line in ours} == {"gateway.access", "of.web", "of.api"}
    assert "secret=1" not in workers.output


def test_answers_have_the_headers_that_are_set(workers: Gateway) -> None:
    """From both stacks, and from the gateway itself."""
    for path in ("/web/pid", "/api/pid", "/nothing"):
        headers = httpx.get(workers.url + path).headers
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
