"""A switch that shows what it was given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.switch.records import RunTime
from gateway.switch.rules import Rule


class KeptSwitch:
    """Rules with the modes that were set for them.

    Args:
        name: The switch's name.
        rules: As the file has them.
    """

    def __init__(self, name: str, *rules: Rule) -> None:
        self.name = name
        self.applied: list[RunTime] = []
        self._rules = rules

    @property
    def rules(self) -> list[Rule]:
        """What is in force."""
        there = self.applied[-1].rules if self.applied else {}
        return [
            replace(rule, mode=found.mode, percent=found.percent, epoch=found.epoch)
            if (found := there.get(rule.name))
            else rule
            for rule in self._rules
        ]

    @property
    def modes(self) -> list[str]:
        """The modes in force."""
        return [rule.mode for rule in self.rules]

    def apply(self, run_time: RunTime) -> None:
        self.applied.append(run_time)

    def returnable(self) -> Sequence[Rule]:
        return [
            rule
            for rule in self.rules
            if rule.mode not in {"legacy", "shadow"} and rule.automatic_return
        ]
