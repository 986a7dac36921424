"""Two JSON documents to their differences, in time that grows with their size and at any depth."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gateway.switch.comparing.differences import MISSING, Difference, Findings, pair
from gateway.switch.comparing.rules import ANY, JsonRule, Places, one_step
from gateway.switch.comparing.values import (
    are_same_instant,
    are_uuids,
    is_number,
    is_same,
    is_same_decimal,
    type_name,
)

# A place that is deeper is told by its last steps: whole, a thousand such would be longer than the
# document.
_DEEPEST = 500
# A member whose name is a number or a UUID is one of many alike.
_NUMBERED = re.compile(r"[0-9]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(slots=True, eq=False, repr=False)
class _Step:
    """The way to a place: the last step, and the way to where it begins."""

    before: _Step | None
    name: str
    of_list: bool


@dataclass(slots=True, eq=False, repr=False)
class _Both:
    """The same place in both documents, what is there, and the rules that lead on from it."""

    first: Any
    second: Any
    way: _Step | None
    places: Places
    ignored: str = ""


def compare_documents(first: Any, second: Any, places: Places, findings: Findings) -> None:
    """Find what differs.

    Args:
        first: A JSON document, read.
        second: Another.
        places: Where the rules begin.
        findings: What is found goes there. A member or an item that only one document has is one
            difference, at its own place, and the items by which one list is longer are one.
    """
    pending = [_Both(first, second, None, places)]
    while pending:
        both = pending.pop()
        ignored = both.ignored or _ignoring(both.places)
        if ignored:
            both = _Both(both.first, both.second, both.way, (), ignored)
        if isinstance(both.first, dict) and isinstance(both.second, dict):
            _open_objects(both, pending)
        elif isinstance(both.first, list) and isinstance(both.second, list):
            _open_lists(both, pending, findings)
        elif not is_same(both.first, both.second):
            _tell(both, findings)


def _open_objects(both: _Both, pending: list[_Both]) -> None:
    # In one order, whichever document is the first; the last is looked at first.
    for name in sorted(both.first.keys() | both.second.keys(), reverse=True):
        values = both.first.get(name, MISSING), both.second.get(name, MISSING)
        _push(both, name, values, pending, of_list=False)


def _open_lists(both: _Both, pending: list[_Both], findings: Findings) -> None:
    for place in both.places:
        for rule in place.rules:
            if rule.kind == "unordered" and _open_unordered(both, rule, pending, findings):
                return
    shared = min(len(both.first), len(both.second))
    _tell_rest(both, shared, findings)
    for index in range(shared - 1, -1, -1):
        _push(both, str(index), (both.first[index], both.second[index]), pending, of_list=True)


def _push(
    both: _Both, name: str, values: tuple[Any, Any], pending: list[_Both], *, of_list: bool
) -> None:
    if is_same(*values):
        return
    way = _Step(both.way, name, of_list)
    places = one_step(both.places, name) if both.places else ()
    pending.append(_Both(*values, way, places, both.ignored))


def _tell_rest(both: _Both, shared: int, findings: Findings) -> None:
    """What one list has beyond the other's end."""
    longer = both.first if len(both.first) > shared else both.second
    rest = len(longer) - shared
    if not rest:
        return
    if both.ignored:
        findings.excuse(both.ignored)
        return
    told = range(shared, len(longer))
    if both.places:
        told_of = []
        for index in told:
            if rule := _ignoring(one_step(both.places, str(index))):
                findings.excuse(rule)
            else:
                told_of.append(index)
        if not told_of:
            return
        rest, index = len(told_of), told_of[0]
    else:
        index = shared
    values = (longer[index], MISSING) if longer is both.first else (MISSING, longer[index])
    way = _Step(both.way, str(index), of_list=True)
    side = "first" if longer is both.first else "second"
    why = f"only in the {side}: {rest} item{'s' * (rest > 1)} more"
    findings.add(Difference("json", _pointer(way), values, why, f"{_general(way)} item missing"))


