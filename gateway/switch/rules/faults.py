"""What is wrong with the rules of a switch (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from gateway.switch.records import Mode
from gateway.switch.rules import Rule
from gateway.switch.rules.templates import BadTemplate, Template, parse, shape
from gateway.switch.rules.tree import ALL, PathTree

# Modes in which the other service is asked, too.
_SHADOWING: Final = frozenset[Mode]({"shadow", "candidate-shadow"})
_WHOLE: Final = 100
# So many are told of at once: each rule could contradict each other.
_OVERLAPS: Final = 100
_DOTS: Final = frozenset({".", ".."})
_SYNTAX = '"/items/{item_id}" or "/items/<int:item_id>"'


@dataclass(frozen=True)
class RuleFault:
    """Something wrong with a rule.

    Attributes:
        index: Its position.
        what: What is wrong.
        mend: What would be right.
    """

    index: int
    what: str
    mend: str


def faults_of(rules: Sequence[Rule]) -> list[RuleFault]:
    """What is wrong with rules by themselves and beside each other."""
    faults: list[RuleFault] = []
    sound: list[tuple[int, Rule, Template]] = []
    for index, rule in enumerate(rules):
        try:
            template = parse(rule.path)
        except BadTemplate as error:
            faults.append(RuleFault(index, f'"{rule.path}": {error}', _SYNTAX))
            continue
        found = _why_never(rule, template)
        if found:
            faults.append(RuleFault(index, *found))
        else:
            sound.append((index, rule, template))
    faults += islice(_overlaps(sound), _OVERLAPS)
    faults += _torn_groups(rules)
    return sorted(faults, key=lambda fault: fault.index)


def _why_never(rule: Rule, template: Template) -> tuple[str, str] | None:
    """Why a rule, by itself, does nothing or not what it says."""
    return _why_no_path(rule, template) or _why_no_mode(rule)


def _why_no_path(rule: Rule, template: Template) -> tuple[str, str] | None:
    path = f'"{rule.path}"'
    if not template.regular:
        return f"{path}: a parameter that takes slashes is not at its end", "one rule for each path"
    if not _DOTS.isdisjoint(rule.path.split("/")):
        return f"{path} has a dot segment, and the gateway refuses such paths", _SYNTAX
    if any(mark in shape(rule.path) for mark in "?#%"):
        return f"{path} can never match a path, which is decoded and without a query", _SYNTAX
    return None


def _why_no_mode(rule: Rule) -> tuple[str, str] | None:
    if rule.mode == "canary" and not 0 < rule.percent <= _WHOLE:
        return f"canary at {rule.percent:g} %", "percent, above 0 and up to 100"
    if rule.mode != "canary" and rule.percent:
        return f'percent = {rule.percent:g} in mode "{rule.mode}"', 'mode = "canary", or no percent'
    if rule.mode not in _SHADOWING:
        return None
    if "WEBSOCKET" in rule.methods:
        return "a WebSocket cannot be shadowed", 'methods without "WEBSOCKET"'
    if not rule.group and not any(map(rule.repeats, rule.methods or ("GET",))):
        what = f'"{rule.name}" would never be shadowed: it may not be repeated'
        return what, "repeatable = true where asking twice does no harm, or another mode"
    return None


def _torn_groups(rules: Sequence[Rule]) -> Iterator[RuleFault]:
    """Rules of one group that say different things."""
    first: dict[str, Rule] = {}
    for index, rule in enumerate(rules):
        if not rule.group:
            continue
        other = first.setdefault(rule.group, rule)
        if (other.mode, other.percent) != (rule.mode, rule.percent):
            yield RuleFault(
                index,
                f'mode "{rule.mode}", and "{other.name}" of its group "{rule.group}" '
                f'has mode "{other.mode}"' + " at another percent" * (other.mode == rule.mode),
                "one mode for a group",
            )


def _overlaps(rules: Sequence[tuple[int, Rule, Template]]) -> Iterator[RuleFault]:
    """Pairs of rules of which neither is narrower."""
    root = PathTree[list[int]]()
    seen: list[tuple[int, Rule, Template]] = []
    for place, (index, rule, template) in enumerate(rules):
        for at in sorted(chain.from_iterable(root.meeting(template.segments))):
            _, other, its = seen[at]
            inside, around = template.within(its), its.within(template)
            if not _in_common(rule, other, same=inside and around):
                continue
            if inside and around:
                what = (
                    f'"{rule.name}" stands there twice'
                    if rule.name == other.name
                    else f'"{rule.name}" matches requests that "{other.name}" matches, too'
                )
                yield RuleFault(index, what, "one rule for each request")
            elif not inside and not around:
                yield RuleFault(
                    index,
                    f'"{rule.name}" and "{other.name}" match some request in common, '
                    "and neither is narrower",
                    "paths that differ where one has a text, or a narrower rule for each",
                )
        root.at(template).setdefault(ALL, []).append(place)
        seen.append((index, rule, template))


def _in_common(rule: Rule, other: Rule, *, same: bool) -> bool:
    """Whether two rules are for a method in common, and neither is preferred for naming it.

    On the same path the one that names a method is preferred; on others the path decides.
    """
    if not rule.methods or not other.methods:
        return not same or rule.methods == other.methods
    if same:
        return not set(rule.methods).isdisjoint(other.methods)
    return not _matched(rule).isdisjoint(_matched(other))


def _matched(rule: Rule) -> set[str]:
    return {*rule.methods, "HEAD"} if "GET" in rule.methods else set(rule.methods)
