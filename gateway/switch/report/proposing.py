"""Rules of comparing as the text of a configuration, and rules with others added (pure)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from gateway.switch.compare import ALLOWED, JsonRule, Rules
from gateway.switch.comparing.rules import ANY

_INDEX = re.compile(r"[0-9]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# How the items of an unordered list are called in places: by the member that tells them apart.
_KEYED = re.compile(r"\w*=.*", re.DOTALL)


@dataclass(frozen=True)
class Addition:
    """What a difference would be excused by.

    Attributes:
        statuses: Statuses that stand for each other; empty for none.
        json: A rule for a place.
        header: A header that would no longer count; empty for none.
        cookies: Whether cookies count.
    """

    statuses: frozenset[int] = frozenset()
    json: JsonRule | None = None
    header: str = ""
    cookies: bool = True


def with_additions(present: Rules, additions: Iterable[Addition]) -> Rules:
    """The rules, and what is added to them."""
    rules = present
    for one in additions:
        if one.statuses and one.statuses not in rules.statuses:
            rules = replace(rules, statuses=(*rules.statuses, one.statuses))
        if one.json is not None and one.json not in rules.json:
            rules = replace(rules, json=(*rules.json, one.json))
        if one.header:
            left = tuple(name for name in rules.headers if name.lower() != one.header.lower())
            rules = replace(rules, headers=left)
        if not one.cookies:
            rules = replace(rules, cookies=False)
    return rules


def toml_of(rules: Rules) -> str:
    """The table `[mounts.rules.compare]` that says these rules; empty where the default does."""
    lines = list(_lines(rules))
    return "\n".join(["[mounts.rules.compare]", *lines]) if lines else ""


def pattern_of(place: str) -> str:
    """A place in one document as a pointer for all alike: positions and numbers become `*`."""
    steps = place.split("/")
    return "/".join(
        ANY if _INDEX.fullmatch(step) or _KEYED.fullmatch(step) else step for step in steps
    )


def _lines(rules: Rules) -> Iterator[str]:
    if rules.statuses:
        yield f"statuses = {json.dumps([sorted(statuses) for statuses in rules.statuses])}"
    if rules.headers != ALLOWED:
        yield f"headers = [{', '.join(map(_text, rules.headers))}]"
    if not rules.cookies:
        yield "cookies = false"
    if not rules.bodies:
        yield "bodies = false"
    if rules.json:
        yield "json = ["
        yield from (f"    {_table(rule)}," for rule in rules.json)
        yield "]"


def _table(rule: JsonRule) -> str:
    members = [f"kind = {_text(rule.kind)}", f"pointer = {_text(rule.pointer)}"]
    if rule.key:
        members.append(f"key = {_text(rule.key)}")
    if rule.tolerance:
        members.append(f"tolerance = {rule.tolerance!r}")
    return f"{{ {', '.join(members)} }}"


def _text(text: str) -> str:
    """A basic string of TOML's, which is JSON's but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
