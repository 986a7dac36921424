"""Figures of the last 15 minutes."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.histogram import bucket_of, quantiles, seconds_of
from gateway.telemetry.live import (
    MORE,
    ROUTES_KEPT,
    WINDOWS,
    Figures,
    Live,
    merge,
    merge_routes,
)
from tests.gateway.telemetry.exchanges import ended

DURATIONS = st.floats(min_value=1e-6, max_value=80_000, allow_nan=False)
SHARES = (0.5, 0.95, 0.99)


class Clock:
    """A monotonic clock that goes where it is told to."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def told(live: Live, since: int = 0) -> Any:
    """A snapshot as another worker gets it."""
    return json.loads(json.dumps(live.snapshot(since)))


def rows(live: Live) -> Any:
    """The routes as another worker gets them."""
    return json.loads(json.dumps(live.routes()))


def exact(durations: list[float], share: float) -> float:
    """The duration whose rank is that share of their number, rounded up."""
    return sorted(durations)[max(math.ceil(share * len(durations)), 1) - 1]


@given(DURATIONS)
def test_a_bucket_stands_for_its_durations_within_the_error(seconds: float) -> None:
    """Five percent, from microseconds to a day."""
    assert seconds_of(bucket_of(seconds)) == pytest.approx(seconds, rel=0.05)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-9, 1e9, math.inf])
def test_what_no_bucket_is_for_is_in_the_first_or_the_last(seconds: float) -> None:
    """A clock that steps, or a request that never ended, breaks nothing."""
    assert bucket_of(1e-6) <= bucket_of(seconds) <= bucket_of(86400)


@given(st.lists(st.lists(DURATIONS, max_size=40), min_size=1, max_size=4))
def test_percentiles_of_several_workers_are_those_of_all_requests(
    workers: list[list[float]],
) -> None:
    """Merged histograms give the exact percentile within five percent, however they are split."""
    clock = Clock()
    lives = [Live(clock) for _ in workers]
    for live, durations in zip(lives, workers, strict=True):
        # In two batches and two windows.
        live.closed([ended(seconds) for seconds in durations[::2]])
        clock.now += 5
        live.closed([ended(seconds) for seconds in durations[1::2]])
    windows = merge(told(live) for live in lives).mounts.get("web", {})
    by_route = merge_routes(row for live in lives for row in rows(live))
    together: dict[int, int] = {}
    for figures in windows.values():
        for bucket, number in figures.buckets.items():
            together[bucket] = together.get(bucket, 0) + number
    everything = [seconds for durations in workers for seconds in durations]
    (of_route,) = [its.recent.buckets for its in by_route.values()] or [{}]
    for found in (quantiles(together, SHARES), quantiles(of_route, SHARES)):
        if everything:
            # Taken as the difference of two clock readings, the shortest lose some digits.
            wanted = [exact(everything, share) for share in SHARES]
            assert found == pytest.approx(wanted, rel=0.05, abs=1e-8)
        else:
            assert found == [None, None, None]


def test_windows_are_of_five_seconds_and_by_mount() -> None:
    """Count and errors of each; the last one is still open."""
    clock = Clock()
    live = Live(clock)
    live.closed([ended(), ended(mount="api"), ended(status=503, outcome="rejected")])
    clock.now += 5
    live.closed([ended(outcome="timeout", status=0), ended(status=404)])
    merged = merge([told(live)])
    first = 1_000_000 // 5
    assert merged.window == first + 1
    figures = {
        (mount, number): (its.count, its.errors)
        for mount, windows in merged.mounts.items()
        for number, its in windows.items()
    }
    assert figures == {("web", first): (2, 1), ("api", first): (1, 0), ("web", first + 1): (2, 1)}


def test_workers_are_added_up_by_window() -> None:
    """They share the clock, so the same number means the same five seconds."""
    clock = Clock()
    lives = [Live(clock), Live(clock)]
    for live in lives:
        live.closed([ended(), ended(status=500)])
    clock.now += 5
    (windows,) = merge(told(live) for live in lives).mounts.values()
    assert [(its.count, its.errors) for its in windows.values()] == [(4, 2)]


