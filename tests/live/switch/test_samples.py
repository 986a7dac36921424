"""What is counted where not all requests are compared."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.live.serving import wait_until
from tests.live.switch.services import counted, switching

FEW = {"GATEWAY_SWITCH__SHADOWS_PER_SECOND": "0.001"}
OUTCOMES = ("shadow", "uncompared", "dropped", "unsampled")


def outcomes(folder: Path, route: str) -> dict[str, int]:
    """What became of the requests that were to be compared."""
    found = counted(folder, route)
    return {name: number for name, number in found.items() if name.startswith(OUTCOMES)}


def test_each_request_has_one_outcome(tmp_path: Path) -> None:
    """A fallback is one as well, whether the request was chosen or not."""
    with switching(tmp_path, env=FEW) as gateway, httpx.Client(base_url=gateway.url) as http:
        for _ in range(8):
            for path in ("shadow/echo", "both/down", "both/echo"):
                assert http.get(f"/shop/{path}").status_code == 200

        wait_until(lambda: sum(outcomes(tmp_path, "GET /{}/echo").values()) == 16)
        found = outcomes(tmp_path, "GET /{}/echo")
        assert found["unsampled requests"] + found["shadow match"] == 16
        assert 1 <= found["shadow match"] <= 4
        wait_until(lambda: sum(outcomes(tmp_path, "GET /{}/down").values()) == 8)
        assert outcomes(tmp_path, "GET /{}/down") == {"uncompared old answered in place of new": 8}


def test_a_route_that_fails_stops_no_other_of_its_rule(tmp_path: Path) -> None:
    """A rule may be for many."""
    with switching(tmp_path) as gateway, httpx.Client(base_url=gateway.url) as http:
        for _ in range(12):
            http.get("/shop/shadow/bad")
        wait_until(lambda: "dropped breaker open" in outcomes(tmp_path, "GET /{}/bad"))
        http.get("/shop/shadow/echo")
        wait_until(lambda: outcomes(tmp_path, "GET /{}/echo") == {"shadow match": 1})
