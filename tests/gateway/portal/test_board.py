"""A switch's report as its board."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.portal.board import board, listed, match_rate
from gateway.switch.records import Mode, Period, RuleSet, RunTime, Tally
from gateway.switch.report import Known, SwitchFacts, report
from gateway.switch.report.inventory import inventory
from gateway.switch.rules import Rule

FLASK = [
    (["GET"], "/items/<int:item_id>", "read"),
    (["POST"], "/items", "create"),
    (["GET"], "/items", "listed"),
]
FASTAPI = [(["GET"], "/items/{item_id}", "read"), (["GET", "POST"], "/items", "listed")]


def shown(*rules: Rule, known: Known | None = None, **asked: Any) -> dict[str, Any]:
    """The board of a switch with some rules."""
    routes = inventory(FLASK, FASTAPI)
    return board(report(SwitchFacts("shop", "/shop"), routes, rules, known or Known()), **asked)


def routes_of(found: Any) -> dict[str, Any]:
    """The routes of a board, by key."""
    return {route["route"]: route for column in found["columns"] for route in column["routes"]}


def set_to(*modes: tuple[str, Mode]) -> RunTime:
    """What was set at run time."""
    now = datetime.now(UTC)
    return RunTime(1, rules={name: RuleSet(name, mode, 0.0, 1, now, "ann") for name, mode in modes})


def test_what_is_on_its_way_comes_first() -> None:
    """What nobody has begun with is last; the bar goes from the legacy service to the candidate."""
    found = shown(Rule("/items/{id}", ("GET",), "candidate"), Rule("/items", ("GET",), "shadow"))
    columns = {column["mode"]: len(column["routes"]) for column in found["columns"]}
    assert list(columns.items()) == [
        ("shadow", 1),
        ("canary", 0),
        ("candidate-shadow", 0),
        ("candidate", 1),
        ("legacy", 1),
    ]
    bar = [(part["mode"], part["number"]) for part in found["bar"]]
    assert bar[0] == ("legacy", 1)
    assert bar[-1] == ("candidate", 1)
    assert found["bar"][-1]["x"] + found["bar"][-1]["width"] == pytest.approx(100)


def test_a_route_stays_open_when_it_gets_a_rule_of_its_own() -> None:
    """It is the same route, in another mode."""
    before = routes_of(shown())["GET /items"]
    known = Known(set_to(("GET /items", "shadow")))
    after = routes_of(shown(known=known, opened={before["id"]}))["GET /items"]
    assert (after["id"], after["mode"], after["open"]) == (before["id"], "shadow", True)
    names = [route["id"] for route in routes_of(shown()).values()]
    assert len(set(names)) == len(names) == 3


def test_parts_of_a_route_are_told_apart() -> None:
    """A rule for some of its requests has a line of its own, which can be open by itself."""
    narrow = Rule("/items/new", ("GET",), "candidate")
    wide = Rule("/items/{id}", ("GET",), "shadow")
    found = shown(narrow, wide)
    lines = [route for column in found["columns"] for route in column["routes"]]
    of_items = [line for line in lines if line["route"] == "GET /items/{}"]
    assert len({line["id"] for line in of_items}) == len(of_items)


@pytest.mark.parametrize(
    ("rules", "targets"),
    [
        ([], ["GET /items"]),
        ([Rule("/items", ("GET",))], ["GET /items"]),
        ([Rule("/items", ("GET", "POST"))], ["GET,POST /items"]),
        (
            [Rule("/items", ("GET",), group="a"), Rule("/items", ("POST",), group="a")],
            ["a", "GET /items"],
        ),
        # The rule is for much more than this route.
        ([Rule("/{rest:path}")], ["* /{rest:path}", "GET /items"]),
    ],
)
def test_what_can_be_set_with_a_route(rules: Sequence[Rule], targets: list[str]) -> None:
    """Its group first, then its rule, and the route alone where the rule is for others."""
    found = routes_of(shown(*rules))["GET /items"]["targets"]
    assert [name for name, _ in found] == targets


def test_figures_of_a_line() -> None:
    """Of both sides of one comparison where there are some; failures are counted by side."""
    rule = Rule("/items", ("GET",), "candidate-shadow")
    counts = {"served candidate 2xx": 5, "served candidate 5xx": 1, "fallback 5xx": 2}
    served = {"latency candidate 20": 6, "latency legacy 10": 6}
    period = Period("shop", rule.name, "GET /items", 0, "candidate-shadow")
    known = Known(evidence={period: Tally({**counts, **served})})
    line = routes_of(shown(rule, known=known))["GET /items"]
    assert line["answered"] == {"legacy": 0, "candidate": 6}
    assert line["failed"] == {"legacy": 0, "candidate": 1}
    assert line["fell_back"] == 2
    assert line["classes"] == ["2xx", "5xx"]
    assert line["p95"]["candidate"] > line["p95"]["legacy"] > 0
    paired = {"paired legacy 30": 1, "paired candidate 30": 1}
    known = Known(evidence={period: Tally({**counts, **served, **paired})})
    line = routes_of(shown(rule, known=known))["GET /items"]
    assert line["p95"]["candidate"] == line["p95"]["legacy"]


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (None, "\u2013"),
        (0.0, "0\u00a0%"),
        (1.0, "100\u00a0%"),
        (0.99999, "99.99\u00a0%"),
        (0.9996, "99.96\u00a0%"),
        (0.5, "50.0\u00a0%"),
        (0.29, "29.0\u00a0%"),
        (0.9899, "98.9\u00a0%"),
    ],
)
def test_a_match_rate_is_never_rounded_up(rate: float | None, text: str) -> None:
    """One mismatch in a million is one."""
    assert match_rate(rate) == text


def test_counts_are_listed_by_size() -> None:
    """Those of nothing are left out."""
    assert listed({"a": 1, "b": 3, "c": 0, "d": 3}) == [("b", 3), ("d", 3), ("a", 1)]
