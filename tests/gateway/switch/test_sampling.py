"""Which requests are shadowed: a bound for all together, and none of the routes forgotten."""

from __future__ import annotations

import itertools
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.switch.shadows.sampling import Sampler

RATE = 20.0

moments = st.lists(st.tuples(st.floats(0.0, 5.0), st.integers(0, 30)), min_size=1, max_size=300)


@given(moments)
def test_samples_are_bounded_in_any_stretch_of_time(steps: list[tuple[float, int]]) -> None:
    """By what comes in, what is there after a pause, and a second of overdraft."""
    sampler = Sampler(RATE, 4)
    now, taken = 1000.0, []
    for wait, route in steps:
        now += wait
        if sampler.takes(route, now):
            taken.append(now)
    for first, begin in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= 4 + RATE + (taken[last] - begin) * RATE + 1e-6


def test_a_route_that_is_asked_seldom_is_sampled_among_busy_ones() -> None:
    """One of a hundred that take turns, and one that is asked once in ten seconds."""
    sampler = Sampler(RATE, 4)
    taken: Counter[object] = Counter()
    for step in range(60_000):
        now = 1000.0 + step / 1000
        taken[step % 100] += sampler.takes(step % 100, now)
        if step % 10_000 == 5_000:
            taken["seldom"] += sampler.takes("seldom", now)
    assert taken["seldom"] == 6
    assert sum(taken.values()) <= 4 + RATE + 60 * RATE + 1
    # Nor are they all of a few.
    assert min(taken[route] for route in range(100)) >= 2


def test_a_lone_route_has_all_samples() -> None:
    """Evenly, as they come in."""
    sampler = Sampler(RATE, 4)
    taken = [step / 1000 for step in range(10_000) if sampler.takes("one", 50 + step / 1000)]
    assert 200 <= len(taken) <= 4 + RATE + 10 * RATE
    pauses = [after - before for before, after in itertools.pairwise(taken[30:])]
    assert max(pauses) < 0.06


def test_what_took_long_is_paid_for_by_all_that_follow() -> None:
    """A millisecond is one sample's; no more is owed than can be paid in ten minutes."""
    sampler = Sampler(RATE, 1)
    assert sampler.takes("one", 100.0)
    sampler.took(0.010)
    assert not sampler.takes("one", 100.45)
    assert sampler.takes("one", 100.56)
    sampler.took(1000.0)
    assert not sampler.takes("new", 650.0)
    assert sampler.takes("one", 701.0)
