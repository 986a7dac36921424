"""What it costs the gateway that somebody looks at the portal."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.portal import facts
from tests.gateway.portal.test_api import portal


@pytest.mark.parametrize("document", ["overview", "routes"])
async def test_however_many_look_the_workers_are_asked_once(tmp_path: Path, document: str) -> None:
    """And not at all while nobody looks."""
    async with portal(tmp_path) as served:
        await asyncio.sleep(0.1)
        assert served.group.asked == 0
        look = getattr(served.facts, document)
        found = await asyncio.gather(*(look() for _ in range(50)))
        assert served.group.asked == 1
        assert all(one is found[0] for one in found)
        served.facts.shared[document].forget()
        assert await look() is not found[0]
        assert served.group.asked == 2


async def test_thousands_of_routes_do_not_hold_up_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their document is made and spelled beside the event loop, their pairs once."""
    seen: list[tuple[str, bool]] = []
    own = threading.get_ident()

    def watched(where: Any, name: str) -> None:
        does = getattr(where, name)

        def done(*given: Any, **named: Any) -> Any:
            if name != "dumps" or "pairs" in given[0]:
                seen.append((name, threading.get_ident() == own))
            return does(*given, **named)

        monkeypatch.setattr(where, name, done)

    for name in ("listed_routes", "listed_pairs", "routes"):
        watched(facts, name)
    watched(json, "dumps")
    async with portal(tmp_path) as served:
        await served.get("/api/routes")
        served.facts.shared["routes"].forget()
        await served.get("/api/routes")
    names = ["listed_routes", "listed_pairs", "routes", "dumps", "routes", "dumps"]
    assert seen == [(name, False) for name in names]
