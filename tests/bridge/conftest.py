"""What tests of the bridge have in common."""

from __future__ import annotations

import pytest


@pytest.fixture
def frequent_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines are looked at more often, so that a test can have short ones."""
    monkeypatch.setattr("gateway.bridge.pool.SWEEP_SECONDS", 0.005)
