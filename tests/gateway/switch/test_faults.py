"""What is wrong with the rules of a switch."""

from __future__ import annotations

import functools
import itertools
import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.switch.records import MODES
from gateway.switch.rules import Rule
from gateway.switch.rules.faults import RuleFault, faults_of
from gateway.switch.rules.templates import Segment
from tests.gateway.switch.paths import UUID

# Templates of which it is known exactly what they match in common; and what may stand in a path.
PIECES = {
    "a": "a",
    "1": "1",
    "<int:{}>": "[0-9]+",
    "{{{}:int}}": "[0-9]+",
    "{{{}:float}}": r"[0-9]+(?:\.[0-9]+)?",
    "<float:{}>": r"[0-9]+\.[0-9]+",
    "<uuid:{}>": "[0-9a-f]{8}-.{27}",
    "<any(a, b):{}>": "a|b",
    "{{{}}}": "[^/]+",
    "<{}>": "[^/]+",
    "": "",
    "<path:{}>": "[^/].*",
    "{{{}:path}}": ".*",
}
FIRST = list(PIECES)[:-3]
SEGMENTS = ["", "a", "b", "c", "1", "12", "1.5", UUID]
UNIVERSE = [
    "/" + "/".join(parts)
    for length in (1, 2, 3)
    for parts in itertools.product(SEGMENTS, repeat=length)
]
METHODS = ("GET", "HEAD", "POST", "PUT")

templates = st.builds(
    lambda first, last: "".join(
        f"/{piece.format(f'p{index}')}" for index, piece in enumerate([*first, last])
    ),
    st.lists(st.sampled_from(FIRST), max_size=1),
    st.sampled_from(list(PIECES)),
)
rule_lists = st.lists(
    st.builds(
        Rule,
        templates,
        st.sets(st.sampled_from(METHODS), max_size=2).map(lambda some: tuple(sorted(some))),
    ),
    max_size=6,
)


@functools.cache
def _matched(path: str) -> frozenset[str]:
    """The paths that a template matches, one after the other."""
    regex = path
    for piece, pattern in PIECES.items():
        for index in range(2):
            if piece and piece.format(f"p{index}") != piece:
                regex = regex.replace(piece.format(f"p{index}"), f"(?:{pattern})")
    compiled = re.compile(regex, re.DOTALL)
    return frozenset(one for one in UNIVERSE if compiled.fullmatch(one))


def _fit(rule: Rule, method: str) -> int | None:
    if method in rule.methods:
        return 0
    if method == "HEAD" and "GET" in rule.methods:
        return 1
    return None if rule.methods else 2


def _contradict(one: Rule, two: Rule) -> bool:
    """Whether some request is for both, and nothing says which of them is preferred."""
    first, second = _matched(one.path), _matched(two.path)
    if not first & second or first < second or second < first:
        return False
    fits = [(_fit(one, method), _fit(two, method)) for method in METHODS]
    return any(a is not None and b is not None and (a == b or first != second) for a, b in fits)


@settings(deadline=None)
@given(rule_lists)
def test_every_contradiction_is_found_and_nothing_else(rules: list[Rule]) -> None:
    """The fault is that of the later rule."""
    expected = {
        later
        for earlier, later in itertools.combinations(range(len(rules)), 2)
        if _contradict(rules[earlier], rules[later])
    }
    assert {fault.index for fault in faults_of(rules)} == expected


@settings(deadline=None)
@given(rule_lists, st.randoms(use_true_random=False))
def test_the_order_of_the_rules_makes_no_fault(rules: list[Rule], chance: Any) -> None:
    """Sound rules are sound in any order."""
    sound: list[Rule] = []
    for rule in rules:
        if not faults_of([*sound, rule]):
            sound.append(rule)
    chance.shuffle(sound)
    assert faults_of(sound) == []


def _told(*rules: Rule) -> RuleFault:
    (fault,) = faults_of(rules)
    assert fault.index == len(rules) - 1
    return fault


