"""Ratios of medians and their spread."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.ratios import Ratio, ratio

figures = st.floats(min_value=1e-3, max_value=1e6)
rounds = st.lists(st.tuples(figures, figures), min_size=1, max_size=9)


def test_a_ratio_is_of_medians_and_its_spread_of_single_rounds() -> None:
    """One bad round moves the spread, and hardly the ratio."""
    assert ratio([90, 100, 10], [100, 100, 100]) == Ratio(of_medians=0.9, low=0.1, high=1.0)


@given(rounds)
def test_the_ratio_of_medians_lies_within_the_spread(measured: list[tuple[float, float]]) -> None:
    """So the two can be printed side by side."""
    found = ratio([ours for ours, _ in measured], [theirs for _, theirs in measured])
    assert found.low * (1 - 1e-9) <= found.of_medians <= found.high * (1 + 1e-9)


@pytest.mark.parametrize(
    ("contender", "baseline"), [([], []), ([1.0], [0.0]), ([1.0], [1.0, 2.0]), ([1.0], [-1.0])]
)
def test_what_cannot_be_compared_is_refused(contender: list[float], baseline: list[float]) -> None:
    """No rounds, rounds that do not belong together, and nothing to divide by."""
    with pytest.raises(ValueError, match=r"ratio needs|shorter|longer"):
        ratio(contender, baseline)


@pytest.mark.parametrize(
    ("found", "printed"),
    [
        (Ratio(0.914, 0.9, 1.0), "0.91 (0.90..1.00)"),
        (Ratio(0.00123, 0.0012, 0.05), "0.0012 (0.0012..0.05)"),
        (Ratio(1234.5, 99.99, 20000.0), "1,234 (99.99..20,000)"),
    ],
)
def test_a_ratio_prints_the_digits_that_matter(found: Ratio, printed: str) -> None:
    """Ratios far from one stay readable."""
    assert str(found) == printed