def _open_unordered(both: _Both, rule: JsonRule, pending: list[_Both], findings: Findings) -> bool:
    """Compare a list's items by their keys; False where they cannot be told apart by them."""
    sides = _keyed(both.first, rule.key), _keyed(both.second, rule.key)
    first, second = sides
    if first is None or second is None:
        return False
    orders = [name for name in first if name in second], [name for name in second if name in first]
    if list(first) == list(second):
        return False  # then their positions say the same
    if orders[0] != orders[1]:
        findings.excuse(rule.name)
    for name in sorted(first.keys() | second.keys(), reverse=True):
        values = first.get(name, MISSING), second.get(name, MISSING)
        _push(both, f"{rule.key}={name[0]}", values, pending, of_list=True)
    return True


def _keyed(items: list[Any], key: str) -> dict[tuple[str, int], Any] | None:
    """Items by their key as JSON and by how many have had it before; None where one has none."""
    seen: Counter[str] = Counter()
    found: dict[tuple[str, int], Any] = {}
    for item in items:
        value = item.get(key, MISSING) if key and isinstance(item, dict) else item
        if value is MISSING or isinstance(value, dict | list):
            return None
        # As JSON, 1, 1.0, true and "1" are four.
        text = str(value) if isinstance(value, Decimal) else json.dumps(value)
        found[text, seen[text]] = item
        seen[text] += 1
    return found


def _ignoring(places: Places) -> str:
    for place in places:
        for rule in place.rules:
            if rule.kind == "ignore":
                return rule.name
    return ""


def _tell(both: _Both, findings: Findings) -> None:
    """List what differs here, or count it for the rule that excuses it."""
    first, second = both.first, both.second
    if both.ignored:
        findings.excuse(both.ignored)
        return
    for place in both.places:
        for rule in place.rules:
            if rule.excuses(first, second):
                findings.excuse(rule.name)
                return
    why, sort = _reason(first, second)
    where = "" if findings.full else _pointer(both.way)
    alike = "" if findings.full else f"{_general(both.way)} {sort}"
    findings.add(Difference("json", where, (first, second), why, alike))


def _reason(first: Any, second: Any) -> tuple[str, str]:
    """Why two values differ, in words, and the sort of that, which has no sides."""
    names = type_name(first), type_name(second)
    if first is MISSING or second is MISSING:
        return f"only in the {'second' if first is MISSING else 'first'}", "missing"
    if names[0] == names[1] == "a string":
        return _reason_of_strings(first, second)
    if is_same_decimal(first, second):
        return f"one number, as {names[0]} and as {names[1]}", "decimal"
    if is_number(first) and is_number(second):
        same = "one number, as two types" if first == second else "two numbers"
        return same if names[0] == names[1] else f"{same}: {names[0]} and {names[1]}", "number"
    if names[0] == names[1]:
        return f"two values, each {names[0]}", names[0]
    return f"{names[0]} and {names[1]}", pair(names)


def _reason_of_strings(first: str, second: str) -> tuple[str, str]:
    if are_same_instant(first, second):
        return "one instant, written in two ways", "instant"
    if are_uuids(first, second):
        return "two UUIDs", "uuid"
    return "two strings", "a string"


def _steps(way: _Step | None) -> list[_Step]:
    steps: list[_Step] = []
    while way is not None and len(steps) < _DEEPEST:
        steps.append(way)
        way = way.before
    return steps[::-1]


def _pointer(way: _Step | None) -> str:
    """The place as JSON Pointer. An item of an unordered list is named `key=value`."""
    return "".join(f"/{_escaped(step.name)}" for step in _steps(way))


def _general(way: _Step | None) -> str:
    """The place without what is one of many: positions, and names that are numbers or UUIDs."""
    return "".join(
        f"/{ANY}" if step.of_list or _NUMBERED.fullmatch(step.name) else f"/{_escaped(step.name)}"
        for step in _steps(way)
    )


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
