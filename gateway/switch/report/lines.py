"""The lines of a report: each route with its rule and its evidence (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.switch.records import Mode, Period, Tally
from gateway.switch.report.inventory import Joined, template_of
from gateway.switch.report.verdict import COMPARING
from gateway.switch.rules import Rule
from gateway.switch.rules.templates import Template, shape
from gateway.switch.rules.tree import ALL


@dataclass(frozen=True)
class Line:
    """A route, as far as one rule decides about it.

    Attributes:
        route: The route.
        rule: In force for it; None for none.
        path: The route's own, or that of a rule which is for a part of its requests.
        now: The evidence since the rule has its mode.
        compared: That of the last period in which answers were compared; `now` where they are.
        compared_mode: The mode of that period.
        compared_epoch: Its epoch; None where there was none.
        in_all: The counts of all periods.
    """

    route: Joined
    rule: Rule | None
    path: str
    now: Tally = field(default_factory=Tally)
    compared: Tally = field(default_factory=Tally)
    compared_mode: Mode = "shadow"
    compared_epoch: int | None = None
    in_all: Mapping[str, int] = field(default_factory=dict)

    @property
    def rule_name(self) -> str:
        """Its rule's; empty for none."""
        return self.rule.name if self.rule else ""

    @property
    def mode(self) -> Mode:
        """Its rule's; "legacy" without one."""
        return self.rule.mode if self.rule else "legacy"

    @property
    def compared_in(self) -> dict[str, object] | None:
        """The period of the comparisons, as JSON."""
        if self.compared_epoch is None:
            return None
        return {"mode": self.compared_mode, "epoch": self.compared_epoch}


def lines_of(
    routes: Sequence[Joined], rules: Sequence[Rule], evidence: Mapping[Period, Tally]
) -> list[Line]:
    """A line for each route, and one more for each rule that is for a part of one.

    What there is evidence of and no service has gets lines of its own, so that nothing is left out.

    Args:
        routes: Of both services.
        rules: In force.
        evidence: By period.
    """
    by_route: dict[str, dict[Period, Tally]] = {}
    for period, tally in evidence.items():
        by_route.setdefault(period.route, {})[period] = tally
    known = {route.key for route in routes}
    odd = [_odd(key) for key in by_route if key not in known]
    read = [_Read(rule, template_of(rule.path), shape(rule.path)) for rule in rules]
    lines = []
    for route in (*routes, *sorted(odd, key=lambda one: one.key)):
        own = by_route.get(route.key, {})
        whole = _whole_rule(route, read)
        parts = [rule for rule in _partial_rules(route, read, own) if rule is not whole]
        names = {rule.name for rule in parts}
        rest = {period: tally for period, tally in own.items() if period.rule not in names}
        lines.append(_line(route, whole, route.path, rest))
        for rule in parts:
            its = {period: tally for period, tally in own.items() if period.rule == rule.name}
            lines.append(_line(route, rule, rule.path, its))
    return lines


@dataclass(frozen=True)
class _Read:
    """A rule, with its path read once for all routes."""

    rule: Rule
    template: Template | None
    shape: str

    def is_for(self, method: str) -> bool:
        return not self.rule.methods or method in self.rule.methods

    def is_narrower(self, other: _Read) -> bool:
        if self.shape == other.shape:
            # On one path the rule that names its methods goes before the one for all.
            return bool(self.rule.methods) > bool(other.rule.methods)
        return bool(self.template and other.template and self.template.within(other.template))


def _whole_rule(route: Joined, rules: Iterable[_Read]) -> Rule | None:
    """The narrowest rule that is for all requests of a route, or has its shape."""
    template, its_shape = template_of(route.path), shape(route.path)
    best: _Read | None = None
    for one in rules:
        if not one.is_for(route.method):
            continue
        around = template and one.template and template.within(one.template)
        if (one.shape == its_shape or around) and (best is None or one.is_narrower(best)):
            best = one
    return best.rule if best else None


def _partial_rules(route: Joined, rules: Iterable[_Read], evidence: Iterable[Period]) -> list[Rule]:
    """Rules for some of a route's requests: those of a narrower path, and those seen at work."""
    template, its_shape = template_of(route.path), shape(route.path)
    at_work = {period.rule for period in evidence}
    return [
        one.rule
        for one in rules
        if one.rule.name in at_work
        or (
            (one.is_for(route.method) or route.method == ALL)
            and one.shape != its_shape
            and template is not None
            and one.template is not None
            and one.template.within(template)
        )
    ]


def _odd(key: str) -> Joined:
    """What there is evidence of and no service has."""
    method, _, path = key.partition(" ")
    if not path.startswith("/"):
        method, path = "", ""
    return Joined(
        key, method, path.replace("{*}", "{rest:path}").replace("{}", "{any}"), None, None
    )


def _line(route: Joined, rule: Rule | None, path: str, evidence: Mapping[Period, Tally]) -> Line:
    name, epoch = (rule.name, rule.epoch) if rule else ("", 0)
    mode: Mode = rule.mode if rule else "legacy"
    now = Tally()
    in_all: Counter[str] = Counter()
    for period, tally in evidence.items():
        in_all.update(tally.counts)
        if (period.rule, period.epoch, period.mode) == (name, epoch, mode):
            now = tally
    if mode in COMPARING:
        return Line(route, rule, path, now, now, mode, epoch, in_all)
    last = _last_compared(evidence)
    if last is None:
        return Line(route, rule, path, now, in_all=in_all)
    return Line(route, rule, path, now, evidence[last], last.mode, last.epoch, in_all)


def _last_compared(evidence: Mapping[Period, Tally]) -> Period | None:
    """The period in which answers were compared last."""
    ended = [-period.epoch for period in evidence if period.epoch < 0]

    def began(period: Period) -> int:
        """After which revision. What the file said before has minus that of its end."""
        if period.epoch > 0:
            return period.epoch
        until = -period.epoch or None
        return max((end for end in ended if until is None or end < until), default=0)

    compared = [
        period
        for period, tally in evidence.items()
        if period.mode in COMPARING and any(name.startswith("shadow ") for name in tally.counts)
    ]
    return max(compared, key=lambda one: (began(one), one.epoch), default=None)
