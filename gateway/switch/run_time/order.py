"""What is set at run time, from a person's words to the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.switch.evidence.store import Store
from gateway.switch.records import EVERY_ROUTE, MODES, Mode, RunTime
from gateway.switch.report import mode_in_words
from gateway.switch.report.inventory import Joined
from gateway.switch.rules import Rule
from gateway.switch.rules.faults import RuleFault
from gateway.switch.rules.in_force import rules_in_force
from gateway.switch.run_time.setting import Unsettable, rules_meant, with_mode

FILE: Final = "file"
RULES: Final = "rules"
# The words for a mode.
WORDS: Final = (*MODES, FILE, RULES)

_KILL_WORDS: Final = {True: "kill switch on", False: "kill switch off"}


class Described(Protocol):
    """A switch and what its services have; `gateway.migration.Migration` is one."""

    @property
    def name(self) -> str:
        """The switch's."""

    @property
    def rules(self) -> Sequence[Rule]:
        """As the configuration has them."""

    def routes(self) -> Sequence[Joined]:
        """What its services have."""

    def faults(self, rules: Sequence[Rule]) -> Sequence[RuleFault]:
        """What is wrong with rules."""


@dataclass(frozen=True)
class Order:
    """What is wanted.

    Attributes:
        route: A rule, a group, a route or a path; `*` for the kill switch.
        mode: A mode, "file", or, of the kill switch, "legacy" (on) or "rules" (off).
        percent: Of the candidate's share; None for none.
    """

    route: str
    mode: str
    percent: float | None = None

    @property
    def is_kill(self) -> bool:
        """Whether it is about the kill switch."""
        return self.route == EVERY_ROUTE


@dataclass(frozen=True)
class Step:
    """What an order changes about one rule.

    Attributes:
        rule: Its name; `*` for the kill switch.
        before: Its mode, in words.
        after: Its mode then, in words; "no rule" where it was made at run time and goes.
        from_file: Whether the mode before was the file's.
    """

    rule: str
    before: str
    after: str
    from_file: bool = False


@dataclass(frozen=True)
class Plan:
    """An order that can be carried out.

    Attributes:
        order: What is wanted.
        steps: What it changes.
        rules: The names of the rules that it is about.
        unset: What the file says of those that nothing was set for.
    """

    order: Order
    steps: tuple[Step, ...]
    rules: tuple[str, ...] = ()
    unset: Mapping[str, tuple[Mode, float]] | None = None

    def carry_out(self, store: Store, switch: str, *, who: str, why: str = "") -> int | None:
        """Have it stored.

        Args:
            store: Where.
            switch: The switch's name.
            who: Wants it.
            why: In words.

        Returns:
            The revision.

        Raises:
            StoreError: The database cannot be used.
        """
        order = self.order
        if order.is_kill:
            return store.kill(switch, order.mode == "legacy", who=who, why=why)
        mode, percent = _mode(order.mode), order.percent or 0.0
        return store.set(switch, self.rules, mode, percent, who=who, why=why, before=self.unset)


def plan(order: Order, described: Described, run_time: RunTime) -> Plan:
    """What an order comes to.

    Args:
        order: What is wanted.
        described: The switch.
        run_time: What was set for it.

    Raises:
        Unsettable: It cannot be set; the text says why, and what can.
    """
    _refuse_words(order)
    if order.is_kill:
        before, after = _KILL_WORDS[run_time.killed], _KILL_WORDS[order.mode == "legacy"]
        return Plan(order, (Step(EVERY_ROUTE, before, after),))
    rules = rules_in_force(described.rules, run_time)
    meant = rules_meant(order.route, rules, described.routes())
    from_file = {rule.name: rule for rule in described.rules}
    mode = _mode(order.mode)
    if mode is None:
        gone = {rule.name for rule in meant} - from_file.keys()
        reset = {rule.name: from_file.get(rule.name, rule) for rule in meant}
        after_all = [reset.get(rule.name, rule) for rule in rules if rule.name not in gone]
    else:
        after_all = with_mode(rules, meant, mode, order.percent or 0.0)
    if told := list(_new_faults(described, rules, after_all)):
        raise Unsettable(" ".join(told))
    now = {rule.name: rule for rule in after_all}
    steps = []
    for rule in meant:
        goes = mode is None and rule.name not in from_file
        then = now.get(rule.name, rule)
        steps.append(
            Step(
                rule.name,
                mode_in_words(rule.mode, rule.percent),
                "no rule" if goes else mode_in_words(then.mode, then.percent),
                rule.name not in run_time.rules,
            )
        )
    unset = {
        rule.name: (rule.mode, rule.percent) for rule in meant if rule.name not in run_time.rules
    }
    return Plan(order, tuple(steps), tuple(rule.name for rule in meant), unset)


def _refuse_words(order: Order) -> None:
    """Refuse what cannot be meant, whatever the switch.

    Raises:
        Unsettable: It cannot.
    """
    if order.mode not in WORDS:
        raise Unsettable(f'"{order.mode}" is no mode; modes are {", ".join(WORDS)}.')
    if order.is_kill != (order.mode == RULES) and not (order.is_kill and order.mode == "legacy"):
        raise Unsettable(
            'The route "*" is the kill switch: the mode "legacy" turns it on, "rules" turns it '
            'off; "rules" is nothing that one route can be set to.'
        )
    if order.percent is not None and order.mode != "canary":
        raise Unsettable(f'percent is for the mode "canary", not for "{order.mode}".')
    if order.percent is None and order.mode == "canary":
        raise Unsettable('The mode "canary" needs a percent, above 0 and up to 100.')


def _new_faults(
    described: Described, before: Sequence[Rule], after: Sequence[Rule]
) -> Iterator[str]:
    """What would be a fault in the configuration, unless it is one already."""
    old = {(before[fault.index].name, fault.what) for fault in described.faults(before)}
    for fault in described.faults(after):
        if (after[fault.index].name, fault.what) not in old:
            yield f"{fault.what}. Accepted: {fault.mend}."


def _mode(word: str) -> Mode | None:
    return next((mode for mode in MODES if mode == word), None)
