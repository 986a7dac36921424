"""Liveness and readiness."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette

from gateway.health import Health, health_routes


def client(health: Health) -> httpx.AsyncClient:
    app = Starlette(routes=health_routes(health))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x")


@pytest.mark.parametrize(
    ("health", "status", "code"),
    [
        (Health(), "ok", 200),
        (Health(services={"a": True}), "ok", 200),
        (Health(services={"a": True, "b": False}), "not ready", 503),
        (Health(draining=True, services={"a": True}), "draining", 503),
    ],
)
async def test_readyz_says_whether_requests_are_welcome(
    health: Health, status: str, code: int
) -> None:
    """Ready only while every service is and nobody said stop."""
    async with client(health) as http:
        answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (code, status)
    assert answer.headers["cache-control"] == "no-store"


async def test_livez_stays_well_while_draining() -> None:
    """A process that finishes its work is not killed for it."""
    async with client(Health(draining=True)) as http:
        assert (await http.get("/livez")).status_code == 200


async def test_readyz_names_the_service_that_is_not_ready() -> None:
    """An operator sees which one to look at."""
    async with client(Health(services={"a": True, "b": False})) as http:
        services = (await http.get("/readyz")).json()["services"]
    assert services == {"a": "ok", "b": "not ready"}
