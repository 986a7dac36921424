"""The rules of the file, and over them what was set at run time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.switch.records import MODES, Mode, RuleSet, RunTime
from gateway.switch.rules import Rule
from gateway.switch.rules.faults import faults_of
from gateway.switch.rules.in_force import rule_named, rules_in_force
from tests.gateway.switch.paths import Written, templates

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def run_time(modes: Mapping[str, Mode]) -> RunTime:
    """Modes that were set, one epoch after the other, by the rule's name."""
    rules = {
        name: RuleSet(name, mode, 5.0 if mode == "canary" else 0.0, epoch, NOW, "ann")
        for epoch, (name, mode) in enumerate(modes.items(), 1)
    }
    return RunTime(len(rules), rules=rules)


def names(rules: list[Rule]) -> list[str]:
    return [rule.name for rule in rules]


BASE = [
    Rule("/items/{x}", ("GET",), "shadow", group="items", repeatable=True),
    Rule("/items", ("POST",), "canary", 10.0, automatic_return=False),
    Rule("/users"),
]


def test_nothing_set_leaves_the_file_as_it_is() -> None:
    """The very same rules."""
    assert rules_in_force(BASE, RunTime()) == BASE


def test_what_was_set_replaces_mode_and_percent_and_nothing_else() -> None:
    """And the epoch is the setting's."""
    set_now = run_time({"GET /items/{x}": "candidate", "POST /items": "legacy"})
    assert rules_in_force(BASE, set_now) == [
        Rule("/items/{x}", ("GET",), "candidate", group="items", repeatable=True, epoch=1),
        Rule("/items", ("POST",), "legacy", 0.0, automatic_return=False, epoch=2),
        BASE[2],
    ]


def test_a_route_without_a_rule_in_the_file_may_have_one_at_run_time() -> None:
    """After those of the file."""
    set_now = run_time({"GET /orders/<int:y>": "canary", "* /more": "candidate"})
    assert rules_in_force(BASE, set_now) == [
        *BASE,
        Rule("/orders/<int:y>", ("GET",), "canary", 5.0, epoch=1),
        Rule("/more", (), "candidate", epoch=2),
    ]


def test_what_the_file_contradicts_by_now_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """The file has changed since; the log says which and why."""
    set_now = run_time({"GET /{y}/7": "shadow", "GET /other": "shadow"})
    assert names(rules_in_force(BASE, set_now)) == [*names(BASE), "GET /other"]
    assert caplog.messages == [
        (
            'GET /{y}/7, set at run time, is left out: "GET /{y}/7" and "GET /items/{x}" match '
            "some request in common, and neither is narrower"
        )
    ]


def test_what_is_left_out_contradicts_nothing_any_more() -> None:
    """A rule is not left out for one that is not there."""
    set_now = run_time({"GET /{y}/7": "shadow", "GET /{y}/{z}": "legacy", "GET /{a}/7": "legacy"})
    assert names(rules_in_force(BASE, set_now)) == [*names(BASE), "GET /{y}/{z}"]
    set_now = run_time({"* /{y}/7/a": "legacy", "GET /items/{x}/a": "shadow", "* /b": "legacy"})
    assert names(rules_in_force([], set_now)) == ["* /{y}/7/a", "* /b"]
    base = [Rule("/items/{x}/a")]
    assert names(rules_in_force(base, set_now)) == [
        "* /items/{x}/a",
        "GET /items/{x}/a",
        "* /b",
    ]


def test_a_mode_that_its_route_cannot_have_is_left_out_with_the_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It contradicts no other rule, and the log does not say so."""
    assert rules_in_force([], run_time({"WEBSOCKET /events": "shadow"})) == []
    assert caplog.messages == [
        "WEBSOCKET /events, set at run time, is left out: a WebSocket cannot be shadowed"
    ]


@pytest.mark.parametrize(
    "name", ["", "*", "/a", "GET", "GET a", "get /a", "GET,, /a", " /a", "G3 /"]
)
def test_what_is_no_name_of_a_rule_makes_none(name: str) -> None:
    """A row of the database that nobody here has written stops nothing."""
    assert rule_named(name) is None
    assert rules_in_force(BASE, run_time({name: "shadow"})) == BASE


@settings(deadline=None)
@given(
    templates,
    st.sets(st.sampled_from(["GET", "HEAD", "POST", "WEBSOCKET"])).map(lambda s: tuple(sorted(s))),
)
def test_a_rule_can_be_made_of_its_name(written: Written, methods: tuple[str, ...]) -> None:
    """With the same name, path and methods."""
    rule = Rule(written.text, methods)
    assert rule_named(rule.name) == rule


@settings(deadline=None)
@given(
    st.lists(st.tuples(templates, st.sampled_from(MODES)), max_size=8),
    st.lists(templates, max_size=4),
)
def test_what_is_in_force_is_sound(
    written: list[tuple[Written, Mode]], base: list[Written]
) -> None:
    """Whatever was set; and nothing of the file is lost."""
    sound: list[Rule] = []
    for template in base:
        if not faults_of([*sound, rule := Rule(template.text)]):
            sound.append(rule)
    given_modes = {f"* {template.text}": mode for template, mode in written}
    rules = rules_in_force(sound, run_time(given_modes))
    assert faults_of(rules) == []
    assert names(rules)[: len(sound)] == names(sound)
    for rule in rules:
        assert rule.epoch == 0 or rule.mode == given_modes[rule.name]
