"""What Prometheus reads."""

from __future__ import annotations

import asyncio
import random
import string
import threading
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry.metrics import _forget_dead
from tests.gateway.asgi import client_of
from tests.gateway.telemetry.services import observed_gateway

LOCAL = {"Host": "localhost"}
_DURATION = "gateway_request_duration_seconds_count"


async def samples(http: httpx.AsyncClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by its name and labels."""
    text = (await http.get("/_gateway/metrics", headers=LOCAL)).text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def counted(http: httpx.AsyncClient, **labels: str) -> float:
    """The requests that were counted under these labels."""
    found = await samples(http)
    return sum(
        value
        for (name, those), value in found.items()
        if name == _DURATION and frozenset(labels.items()) <= those
    )


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        ("/web/items/5", {"mount": "web", "stack": "Flask", "route": "/items/<int:item_id>"}),
        ("/api/items/5", {"mount": "api", "stack": "FastAPI", "route": "/items/{item_id}"}),
        ("/web/nothing", {"mount": "web", "route": "", "status": "404"}),
        ("/nothing", {"mount": "", "stack": "", "route": "", "status": "404"}),
        ("/web/fails", {"route": "/fails", "status": "500", "outcome": "error"}),
        ("/api/fails", {"route": "/fails", "status": "500", "outcome": "error"}),
        ("/api/stream", {"route": "/stream", "status": "200", "outcome": "ok"}),
    ],
)
async def test_requests_are_counted_by_mount_and_route_template(
    path: str, labels: dict[str, str]
) -> None:
    """Both stacks alike, errors and strays too."""
    async with client_of(observed_gateway(), raise_app_exceptions=False) as http:
        for _ in range(3):
            await http.get(path)
        assert await counted(http, method="GET", **labels) == 3


async def test_a_scan_of_random_paths_and_methods_adds_no_series() -> None:
    """Label values are bounded: by the routes that there are and the methods that are known."""
    draw = random.Random(1)
    async with client_of(observed_gateway(), raise_app_exceptions=False) as http:

        async def scan(count: int) -> None:
            for _ in range(count):
                word = "".join(draw.choices(string.ascii_letters, k=8))
                for prefix in ("/web/", "/api/", "/", "/web/items/"):
                    await http.request(draw.choice([word.upper(), "GET"]), prefix + word)

        await scan(40)
        await samples(http)  # which is a request, too
        before = len(await samples(http))
        await scan(40)
        assert len(await samples(http)) == before


async def test_the_pool_the_bodies_and_the_process_have_figures() -> None:
    """Threads by state, waiting requests, bytes, memory, the loop's lag, the version."""
    async with client_of(observed_gateway()) as http:
        await http.post("/web/upload", content=b"x" * 1234)
        served = frozenset({("mount", "web"), ("result", "served")})
        found = await samples(http)
        # A thread counts its request after it has handed over the answer.
        async with asyncio.timeout(10):
            while not found["gateway_pool_requests_total", served]:
                found = await samples(http)
    by_name = {name for name, _ in found}
    assert found[
        "gateway_body_bytes_total", frozenset({("mount", "web"), ("direction", "in")})
    ] == (1234)
    allowed = frozenset({("mount", "web"), ("state", "allowed")})
    assert found["gateway_pool_threads", allowed] == 10
    assert found["gateway_pool_requests_total", served] == 1
    assert found["gateway_pool_queued", frozenset({("mount", "web")})] == 0
    assert found["process_resident_memory_bytes", frozenset()] > 1e6
    assert found["process_cpu_seconds_total", frozenset()] > 0
    assert {"gateway_event_loop_lag_seconds", "gateway_build_info", "process_open_fds"} <= by_name
    assert found["gateway_requests_running", frozenset()] == 1  # the one that asks


async def test_the_text_is_written_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of lines keep no request waiting, however many ask for them at once."""
    threads: set[threading.Thread] = set()

    def generate(registry: CollectorRegistry) -> bytes:
        threads.add(threading.current_thread())
        return generate_latest(registry)

    monkeypatch.setattr("prometheus_client.generate_latest", generate)
    async with client_of(observed_gateway()) as http:
        answers = await asyncio.gather(
            *(http.get("/_gateway/metrics", headers=LOCAL) for _ in range(20))
        )
    assert {answer.status_code for answer in answers} == {200}
    assert threads
    assert threading.main_thread() not in threads


async def test_metrics_can_be_turned_off() -> None:
    """Nothing is counted, and the endpoint is gone."""
    async with client_of(observed_gateway(telemetry={"metrics": False})) as http:
        assert (await http.get("/_gateway/metrics", headers=LOCAL)).status_code == 404


async def test_metrics_are_nobody_s_business() -> None:
    """They are an admin endpoint: from elsewhere they need the token."""
    token = "of-the-test-and-long-enough"
    app = observed_gateway(admin={"token": token})
    async with client_of(app) as http:
        assert (await http.get("/_gateway/metrics", headers=LOCAL)).status_code == 401
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await http.get("/_gateway/metrics", headers=bearer)).status_code == 200


def test_a_worker_that_is_gone_may_be_forgotten_by_another_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that are asked at once find the same files; one of them removes them."""
    (tmp_path / "gauge_livesum_999999999.db").touch()

    def removed_already(pid: int, path: str) -> None:
        raise FileNotFoundError(path)

    monkeypatch.setattr("gateway.telemetry.metrics.mark_process_dead", removed_already)
    _forget_dead(tmp_path)
