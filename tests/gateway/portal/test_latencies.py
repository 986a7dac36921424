"""How sure the ratio of two medians is."""

from __future__ import annotations

import random

import pytest

from gateway.portal.latencies import Latencies


def test_the_spread_is_narrow_where_latencies_agree_and_holds_no_outliers() -> None:
    """A few long ones move neither the medians nor their bounds."""
    first = [1.0 + index / 1000 for index in range(97)] + [50.0] * 3
    second = [2.0 + index / 1000 for index in range(97)] + [0.001] * 3
    latencies = Latencies.of(first, second)
    assert latencies.ratio == pytest.approx(2.0, rel=0.1)
    low, high = latencies.spread
    assert 1.9 < low < latencies.ratio < high < 2.1


def test_the_spread_of_a_few_latencies_is_all_of_them() -> None:
    """Two say little of a median."""
    assert Latencies.of([1.0, 2.0], [4.0, 8.0]) == Latencies((1.5, 6.0), 4.0, (2.0, 8.0))
    assert Latencies.of([0.0], [1.0]).ratio > 1


def test_the_spread_holds_the_true_ratio_as_often_as_it_says() -> None:
    """19 times in 20, for a distribution as skewed as latencies are."""
    chance = random.Random(7)
    hits = 0
    for _ in range(400):
        first = [chance.lognormvariate(0, 0.5) for _ in range(200)]
        second = [1.3 * chance.lognormvariate(0, 0.5) for _ in range(200)]
        low, high = Latencies.of(first, second).spread
        hits += low <= 1.3 <= high
    assert 0.93 <= hits / 400 <= 0.995