def test_older_windows_are_left_out_where_nobody_asks_for_them() -> None:
    """Who has looked before is told what is new."""
    clock = Clock()
    live = Live(clock)
    for _ in range(4):
        live.closed([ended()])
        clock.now += 5
    window = int(clock.now // 5)
    assert [number for number, *_ in told(live, window - 2)["mounts"]["web"]] == [
        window - 2,
        window - 1,
    ]


def test_what_is_older_than_15_minutes_is_forgotten() -> None:
    """Memory does not grow with time; totals stay."""
    clock = Clock()
    live = Live(clock)
    for _ in range(WINDOWS + 50):
        live.closed([ended()])
        clock.now += 5
    assert len(told(live)["mounts"]["web"]) == WINDOWS
    (figures,) = merge_routes(rows(live)).values()
    assert figures.requests == WINDOWS + 50
    assert 600 <= figures.seconds <= 900
    assert figures.recent.count == figures.seconds / 5
    clock.now += 2000
    live.closed([])
    (figures,) = merge_routes(rows(live)).values()
    assert (figures.requests, figures.recent.count) == (WINDOWS + 50, 0)
    assert told(live)["mounts"]["web"] == []


def test_while_nobody_looks_no_request_pays_for_another_route(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A new window begins at the same price, however many routes were used in the one before."""
    clock = Clock()
    live = Live(clock)
    live.closed([ended(route=f"/{number}") for number in range(500)])
    added: list[Figures] = []
    add = Figures.add

    def counted(figures: Figures, *given: Any) -> None:
        added.append(figures)
        add(figures, *given)

    monkeypatch.setattr(Figures, "add", counted)
    clock.now += 5
    live.closed([ended(route="/0")])
    assert len(added) <= 2
    (window, last) = told(live)["mounts"]["web"]
    assert (window[1], last[1]) == (500, 1)


def test_memory_has_a_bound_while_nobody_looks() -> None:
    """What nobody has asked for is forgotten, too."""
    clock = Clock()
    live = Live(clock)
    for _ in range(3 * WINDOWS):
        live.closed([ended(), ended(route="/seldom" if clock.now % 1000 else "")])
        clock.now += 5
    assert len(live._mounts["web"]) <= WINDOWS + 1
    assert all(len(series.coarse) <= 4 for series in live._series.values())


def test_what_was_counted_late_is_in_the_window_that_it_ended_in() -> None:
    """A route that nobody asks for any more keeps the time of its last requests."""
    clock = Clock()
    live = Live(clock)
    live.closed([ended(route="/once")])
    for _ in range(3):
        clock.now += 5
        live.closed([ended()])
    windows = told(live)["mounts"]["web"]
    first = 1_000_000 // 5
    assert sorted((number, count) for number, count, *_ in windows) == [
        (first + step, 1) for step in range(4)
    ]
    clock.now += 2000
    live.closed([ended(route="/once")])
    assert [count for _, count, *_ in told(live)["mounts"]["web"]] == [1]


def test_routes_are_counted_by_template_and_method() -> None:
    """Totals since the start, for each worker and for all."""
    lives = [Live(), Live()]
    for live in lives:
        live.closed([ended(), ended(method="POST", status=500), ended(route="")])
    merged = merge_routes(row for live in lives for row in rows(live))
    assert {key: (its.requests, its.errors) for key, its in merged.items()} == {
        ("web", "/items/<int:item_id>", "GET"): (2, 0),
        ("web", "/items/<int:item_id>", "POST"): (2, 2),
        ("web", "", "GET"): (2, 0),
    }


def test_the_number_of_routes_has_a_bound() -> None:
    """What comes after 2000 is counted together, and a method that nobody knows is one of them."""
    live = Live()
    live.closed([ended(route=f"/made/up/{number}") for number in range(ROUTES_KEPT + 500)])
    live.closed([ended(route="/", method=f"M{number}") for number in range(500)])
    merged = merge_routes(rows(live))
    assert len(merged) == ROUTES_KEPT + 1
    assert merged["web", MORE, ""].requests == 1000
    other = Live()
    other.closed([ended(method=f"M{number}") for number in range(500)])
    (key,) = merge_routes(rows(other))
    assert key[2] == "other"


@pytest.mark.parametrize(
    "given_by",
    [{"answer_fields": {b"content-type": b"text/event-stream; charset=utf-8"}}, {"websocket": 1}],
    ids=["events", "websocket"],
)
def test_a_stream_counts_until_it_begins(given_by: dict[str, Any]) -> None:
    """A tab that was open for an hour is no slow answer."""
    live = Live()
    stream = ended(3600, **given_by)
    stream.first_byte = stream.started + 0.02
    live.closed([stream])
    (figures,) = merge_routes(rows(live)).values()
    assert quantiles(figures.recent.buckets, [0.5]) == pytest.approx([0.02], rel=0.05)


def test_nobody_s_figures_are_none() -> None:
    """Also where not one worker has answered."""
    merged = merge([])
    assert (merged.window, merged.mounts) == (0, {})
    assert quantiles({}, SHARES) == [None, None, None]