@pytest.mark.parametrize(
    ("rule", "what", "mend"),
    [
        (
            Rule("items"),
            '"items": a path begins with a slash',
            '"/items/{item_id}" or "/items/<int:item_id>"',
        ),
        (
            Rule("/items/{item id}"),
            "\"/items/{item id}\": '{' belongs to no parameter that either stack knows",
            '"/items/{item_id}" or "/items/<int:item_id>"',
        ),
        (
            Rule("/files/<path:name>/edit"),
            '"/files/<path:name>/edit": a parameter that takes slashes is not at its end',
            "one rule for each path",
        ),
        (
            Rule("/a/../b"),
            '"/a/../b" has a dot segment, and the gateway refuses such paths',
            '"/items/{item_id}" or "/items/<int:item_id>"',
        ),
        (
            Rule("/a?b=1"),
            '"/a?b=1" can never match a path, which is decoded and without a query',
            '"/items/{item_id}" or "/items/<int:item_id>"',
        ),
        (
            Rule("/{x}%20y"),
            '"/{x}%20y" can never match a path, which is decoded and without a query',
            '"/items/{item_id}" or "/items/<int:item_id>"',
        ),
        (Rule("/a", mode="canary"), "canary at 0 %", "percent, above 0 and up to 100"),
        (
            Rule("/a", mode="canary", percent=100.5),
            "canary at 100.5 %",
            "percent, above 0 and up to 100",
        ),
        (
            Rule("/a", mode="canary", percent=float("nan")),
            "canary at nan %",
            "percent, above 0 and up to 100",
        ),
        (
            Rule("/a", mode="candidate", percent=5),
            'percent = 5 in mode "candidate"',
            'mode = "canary", or no percent',
        ),
        (
            Rule("/a", ("WEBSOCKET",), mode="shadow"),
            "a WebSocket cannot be shadowed",
            'methods without "WEBSOCKET"',
        ),
        (
            Rule("/a", ("PATCH", "POST"), mode="candidate-shadow"),
            '"PATCH,POST /a" would never be shadowed: it may not be repeated',
            "repeatable = true where asking twice does no harm, or another mode",
        ),
        (
            Rule("/a", mode="shadow", repeatable=False),
            '"* /a" would never be shadowed: it may not be repeated',
            "repeatable = true where asking twice does no harm, or another mode",
        ),
    ],
)
def test_a_rule_that_does_not_do_what_it_says_is_a_fault(rule: Rule, what: str, mend: str) -> None:
    """In words that say what is wrong, and what would be right."""
    assert _told(rule) == RuleFault(0, what, mend)
    assert _told(Rule("/sound"), rule) == RuleFault(1, what, mend)


@pytest.mark.parametrize(
    "rule",
    [
        Rule("/"),
        Rule("/a/"),
        Rule("/{x:path}"),
        Rule("/a", mode="canary", percent=100),
        Rule("/a", mode="canary", percent=0.01),
        Rule("/a", mode="shadow"),
        Rule("/a", ("GET", "POST"), mode="shadow"),
        Rule("/a", ("POST",), mode="shadow", repeatable=True),
        Rule("/a", ("POST",), mode="shadow", group="a"),
        Rule("/a", ("WEBSOCKET",), mode="candidate"),
        Rule("/items/{x}:cancel"),
        Rule("/.well-known/..x"),
        *(Rule("/a", mode=mode, percent=5 if mode == "canary" else 0) for mode in MODES),
    ],
    ids=lambda rule: f"{rule.name} {rule.mode}",
)
def test_a_sound_rule_is_no_fault(rule: Rule) -> None:
    """By itself."""
    assert faults_of([rule]) == []


