"""Everything that is known of a switch."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.histogram import bucket_of
from gateway.switch.compare import JsonRule, Rules, compare
from gateway.switch.evidence.redaction import Asked, sample
from gateway.switch.records import (
    EVERY_ROUTE,
    MODES,
    Change,
    Finding,
    Mode,
    Period,
    RuleSet,
    RunTime,
    Tally,
)
from gateway.switch.report import Known, SwitchFacts, curl_line, report
from gateway.switch.report.inventory import Joined, RouteName, inventory
from gateway.switch.rules import Rule
from tests.gateway.switch.answers import answer

AT = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
FACTS = SwitchFacts("api", "/api", legacy="flask", candidate="fastapi")
ROUTES = inventory(
    [
        ({"GET"}, "/items/<int:item_id>", "items.read"),
        ({"GET"}, "/items", "items.list"),
        ({"POST"}, "/items", "items.add"),
        ({"GET"}, "/old", "old"),
    ],
    [
        ({"GET"}, "/items/{item_id}", "read"),
        ({"GET"}, "/items", "list"),
        ({"POST"}, "/items", "add"),
        ({"GET"}, "/new", "new"),
    ],
)
ITEM = "GET /items/{}"
ITEM_RULE = Rule("/items/{item_id}", ("GET",), "shadow")


def period(rule: Rule | None, route: str, mode: Mode | None = None, epoch: int = 0) -> Period:
    if rule is None:
        return Period("api", "", route, 0, "legacy")
    return Period("api", rule.name, route, epoch, mode or rule.mode)


def reported(
    rules: list[Rule], evidence: Mapping[Period, Tally] | None = None, **known: Any
) -> dict[str, Any]:
    return report(FACTS, ROUTES, rules, Known(evidence=evidence or {}, **known))


def line(found: Mapping[str, Any], route: str, rule: str | None = None) -> dict[str, Any]:
    (one,) = (
        each for each in found["routes"] if each["route"] == route and rule in {None, each["rule"]}
    )
    assert isinstance(one, dict)
    return one


def test_every_route_of_either_service_has_a_line() -> None:
    """With what each calls it, and a verdict."""
    found = reported([ITEM_RULE])
    assert [each["route"] for each in found["routes"]] == [
        ITEM,
        "GET /items",
        "POST /items",
        "GET /old",
        "GET /new",
    ]
    one = line(found, ITEM)
    assert one["legacy"] == {"template": "/items/<int:item_id>", "name": "items.read"}
    assert one["candidate"] == {"template": "/items/{item_id}", "name": "read"}
    assert (one["rule"], one["mode"], one["group"]) == (ITEM_RULE.name, "shadow", "/items/{}")
    assert one["set"] is None
    assert line(found, "GET /items")["rule"] == ""
    assert line(found, "GET /old")["candidate"] is None
    assert line(found, "GET /old")["verdict"]["reasons"] == ["the candidate has no such route"]
    assert line(found, "GET /new")["legacy"] is None
    assert found["totals"] == {
        "routes": 5,
        "moved": 0,
        "ready": 0,
        "by_mode": {"legacy": 4, "shadow": 1},
    }
    json.dumps(found, allow_nan=False)


def test_what_was_counted_is_told_by_what_it_is() -> None:
    """Of the period in force; all periods in one figure."""
    counts = {
        "served legacy 2xx": 10,
        "served legacy left": 2,
        f"latency legacy {bucket_of(0.1)}": 10,
        "shadow match": 1,
        "shadow match by rule": 2,
        "shadow mismatch": 3,
        "shadow error": 4,
        "uncompared the client left": 5,
        "dropped queue full": 6,
        "bodies a range": 1,
        "hit status 400 = 422": 7,
        "noise asked": 8,
        "noise differed": 1,
        "mismatch went away": 2,
        "mismatch other": 9,
        f"paired candidate {bucket_of(0.2)}": 5,
    }
    before = {"served legacy 2xx": 100, "served candidate 5xx": 50, "shadow mismatch": 1000}
    one = line(
        reported(
            [ITEM_RULE],
            {
                period(ITEM_RULE, ITEM): Tally(counts),
                period(ITEM_RULE, ITEM, "canary", 3): Tally(before),
                period(ITEM_RULE, "GET /items"): Tally({"served legacy 2xx": 1}),
            },
        ),
        ITEM,
    )
    assert one["requests"] == {"legacy": {"2xx": 10, "left": 2}, "candidate": {}}
    assert one["requests_in_all"] == {"legacy": 112, "candidate": 50}
    assert one["compared"] == {
        "match": 1,
        "match by rule": 2,
        "mismatch": 3,
        "error": 4,
        "timeout": 0,
    }
    assert one["match_rate"] == 0.5
    assert one["uncompared"] == {"the client left": 5}
    assert one["dropped"] == {"queue full": 6}
    assert one["bodies"] == {"a range": 1}
    assert one["hits"] == {"status 400 = 422": 7}
    assert one["noise"] == {"asked": 8, "differed": 1}
    assert one["went_away"] == 2
    assert one["unlisted"] == {"mismatch": 9, "noise": 0}
    assert one["latency"]["served"]["legacy"]["p95"] == pytest.approx(0.1, rel=0.05)
    assert one["latency"]["paired"]["candidate"]["p50"] == pytest.approx(0.2, rel=0.05)
    assert one["latency"]["paired"]["legacy"] == {"p50": None, "p95": None, "p99": None}


def test_a_mode_that_was_set_begins_a_new_period() -> None:
    """Its requests are counted anew; the comparisons of before still speak for it."""
    run_time = RunTime(
        7, rules={ITEM_RULE.name: RuleSet(ITEM_RULE.name, "canary", 5, 7, AT, "ann")}
    )
    shadowed = Tally({"shadow match": 4000, "served legacy 2xx": 4000})
    found = reported(
        [ITEM_RULE],
        {
            period(ITEM_RULE, ITEM): shadowed,
            period(ITEM_RULE, ITEM, "canary", 7): Tally({"served candidate 2xx": 12}),
        },
        run_time=run_time,
    )
    one = line(found, ITEM)
    assert (one["mode"], one["percent"]) == ("canary", 5)
    assert one["set"] == {"who": "ann", "at": "2026-11-22T10:00:00Z", "why": "", "epoch": 7}
    assert one["requests"] == {"legacy": {}, "candidate": {"2xx": 12}}
    assert one["compared"]["match"] == 4000
    assert one["compared_in"] == {"mode": "shadow", "epoch": 0}
    assert one["verdict"]["verdict"] == "READY"
    assert found["totals"]["ready"] == 1
    assert found["revision"] == 7


@pytest.mark.parametrize(
    ("epochs", "last"),
    [
        ((3, 5), 5),
        ((0, 5), 5),
        ((-4, 3), 3),
        ((-4, 0), 0),
        ((-4, 3, 0), 0),
        ((-4, -9, 5), 5),
        ((-4, -9, 3), -9),
    ],
)
def test_the_last_comparisons_are_those_that_count(epochs: tuple[int, ...], last: int) -> None:
    """Whether a mode was set or came from the file, which has had its say at several times."""
    evidence = {
        period(ITEM_RULE, ITEM, "shadow", epoch): Tally({"shadow match": 1}) for epoch in epochs
    }
    run_time = RunTime(9, rules={ITEM_RULE.name: RuleSet(ITEM_RULE.name, "legacy", 0, 8, AT, "x")})
    one = line(reported([ITEM_RULE], evidence, run_time=run_time), ITEM)
    assert one["compared_in"]["epoch"] == last


def test_what_the_gateway_gave_back_is_not_ready_and_says_why() -> None:
    """In the words in which it was done."""
    returned = RuleSet(ITEM_RULE.name, "legacy", 0, 8, AT, "gateway", "7.0 % failed")
    evidence = {period(ITEM_RULE, ITEM, "shadow", 3): Tally({"shadow match": 9000})}
    run_time = RunTime(8, rules={ITEM_RULE.name: returned})
    one = line(reported([ITEM_RULE], evidence, run_time=run_time), ITEM)
    assert one["verdict"]["verdict"] == "NOT YET"
    assert "7.0 % failed" in one["verdict"]["reasons"][0]


def test_a_rule_for_a_part_of_a_route_has_a_line_of_its_own() -> None:
    """Its mode is another."""
    special = Rule("/items/7", ("GET",), "candidate")
    found = reported(
        [ITEM_RULE, special],
        {
            period(ITEM_RULE, ITEM): Tally({"served legacy 2xx": 3}),
            period(special, ITEM): Tally({"served candidate 2xx": 4}),
        },
    )
    assert line(found, ITEM, ITEM_RULE.name)["requests_in_all"] == {"legacy": 3, "candidate": 0}
    one = line(found, ITEM, special.name)
    assert (one["path"], one["mode"]) == ("/items/7", "candidate")
    assert one["requests_in_all"] == {"legacy": 0, "candidate": 4}
    assert one["verdict"]["verdict"] == "MOVED"


def test_the_narrowest_rule_is_a_routes_own() -> None:
    """Of one path the one that names the method."""
    rules = [
        Rule("/{rest:path}", (), "shadow"),
        Rule("/items", (), "candidate"),
        Rule("/items", ("GET",), "candidate-shadow"),
    ]
    found = reported(rules)
    assert line(found, "GET /items")["rule"] == "GET /items"
    assert line(found, "POST /items")["rule"] == "* /items"
    assert line(found, ITEM)["rule"] == "* /{rest:path}"
    assert found["totals"]["moved"] == 2


def test_what_no_service_has_is_told_when_there_was_a_request() -> None:
    """The report leaves nothing out."""
    found = reported(
        [],
        {
            period(None, "(no route)"): Tally({"served legacy 4xx": 3}),
            period(None, "(other)"): Tally({"served legacy 2xx": 4}),
            period(None, "GET /gone/{}/{*}"): Tally({"served legacy 2xx": 5}),
        },
    )
    assert line(found, "(no route)")["requests_in_all"]["legacy"] == 3
    assert line(found, "(other)")["method"] == ""
    assert line(found, "GET /gone/{}/{*}")["verdict"]["verdict"] == "NOTHING TO COMPARE"


def test_mismatches_are_explained_the_most_frequent_first() -> None:
    """With an example, a proposal, and a line to ask again."""
    first, second = answer({"price": "1.10"}), answer({"price": 1.1})
    asked = Asked(
        "GET",
        "/api/items/1?x=it's",
        (("Host", "x"), ("Accept", "a/b"), ("Cookie", "session=abcdefgh"), ("X-Empty", "")),
    )
    example = sample(asked, (first, second), compare(first, second))
    found = {
        ("mismatch", name): Finding("mismatch", name, count, AT, AT, example)
        for name, count in (("few", 2), ("many", 5))
    }
    noise = Finding("noise", "n", 1, AT, AT, example)
    rule = Rule(
        "/items/{item_id}", ("GET",), "shadow", compare=Rules(json=(JsonRule("uuid", "/id"),))
    )
    tally = Tally({"shadow mismatch": 7}, {**found, ("noise", "n"): noise})  # type: ignore[dict-item]
    one = line(reported([rule], {period(rule, ITEM): tally}), ITEM)
    assert [(each["signature"], each["count"]) for each in one["mismatches"]] == [
        ("many", 5),
        ("few", 2),
    ]
    shown = one["mismatches"][0]
    assert (shown["first"], shown["last"]) == ("2026-11-22T10:00:00Z",) * 2
    assert shown["differences"][0]["place"] == "/price"
    assert 'kind = "decimal"' in shown["proposal"]
    assert 'kind = "uuid"' in shown["proposal"], "what the rule says already is there, too"
    assert shlex.split(shown["sample"]["curl"]) == [
        "curl",
        "--include",
        "--globoff",
        "--header",
        "Accept: a/b",
        "--header",
        "Cookie: session=********",
        "--header",
        "X-Empty;",
        "http://127.0.0.1:8000/api/items/1?x=it's",
    ]
    assert shown["sample"]["legacy"]["status"] == 200
    assert one["suggestions"][0]["signature"] == "n"
    assert "does not answer the same twice" in one["suggestions"][0]["explanation"]


def test_a_request_with_a_body_is_asked_again_with_it() -> None:
    """At the host that the switch answers for."""
    facts = SwitchFacts("api", "/api", host="shop.example", address="http://[::1]:80")
    asked = {"headers": [["Content-Type", "application/json"]], "body": '{"a": 1}'}
    words = shlex.split(curl_line(facts, {"method": "POST", "target": "/api/x"}, asked))
    assert words[2:] == [
        "--globoff",
        "--request",
        "POST",
        "--header",
        "Host: shop.example",
        "--header",
        "Content-Type: application/json",
        "--data-raw",
        '{"a": 1}',
        "http://[::1]:80/api/x",
    ]
    assert "--head" in shlex.split(curl_line(facts, {"method": "HEAD", "target": "/"}, {}))


def test_the_history_of_a_route_has_the_kill_switch_in_it() -> None:
    """And nothing of other routes; times are in UTC."""
    ann = "ann"
    there = AT.astimezone(timezone(timedelta(hours=2)))
    history = [
        Change(EVERY_ROUTE, None, ("legacy", 0), 4, there, ann, "fire"),
        Change(ITEM_RULE.name, ("shadow", 0), ("canary", 2.5), 3, AT.replace(tzinfo=None), ann),
        Change("GET /items", None, ("shadow", 0), 2, AT, ann),
        Change(ITEM_RULE.name, ("canary", 5), None, 1, AT, ann),
    ]
    found = reported([ITEM_RULE], run_time=RunTime(4, killed=True), history=history)
    assert found["killed"] is True
    changes = line(found, ITEM)["history"]
    assert [(each["before"], each["after"], each["why"]) for each in changes] == [
        ("kill switch off", "kill switch on", "fire"),
        ("shadow", "canary 2.5 %", ""),
        ("canary 5 %", "file", ""),
    ]
    assert {each["at"] for each in changes} == {"2026-11-22T10:00:00Z"}


def test_a_websocket_is_not_compared() -> None:
    """It can be moved all the same."""
    routes = [
        Joined("WEBSOCKET /ws", "WEBSOCKET", "/ws", RouteName("/ws", ""), RouteName("/ws", ""))
    ]
    found = report(FACTS, routes, [], Known())
    assert line(found, "WEBSOCKET /ws")["verdict"]["reasons"] == ["a WebSocket is not compared"]
    moved = report(FACTS, routes, [Rule("/ws", (), "candidate")], Known())
    assert line(moved, "WEBSOCKET /ws")["verdict"]["verdict"] == "MOVED"


RULES = [
    Rule("/items/{item_id}", ("GET",)),
    Rule("/items/7", (), "candidate"),
    Rule("/items", ("POST",), "canary", 5, repeatable=True),
    Rule("/items", (), "shadow"),
]
keys = st.sampled_from([*(route.key for route in ROUTES), "(no route)", "(other)", "PUT /x/{}"])
names = st.sampled_from(
    [
        *(f"served {side} {c}" for side in ("legacy", "candidate") for c in ("2xx", "5xx", "left")),
        *(f"shadow {outcome}" for outcome in ("match", "match by rule", "mismatch", "timeout")),
        "fallback 5xx",
        "uncompared x",
        "dropped queue full",
        "paired legacy 9",
    ]
)
tallies = st.dictionaries(names, st.integers(1, 1000)).map(Tally)
periods = st.builds(
    Period,
    st.just("api"),
    st.sampled_from(["", "GET /of/old", *(rule.name for rule in RULES)]),
    keys,
    st.integers(-3, 3),
    st.sampled_from(MODES),
)
sets = st.dictionaries(
    st.sampled_from([*(rule.name for rule in RULES), "GET /old", "nonsense"]),
    st.tuples(st.sampled_from(MODES), st.integers(1, 3)),
)


@given(st.dictionaries(periods, tallies, max_size=12), sets)
def test_the_report_adds_up(
    evidence: dict[Period, Tally], modes: dict[str, tuple[Mode, int]]
) -> None:
    """Every request that was counted is in one line and no more, and totals are of the lines."""
    run_time = RunTime(
        3,
        rules={
            name: RuleSet(name, mode, 5.0 if mode == "canary" else 0.0, epoch, AT, "ann")
            for name, (mode, epoch) in modes.items()
        },
    )
    found = report(FACTS, ROUTES, RULES, Known(run_time, evidence))
    json.dumps(found, allow_nan=False)
    lines = found["routes"]
    for side in ("legacy", "candidate"):
        served = sum(
            number
            for tally in evidence.values()
            for name, number in tally.counts.items()
            if name.startswith(f"served {side} ")
        )
        assert sum(each["requests_in_all"][side] for each in lines) == served
        for each in lines:
            assert sum(each["requests"][side].values()) <= each["requests_in_all"][side]
    totals = found["totals"]
    assert totals["routes"] == len(lines) == sum(totals["by_mode"].values())
    verdicts = [each["verdict"]["verdict"] for each in lines]
    assert (totals["moved"], totals["ready"]) == (verdicts.count("MOVED"), verdicts.count("READY"))
    assert len({(each["route"], each["rule"]) for each in lines}) == len(lines)
    assert {route.key for route in ROUTES} <= {each["route"] for each in lines}
    for each in lines:
        number = sum(each["compared"][name] for name in ("match", "match by rule", "mismatch"))
        assert (each["match_rate"] is None) == (number == 0)
