"""The comparisons, as data: what they must have in common."""

import tomllib
from dataclasses import replace

import httpx
import pytest
from prometheus_client import REGISTRY

from benchmarks.packages_app import create_app
from benchmarks.peers import COMPARISONS, MEBIBYTE, Comparison, Row
from benchmarks.serving import ROOT


def test_the_gateway_is_measured_with_settings_that_differ_in_the_adapter_only() -> None:
    """Else the adapters are not what is compared."""
    ours, theirs = (
        tomllib.loads((ROOT / "benchmarks" / name).read_text(encoding="utf-8"))
        for name in ("bridge.toml", "a2wsgi.toml")
    )
    assert ours["mounts"][0].pop("adapter") == "bridge"
    assert theirs["mounts"][0].pop("adapter") == "a2wsgi"
    assert ours == theirs
    assert ours["server"]["access_log"] is False


def test_the_edge_is_measured_with_its_defaults() -> None:
    """With the services of the comparison without a log, and the log of production."""
    edge, bare = (
        tomllib.loads((ROOT / "benchmarks" / name).read_text(encoding="utf-8"))
        for name in ("edge.toml", "gateway.toml")
    )
    assert edge == {"server": {"log_format": "json"}, "mounts": bare["mounts"]}
    (comparison,) = (c for c in COMPARISONS if c.name == "edge")
    assert comparison.access_logs
    assert not any("--no-access-log" in peer.command for peer in comparison.peers)


def test_the_portal_is_measured_beside_the_same_gateway() -> None:
    """An open stream is all that differs."""
    (comparison,) = (c for c in COMPARISONS if c.name == "portal")
    (closed,) = comparison.baselines
    assert closed.stream == ""
    assert comparison.contender.stream == "/_gateway/api/overview/stream"
    assert replace(comparison.contender, name=closed.name, stream="") == closed


async def test_the_packages_do_what_they_are_compared_for() -> None:
    """An ID in the answer, and metrics that paths without a route do not add to."""
    transport = httpx.ASGITransport(create_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        answer = await http.get("/")
        await http.get("/nowhere")
    assert len(answer.headers["x-request-id"]) == 32
    for handler, status in (("/", "2xx"), ("none", "4xx")):
        labels = {"handler": handler, "method": "GET", "status": status}
        assert REGISTRY.get_sample_value("http_requests_total", labels)


@pytest.mark.parametrize("comparison", COMPARISONS, ids=lambda comparison: comparison.name)
def test_names_are_told_apart_and_bars_belong_to_peers(comparison: Comparison) -> None:
    """A bar with a slip of the pen in it would never be judged."""
    names = [peer.name for peer in comparison.peers]
    assert len(set(names)) == len(names)
    for bar in comparison.bars:
        assert bar.baseline in names[:-1]
        assert set(bar.rows) <= set(comparison.rows)
        assert bar.bound is not None or bar.aim is not None


@pytest.mark.parametrize(
    ("row", "printed"),
    [
        (Row("/json"), "GET /json, 32 connections"),
        (Row("/up", 8, body_bytes=MEBIBYTE), "POST /up, 8 connections"),
        (Row("/api", 1, pause_ms=20), "GET /api, 1 connection, with pauses"),
    ],
)
def test_a_row_says_what_is_asked(row: Row, printed: str) -> None:
    """In the words of the tables."""
    assert str(row) == printed