@pytest.mark.parametrize(
    ("rules", "what", "mend"),
    [
        (
            (Rule("/a", ("GET",)), Rule("/a", ("GET",))),
            '"GET /a" stands there twice',
            "one rule for each request",
        ),
        (
            (Rule("/items/{x}", ("GET", "POST")), Rule("/items/<y>", ("POST", "PUT"))),
            '"POST,PUT /items/<y>" matches requests that "GET,POST /items/{x}" matches, too',
            "one rule for each request",
        ),
        (
            (Rule("/items/<int:x>"), Rule("/items/{x:int}")),
            '"* /items/{x:int}" matches requests that "* /items/<int:x>" matches, too',
            "one rule for each request",
        ),
        (
            (Rule("/{x}/b", ("GET",)), Rule("/a/{x}")),
            '"* /a/{x}" and "GET /{x}/b" match some request in common, and neither is narrower',
            "paths that differ where one has a text, or a narrower rule for each",
        ),
        (
            (Rule("/{x}/b", ("GET",)), Rule("/a/{x}", ("HEAD",))),
            '"HEAD /a/{x}" and "GET /{x}/b" match some request in common, and neither is narrower',
            "paths that differ where one has a text, or a narrower rule for each",
        ),
        (
            (Rule("/a", group="g"), Rule("/b", mode="shadow", group="g")),
            'mode "shadow", and "* /a" of its group "g" has mode "legacy"',
            "one mode for a group",
        ),
        (
            (
                Rule("/a", mode="canary", percent=5, group="g"),
                Rule("/b", mode="canary", percent=6, group="g"),
            ),
            'mode "canary", and "* /a" of its group "g" has mode "canary" at another percent',
            "one mode for a group",
        ),
    ],
)
def test_rules_that_contradict_each_other_are_a_fault(
    rules: tuple[Rule, ...], what: str, mend: str
) -> None:
    """Of the later one, which names the earlier."""
    assert _told(*rules) == RuleFault(1, what, mend)


@pytest.mark.parametrize(
    "rules",
    [
        (Rule("/a/"), Rule("/a/<path:x>")),
        (Rule("/a"), Rule("/a/")),
        (Rule("/a", ("GET",)), Rule("/a", ("POST",)), Rule("/a")),
        (Rule("/a", ("GET",)), Rule("/a", ("HEAD",))),
        (Rule("/{x}", ("GET",)), Rule("/a", ("HEAD",))),
        (Rule("/<int:x>"), Rule("/<uuid:x>"), Rule("/<any(new, old):x>"), Rule("/{x}")),
        (Rule("/{x}/b", ("GET",)), Rule("/a/{x}", ("POST",))),
        (Rule("/{x}/b", ("POST",)), Rule("/a/{x}", ("HEAD",))),
        (
            Rule("/a", mode="canary", percent=5, group="g"),
            Rule("/b", mode="canary", percent=5, group="g"),
        ),
    ],
    ids=lambda rules: " ".join(rule.name for rule in rules),
)
def test_rules_that_stand_side_by_side_are_no_fault(rules: tuple[Rule, ...]) -> None:
    """Where nothing is in common, or it is told which is preferred."""
    assert faults_of(rules) == []


@settings(deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_each_of_several_planted_faults_is_found(one: int, two: int, three: int, four: int) -> None:
    """Among many sound rules, wherever they stand."""
    rules = [Rule(f"/r{number}/{{x}}", ("GET",), group=f"g{number}") for number in range(31)]
    planted = [
        Rule("/never/./b"),
        Rule("/canary", mode="canary"),
        Rule("/r7/{other}", ("GET", "POST")),
        Rule("/torn", mode="shadow", group="g30"),
    ]
    for place, rule in zip((one, two, three, four), planted, strict=True):
        rules.insert(place, rule)
    found = {rules[fault.index].path for fault in faults_of(rules)}
    # Of two that contradict each other the later is told of.
    assert {"/never/./b", "/canary"} < found
    assert len(found & {"/r7/{other}", "/r7/{x}"}) == 1
    assert len(found & {"/torn", "/r30/{x}"}) == 1
    assert len(found) == 4


def test_a_broken_rule_does_not_hide_what_is_wrong_with_others() -> None:
    """All faults come at once, in the order of the rules."""
    rules = [Rule("/a"), Rule("b"), Rule("/a"), Rule("/c", mode="canary"), Rule("/a")]
    assert [fault.index for fault in faults_of(rules)] == [1, 2, 3, 4, 4]


def test_many_contradictions_end_in_a_list_that_can_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of ten thousand rules may contradict each other; the work has an end all the same."""
    counts: Counter[str] = Counter()
    real = Segment.within

    def counting(self: Segment, other: Segment) -> bool:
        counts["within"] += 1
        return real(self, other)

    monkeypatch.setattr(Segment, "within", counting)
    assert len(faults_of([Rule("/a/{x}")] * 10_000)) == 100
    assert len(faults_of([Rule(f"/{{x{number}}}/a") for number in range(10_000)])) == 100
    assert counts["within"] < 10_000
