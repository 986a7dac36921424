"""What a person wants set, checked before it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from gateway.switch.records import RuleSet, RunTime
from gateway.switch.report.inventory import Joined
from gateway.switch.rules import Rule
from gateway.switch.rules.faults import RuleFault, faults_of
from gateway.switch.run_time.order import Order, plan
from gateway.switch.run_time.setting import Unsettable

PAGE = Rule("/basket", ("GET",), "candidate", group="basket")
FORM = Rule("/basket", ("POST",), "candidate", group="basket")


class Basket:
    """A switch with one group of two rules."""

    name = "shop"
    rules = (PAGE, FORM)

    def routes(self) -> Sequence[Joined]:
        return []

    def faults(self, rules: Sequence[Rule]) -> Sequence[RuleFault]:
        return faults_of(rules)


def run_time(*names: str) -> RunTime:
    """These were set to legacy."""
    at = datetime(2026, 11, 22, tzinfo=UTC)
    return RunTime(1, rules={name: RuleSet(name, "legacy", 0.0, 1, at, "ann") for name in names})


def test_a_group_is_set_together() -> None:
    """By its name."""
    planned = plan(Order("basket", "canary", 5.0), Basket(), RunTime())
    assert [(step.rule, step.before, step.after) for step in planned.steps] == [
        (PAGE.name, "candidate", "canary 5 %"),
        (FORM.name, "candidate", "canary 5 %"),
    ]


@pytest.mark.parametrize("mode", ["file", "shadow"])
def test_a_group_is_not_torn(mode: str) -> None:
    """Whether to a mode or back to the file's: one rule of it alone is refused."""
    with pytest.raises(Unsettable, match="of its group"):
        plan(Order(PAGE.name, mode), Basket(), run_time(PAGE.name, FORM.name))


def test_a_group_goes_back_to_the_file_together() -> None:
    """And nothing else does."""
    planned = plan(Order("basket", "file"), Basket(), run_time(PAGE.name, FORM.name))
    assert {step.after for step in planned.steps} == {"candidate"}
    assert planned.rules == (PAGE.name, FORM.name)
