"""Which of a worker's rules go back to the legacy service by themselves (no I/O)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from gateway.switch.records import Mode, Period, RuleSet, RunTime, Tally
from gateway.switch.rules import Rule
from gateway.switch.run_time.returning import ReturnLimits, reason_to_return

GATEWAY = "gateway"

_DECIDING = ("served ", "latency ", "fallback ")
_LEGACY_ANSWERS = frozenset({"legacy", "shadow"})


class Kept(Protocol):
    """A switch, as far as it is kept."""

    @property
    def name(self) -> str:
        """The switch's name."""

    def apply(self, run_time: RunTime) -> None:
        """Do from now on what was set. On the event loop."""

    def returnable(self) -> Sequence[Rule]:
        """The rules of which the candidate answers requests, and that may go back by themselves."""


class RuleInMode(NamedTuple):
    """What is decided on: a rule, as long as it has one mode."""

    switch: str
    rule: str
    epoch: int
    mode: Mode


@dataclass(frozen=True)
class Return:
    """A rule that goes back.

    Attributes:
        place: The rule, and the mode it had.
        percent: Of the candidate's share that it had.
        at: When it was decided, in UTC.
        why: In words.
    """

    place: RuleInMode
    percent: float
    at: datetime
    why: str

    @property
    def setting(self) -> RuleSet:
        """As if it had been set at run time."""
        place = self.place
        return RuleSet(place.rule, "legacy", 0.0, place.epoch, self.at, GATEWAY, self.why)


class Returns:
    """What one worker has counted since its rules have their modes, and what it decided.

    Args:
        switches: The worker's.
        limits: What a candidate may do worse.
    """

    def __init__(self, switches: Sequence[Kept], limits: ReturnLimits) -> None:
        self.limits = limits
        self._switches = switches
        self._own: dict[RuleInMode, Counter[str]] = {}
        self._touched: set[RuleInMode] = set()
        self._baselines: dict[RuleInMode, Mapping[str, int]] = {}
        self._decided: dict[tuple[str, str], Return] = {}

    @property
    def decided(self) -> list[Return]:
        """What the store does not have yet, as far as is known here."""
        return list(self._decided.values())

    def note(self, period: Period, tally: Tally) -> None:
        """Something that was counted here has reached the store."""
        if period.mode in _LEGACY_ANSWERS:
            return
        place = RuleInMode(period.switch, period.rule, period.epoch, period.mode)
        self._touched.add(place)
        own = self._own.setdefault(place, Counter())
        for name, number in tally.counts.items():
            if name.startswith(_DECIDING):
                own[name] += number

    def take_touched(self) -> list[RuleInMode]:
        """The rules that may go back and of which something was counted since this was asked."""
        rules = self._returnable()
        touched, self._touched = self._touched & rules.keys(), set()
        self._own = {place: own for place, own in self._own.items() if place in rules}
        self._baselines = {place: own for place, own in self._baselines.items() if place in rules}
        return sorted(touched)

    def baseline(self, place: RuleInMode) -> Mapping[str, int] | None:
        """How the legacy service did before; None where that is not known here."""
        return self._baselines.get(place)

    def remember_baseline(self, place: RuleInMode, counts: Mapping[str, int]) -> None:
        """It does not change any more while the rule has its mode."""
        self._baselines[place] = counts

    def decide(self, place: RuleInMode, counts: Mapping[str, int]) -> Return | None:
        """Decide by what all workers have counted.

        Args:
            place: The rule, and the mode it has.
            counts: What was counted since it has that mode.
        """
        found = self._returnable().get(place)
        why = found and reason_to_return(counts, self.limits, self.baseline(place))
        if not found or not why:
            return None
        decided = Return(place, found.percent, datetime.now(UTC), why)
        self._decided[place.switch, place.rule] = decided
        # A group is set together, whoever sets it.
        for mate, rule in self._returnable().items():
            if found.group and rule.group == found.group and mate.switch == place.switch:
                also = replace(decided, place=mate, percent=rule.percent)
                self._decided[mate.switch, mate.rule] = also
        return decided

    def decide_alone(self, not_stored: Mapping[Period, Tally]) -> list[Return]:
        """Decide by what this worker has counted, while nobody else's is known.

        Args:
            not_stored: What was counted and has not reached the store.
        """
        counted = {place: Counter(self._own.get(place)) for place in self._returnable()}
        for period, tally in not_stored.items():
            place = RuleInMode(period.switch, period.rule, period.epoch, period.mode)
            if place in counted:
                counted[place].update(tally.counts)
        decided = [self.decide(place, counts) for place, counts in counted.items()]
        return [each for each in decided if each is not None]

    def forget_overruled(self, run_times: Mapping[str, RunTime]) -> None:
        """What was set since wins over what was decided here; it may be just that.

        Args:
            run_times: What the store has, by the switch's name.
        """
        for each in self.decided:
            switch, rule, epoch, _ = each.place
            setting = run_times.get(switch, RunTime()).rules.get(rule)
            if (setting.epoch if setting else 0) != epoch:
                del self._decided[switch, rule]

    def over(self, switch: str, run_time: RunTime) -> RunTime:
        """What was set, and over it what was decided here.

        Args:
            switch: The switch's name.
            run_time: What was set for it.
        """
        here = {
            each.place.rule: each.setting for each in self.decided if each.place.switch == switch
        }
        return replace(run_time, rules={**run_time.rules, **here}) if here else run_time

    def _returnable(self) -> dict[RuleInMode, Rule]:
        return {
            RuleInMode(switch.name, rule.name, rule.epoch, rule.mode): rule
            for switch in self._switches
            for rule in switch.returnable()
            if (switch.name, rule.name) not in self._decided
        }
