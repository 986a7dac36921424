"""The time that it takes to find a request's rule, with few rules and with many."""

from __future__ import annotations

import timeit
from dataclasses import dataclass
from itertools import cycle, islice

from benchmarks.ratios import Ratio, ratio
from gateway.switch.rules import Rule, RuleTable

SIZES = (1, 100, 10_000)
# Different paths that are looked for: a single one would stay in the processor's caches.
_PATHS = 50
_SECONDS_PER_TIMING = 0.2


@dataclass(frozen=True)
class RuleTimes:
    """Seconds per lookup, one per round.

    Attributes:
        rules: How many there were.
        found: For paths that a rule names.
        missed: For paths that none does.
    """

    rules: int
    found: tuple[float, ...]
    missed: tuple[float, ...]


def measure(rounds: int) -> list[RuleTimes]:
    """Time the lookups, by a switch that does not remember any."""
    return [_measure_size(size, rounds) for size in SIZES]


def growth(times: list[RuleTimes]) -> list[tuple[str, str, Ratio]]:
    """What is looked for, between how many rules, and the ratio of the times."""
    fewest, *others = times
    rows = []
    for one in others:
        between = f"{one.rules:,} rules / {fewest.rules} rule"
        rows.append(("a rule that is there", between, ratio(one.found, fewest.found)))
        rows.append(("a rule that is not", between, ratio(one.missed, fewest.missed)))
    return rows


def _measure_size(size: int, rounds: int) -> RuleTimes:
    table = RuleTable(
        Rule(f"/shop-{number:05d}/items/{{item_id}}/parts/{{part}}", ("GET", "PUT"))
        for number in range(size)
    )
    shops = list(islice(cycle(range(0, size, max(1, size // _PATHS))), _PATHS))
    there = [f"/shop-{shop:05d}/items/17/parts/4" for shop in shops]
    absent = [f"/shop-{shop:05d}/items/17/pieces/4" for shop in shops]
    timings = [(_time(table, there), _time(table, absent)) for _ in range(rounds)]
    return RuleTimes(
        size, tuple(found for found, _ in timings), tuple(missed for _, missed in timings)
    )


def _time(table: RuleTable, paths: list[str]) -> float:
    def look_up() -> None:
        for path in paths:
            table.find("GET", path)

    timer = timeit.Timer(look_up)
    number = max(1, int(_SECONDS_PER_TIMING / max(timer.timeit(1), 1e-9)))
    return timer.timeit(number) / number / len(paths)
