"""The rules of a switch out of its settings, and beside its two services."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from gateway.config import MountSettings
from gateway.switch.compare import ALLOWED, JsonRule, Rules
from gateway.switch.records import Mode
from gateway.switch.rules import RouteSet, Rule
from gateway.switch.rules.building import faults_beside, rules_of
from gateway.switch.rules.faults import RuleFault
from gateway.switch.rules.tree import PathTree

READS = ("GET", "HEAD", "OPTIONS")
LEGACY = RouteSet(
    [(READS, "/items/<int:item_id>"), (("POST",), "/items/"), (READS, "/old"), (READS, "/")]
)
CANDIDATE = RouteSet(
    [(("GET",), "/items/{item_id}"), (("POST",), "/items/"), (("WEBSOCKET",), "/events")]
)
MEND = "a route that is there (gateway switch inventory)"


def mount(*rules: dict[str, Any]) -> MountSettings:
    return MountSettings.model_validate(
        {
            "name": "api",
            "prefix": "/api",
            "switch": {"legacy": "flask", "candidate": "fastapi"},
            "rules": rules,
        }
    )


def beside(*rules: Rule, inner: Iterable[str] = ()) -> list[RuleFault]:
    return faults_beside(rules, ("flask", LEGACY), ("fastapi", CANDIDATE), inner)


def test_a_rule_says_what_is_written() -> None:
    """Every setting has its place."""
    (rule,) = rules_of(
        mount(
            {
                "path": "/items/{item_id}",
                "methods": ["PUT", "GET", "PUT"],
                "mode": "canary",
                "percent": 2.5,
                "group": "items",
                "repeatable": False,
                "automatic_return": False,
                "compare": {
                    "statuses": [[400, 422], [404, 410]],
                    "headers": ["content-type"],
                    "cookies": False,
                    "bodies": False,
                    "json": [
                        {"kind": "unordered", "pointer": "/tags", "key": "id"},
                        {"kind": "number", "pointer": "/price", "tolerance": 0.01},
                    ],
                },
            }
        )
    )
    assert rule == Rule(
        "/items/{item_id}",
        ("GET", "PUT"),
        "canary",
        2.5,
        "items",
        False,
        Rules(
            (frozenset({400, 422}), frozenset({404, 410})),
            ("content-type",),
            False,
            (JsonRule("unordered", "/tags", "id"), JsonRule("number", "/price", "", 0.01)),
            False,
        ),
        False,
    )


def test_what_is_left_out_is_as_usual() -> None:
    """All methods, the legacy service, and the headers that count anyway."""
    (rule,) = rules_of(mount({"path": "/a"}))
    assert rule == Rule("/a")
    assert rule.compare.headers == tuple(ALLOWED)
    assert rules_of(mount()) == ()


def test_that_no_header_counts_is_not_the_same_as_nothing_said() -> None:
    """An empty list is one."""
    (rule,) = rules_of(mount({"path": "/a", "compare": {"headers": []}}))
    assert rule.compare.headers == ()


@pytest.mark.parametrize(
    ("path", "methods", "modes"),
    [
        ("/items/{item_id}", ("GET",), {"legacy", "shadow", "canary", "candidate"}),
        ("/items/new", ("GET",), {"candidate", "legacy"}),
        ("/items/7", ("GET",), {"legacy", "shadow", "canary", "candidate"}),
        ("/items/{item_id}", (), {"legacy", "shadow", "canary", "candidate"}),
        ("/items/", ("POST",), {"legacy", "canary", "candidate"}),
        ("/old", ("GET",), {"legacy"}),
        ("/items/{item_id}", ("HEAD",), {"legacy"}),
        ("/events", ("WEBSOCKET",), {"legacy", "candidate"}),
        ("/{rest:path}", (), {"legacy", "shadow", "canary", "candidate"}),
        ("/", ("GET",), {"legacy"}),
        ("/none", (), set[Mode]()),
    ],
)
def test_who_answers_has_to_have_the_route(
    path: str, methods: tuple[str, ...], modes: set[Mode]
) -> None:
    """A rule for a route that is not there would never do anything."""
    asked: tuple[Mode, ...] = ("legacy", "shadow", "canary", "candidate")
    sound = set()
    for mode in asked:
        if mode == "shadow" and not {"GET", "HEAD"} & set(methods or ("GET",)):
            continue
        percent = 5.0 if mode == "canary" else 0.0
        if not beside(Rule(path, methods, mode, percent)):
            sound.add(mode)
    assert sound == modes


def test_a_missing_route_is_told_with_its_method_and_service() -> None:
    """So that it can be looked up."""
    assert beside(Rule("/old", ("GET",), "shadow")) == [
        RuleFault(0, 'no route for GET /old in "fastapi"', MEND)
    ]
    assert beside(Rule("/events", ("WEBSOCKET",), "canary", 5.0)) == [
        RuleFault(0, 'no route for WEBSOCKET /events in "flask"', MEND)
    ]
    assert beside(Rule("/nowhere", mode="candidate-shadow")) == [
        RuleFault(0, 'no route for /nowhere in "flask" and "fastapi"', MEND)
    ]
    assert beside(Rule("/items/", ("POST", "PUT"))) == [
        RuleFault(0, 'no route for PUT /items/ in "flask" and "fastapi"', MEND)
    ]


def test_an_address_may_have_any_route() -> None:
    """It cannot be looked into."""
    anything = RouteSet([(("*",), "/*")])
    rules = [Rule("/old", ("GET",), "shadow"), Rule("/items/", ("POST",), "candidate")]
    address = ("http://127.0.0.1:9000", anything)
    assert faults_beside(rules, ("flask", LEGACY), address) == []


@pytest.mark.parametrize(
    ("path", "never"),
    [
        ("/admin", True),
        ("/admin/", True),
        ("/admin/users/{x}", True),
        ("/admin/{rest:path}", True),
        ("/administration", False),
        ("/{section}", False),
        ("/{rest:path}", False),
    ],
)
@pytest.mark.parametrize("inner", ["/admin", "/admin/"])
def test_a_rule_for_what_another_mount_answers_is_a_fault(
    path: str, never: bool, inner: str
) -> None:
    """One that would match there alone."""
    everything = ("flask", RouteSet([(("*",), "/*")]))
    faults = faults_beside([Rule(path)], everything, everything, [inner])
    what = f'"{path}" can never match: another mount answers below "/admin"'
    expected = [RuleFault(0, what, "a path that leads to this switch")] if never else []
    assert faults == expected


def test_all_faults_come_at_once_and_in_order() -> None:
    """What is wrong by itself is not looked for in the services, too."""
    rules = [Rule("/none"), Rule("/items/7"), Rule("/items/{", ("GET",)), Rule("/items/7")]
    rules += [Rule("/old", ("GET",), "candidate")]
    assert [fault.index for fault in beside(*rules)] == [0, 2, 3, 4]


def test_a_rule_has_one_fault_at_a_time() -> None:
    """Whether there is a route for it is only asked of one that is sound."""
    assert len(beside(Rule("/none", mode="canary"))) == 1


def test_ten_thousand_rules_beside_ten_thousand_routes_are_few_steps_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The work does not grow with rules times routes."""
    counts: Counter[str] = Counter()
    real = PathTree.meeting

    def counting(self: Any, segments: Any) -> Any:
        counts["meeting"] += 1
        return real(self, segments)

    monkeypatch.setattr(PathTree, "meeting", counting)
    numbers = list(itertools.product("abcd", range(2_500)))
    routes = RouteSet((("GET",), f"/{area}/r{number}/{{x}}") for area, number in numbers)
    rules = [Rule(f"/{area}/r{number}/<int:x>", ("GET",), "shadow") for area, number in numbers]
    assert faults_beside(rules, ("flask", routes), ("fastapi", routes)) == []
    assert counts["meeting"] < 25 * len(rules)
