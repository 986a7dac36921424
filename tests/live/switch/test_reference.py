"""The reference configuration: a migration under way, with something to find."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from tests.live.serving import run_gateway, serving, wait_until

ROOT = Path(__file__).parents[3]
CONFIG = str(ROOT / "config" / "gateway.toml")


def test_the_report_finds_explains_and_proposes_rules_for_three_differences(
    tmp_path: Path,
) -> None:
    """A header for caches, a status for what is no number, the words of an error."""
    env = {
        "CATALOG_DATABASE_URL": f"sqlite:///{tmp_path}/catalog.db",
        "GATEWAY_SWITCH__DATABASE": f"sqlite:///{tmp_path}/switch.db",
    }
    with serving("--config", CONFIG, cwd=ROOT, env=env) as gateway:
        for path in ("/items", "/items/1", "/items/abc", "/items/-1", "/items/new"):
            plain = httpx.get(f"{gateway.url}/flask{path}")
            switched = httpx.get(f"{gateway.url}/api{path}")
            assert (switched.status_code, switched.content) == (plain.status_code, plain.content)
        routes: dict[str, dict[str, Any]] = {}

        def compared() -> bool:
            arguments = ("switch", "report", "--json", "--config", CONFIG)
            done = run_gateway(*arguments, cwd=ROOT, env=env)
            for one in json.loads(done.stdout)["routes"]:
                routes[one["route"]] = one
            return sum(int(one["compared"]["mismatch"]) for one in routes.values()) == 4

        wait_until(compared)
    assert [name for name, one in routes.items() if one["mode"] == "shadow"] == [
        "GET /items",
        "GET /items/{}",
    ]
    found = {
        (difference["kind"], difference["place"]): mismatch
        for mismatch in routes["GET /items/{}"]["mismatches"]
        for difference in mismatch["differences"]
    }
    assert 'headers = ["Content-Type", "Location"' in found["header", "Vary"]["proposal"]
    assert "Vary" in found["header", "Vary"]["explanation"]
    assert "statuses = [[404, 422]]" in found["status", ""]["proposal"]
    assert "<int:...>" in found["status", ""]["explanation"]
    words = [
        mismatch
        for mismatch in routes["GET /items/{}"]["mismatches"]
        if '{ kind = "ignore", pointer = "/detail" }' in mismatch["proposal"]
    ]
    assert [one["sample"]["target"] for one in words] == ["/api/items/-1"]
    assert routes["GET /items/{}"]["verdict"]["verdict"] == "NOT YET"
