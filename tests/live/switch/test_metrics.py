"""What Prometheus is told of shadows and fallbacks."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.live.serving import wait_until
from tests.live.switch.services import switching


def test_shadows_and_fallbacks_are_counted(tmp_path: Path) -> None:
    """By what became of them, so that somebody can be woken."""
    with switching(tmp_path) as gateway:
        for path in ("shadow/differs", "shadow/echo", "shadow/echo", "candidate/only"):
            assert httpx.get(f"{gateway.url}/shop/{path}").status_code == 200

        def told() -> dict[str, float]:
            lines = httpx.get(f"{gateway.url}/_gateway/metrics").text.splitlines()
            pairs = (line.rsplit(" ", 1) for line in lines if line.startswith("gateway_switch_"))
            return {name.removeprefix("gateway_switch_"): float(value) for name, value in pairs}

        wanted = {
            'shadows_total{outcome="mismatch",switch="shop"}': 1.0,
            'shadows_total{outcome="match",switch="shop"}': 2.0,
            'fallbacks_total{reason="no such route",switch="shop"}': 1.0,
        }
        wait_until(lambda: told() == wanted)
