"""The charts of the overview."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.portal.history import History
from gateway.telemetry.live import WINDOWS, Live, merge
from tests.gateway.portal.test_facts import overview, worker
from tests.gateway.telemetry.exchanges import ended
from tests.gateway.telemetry.test_live import Clock, told


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


def test_history_loses_nothing_while_a_worker_is_silent() -> None:
    """What all have told stays; what one could not tell comes when it answers again."""
    clock = Clock()
    lives = [Live(clock), Live(clock)]
    history = History()

    def counted(*answering: Live) -> Any:
        silent = [] if len(answering) == len(lives) else [2]
        found = overview(*(worker(live=live) for live in answering), silent=silent, history=history)
        return sum(found["mounts"][0]["history"]["requests_per_second"]) * 5

    for live in lives:
        live.closed([ended()] * 5)
    clock.now += 5
    # The first look goes back 15 minutes, and so does the next until all have answered.
    assert counted(lives[0]) == pytest.approx(5)
    assert int(clock.now // 5) - history.since(clock.now) == WINDOWS
    assert counted(*lives) == pytest.approx(10)
    assert int(clock.now // 5) - history.since(clock.now) == 12
    assert counted(lives[0]) == pytest.approx(10)
