"""The rules of the configuration, and over them what was set at run time."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from gateway.switch.records import RuleSet, RunTime
from gateway.switch.rules import Rule
from gateway.switch.rules.faults import faults_of
from gateway.switch.rules.templates import BadTemplate, parse
from gateway.switch.rules.tree import ALL

logger = logging.getLogger("gateway.switch")


def rules_in_force(base: Sequence[Rule], run_time: RunTime) -> list[Rule]:
    """The rules of a switch as they hold now.

    A rule that was made at run time and that the configuration's contradict by now is left out.

    Args:
        base: The configuration's; sound ones.
        run_time: What was set, the kill switch aside.
    """
    given = dict(run_time.rules)
    rules: list[Rule] = []
    for rule in base:
        one = given.pop(rule.name, None)
        rules.append(rule if one is None else _as_set(rule, one))
    made = [_as_set(new, one) for name, one in given.items() if (new := rule_named(name))]
    # Of two rules that contradict each other the fault is the later one's.
    suspected = _at_fault([*rules, *made]) if made else {}
    for index, rule in enumerate(made, len(rules)):
        # Perhaps it contradicts only one that is left out itself.
        wrong = _at_fault([*rules, rule]).get(len(rules)) if index in suspected else None
        if wrong:
            logger.warning("%s, set at run time, is left out: %s", rule.name, wrong)
        else:
            rules.append(rule)
    return rules


def _at_fault(rules: Sequence[Rule]) -> dict[int, str]:
    return {fault.index: fault.what for fault in faults_of(rules)}


def _as_set(rule: Rule, one: RuleSet) -> Rule:
    return replace(rule, mode=one.mode, percent=one.percent, epoch=one.epoch)


def rule_named(name: str) -> Rule | None:
    """A rule by its name alone, `GET,POST /items/{item_id}`; None where it is no name."""
    methods, _, path = name.partition(" ")
    try:
        parse(path)
    except BadTemplate:
        return None
    named = () if methods == ALL else tuple(sorted(methods.split(",")))
    return Rule(path, named) if all(m.isalpha() and m.isupper() for m in named) else None
