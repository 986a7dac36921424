"""A switch's report as its board on the page: the routes by mode (pure)."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from gateway.switch.rules.templates import shape

Report = Mapping[str, Any]

# In the order in which a route goes through them.
_PATH: Final = ("legacy", "shadow", "canary", "candidate-shadow", "candidate")
# What is on its way stands first, what nobody has begun with last.
COLUMNS: Final = (*_PATH[1:], _PATH[0])
MEANINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "legacy": "{legacy} answers.",
        "shadow": "{legacy} answers; {candidate} is asked afterwards, and compared.",
        "canary": "{candidate} answers for a share of the users, {legacy} for the others.",
        "candidate-shadow": (
            "{candidate} answers; {legacy} is asked afterwards: the way back stays measured."
        ),
        "candidate": "{candidate} answers.",
    }
)
FILE: Final = "file"
_FAILURES: Final = ("5xx", "error", "timeout")
_NONE: Final = "\u2013"
_GAP: Final = "\u00a0"
_WHOLE: Final = 100
_MANY_NINES: Final = 99


def board(report: Report, opened: Collection[str] = (), query: str = "") -> dict[str, Any]:
    """A switch, as the page shows it.

    Args:
        report: Of the switch (`gateway.switch.report`).
        opened: The routes that are open, by `id`.
        query: Words that a route has to have to be shown.

    Returns:
        The report, with the routes that the query finds in `columns`, the shares of the modes as
        the `bar`, how many routes are `shown`, and the `modes` that a route can be given. Each
        route has its `id`, whether it is `open`, the `targets` that can be set with it, and the
        figures of its line.
    """
    routes = report["routes"]
    rules_of_groups = _rules_of_groups(routes)
    seen: Counter[str] = Counter()
    shown = []
    for route in routes:
        # The first line of a route stays the same when it is given a rule of its own.
        part = route["rule"] if seen[route["route"]] else ""
        seen[route["route"]] += 1
        shown.append(_route(report, route, part, rules_of_groups, opened))
    words = query.lower().split()
    found = [route for route in shown if all(word in _text(route) for word in words)]
    columns = [
        {
            "mode": mode,
            "meaning": MEANINGS[mode].format(**report),
            "routes": [route for route in found if route["mode"] == mode],
        }
        for mode in COLUMNS
    ]
    return {
        **report,
        "columns": columns,
        "bar": list(_bar(report["totals"])),
        "shown": len(found),
        "modes": [*_PATH, FILE],
    }


def identity(switch: str, route: str, part: str = "") -> str:
    """What a route, or one of its findings, is called among the page's elements.

    Args:
        switch: The switch's name; of a finding, the route's.
        route: The route's key, `GET /items/{}`; a finding's signature.
        part: The rule's name, where the line is for a part of the route's requests.
    """
    text = f"{switch}\0{route}\0{part}"
    return f"r{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}"


def match_rate(rate: float | None) -> str:
    """Never rounded up: what is not all of them is not 100 %."""
    if rate is None:
        return _NONE
    percent = rate * _WHOLE
    digits = 0 if percent in {0, _WHOLE} else 2 if percent >= _MANY_NINES else 1
    steps = 10**digits
    # A hair above, as 0.29 * 100 is one below.
    return f"{math.floor(percent * steps + 1e-9) / steps:.{digits}f}{_GAP}%"


def value(found: Any) -> str:
    """A value out of an answer, as JSON spells it."""
    return json.dumps(found, ensure_ascii=False, default=str)


def listed(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Counts by name, the largest first."""
    some = ((name, number) for name, number in counts.items() if number)
    return sorted(some, key=lambda item: (-item[1], item[0]))


def _route(
    report: Report,
    route: Mapping[str, Any],
    part: str,
    rules_of_groups: Mapping[str, Collection[str]],
    opened: Collection[str],
) -> dict[str, Any]:
    name = identity(report["switch"], route["route"], part)
    latency = route["latency"]
    pairs = latency["paired"]
    is_paired = all(side["p95"] is not None for side in pairs.values())
    return {
        **route,
        "id": name,
        "open": name in opened,
        "answered": {side: sum(of.values()) for side, of in route["requests"].items()},
        "failed": {
            side: sum(of.get(name, 0) for name in _FAILURES)
            for side, of in route["requests"].items()
        },
        "p95": {
            side: (pairs if is_paired else latency["served"])[side]["p95"]
            for side in ("legacy", "candidate")
        },
        "fell_back": sum(route["fallbacks"].values()),
        "classes": _classes(route["requests"].values()),
        "targets": list(_targets(route, rules_of_groups)),
        **{kind: _findings(name, route[kind]) for kind in ("mismatches", "suggestions")},
    }


def _findings(route: str, found: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Findings by what they are, and not by their place, which changes with their numbers."""
    return [{**one, "id": identity(route, one["signature"])} for one in found]


def _classes(sides: Iterable[Mapping[str, int]]) -> list[str]:
    """The status classes that either service has answered with, in order."""
    found = {name for side in sides for name in side}
    order = ("1xx", "2xx", "3xx", "4xx", *_FAILURES, "left")
    return sorted(found, key=lambda name: (order.index(name) if name in order else 99, name))


def _rules_of_groups(routes: Sequence[Mapping[str, Any]]) -> dict[str, set[str]]:
    groups: dict[str, set[str]] = {}
    for route in routes:
        if route["rule"]:
            groups.setdefault(route["group"], set()).add(route["rule"])
    return groups


def _targets(
    route: Mapping[str, Any], rules_of_groups: Mapping[str, Collection[str]]
) -> Iterator[tuple[str, str]]:
    """What can be set with a route, as (name for `set`, words), the likeliest first."""
    rule, group = route["rule"], route["group"]
    if rule:
        together = rules_of_groups[group]
        if len(together) > 1:
            yield group, f"the group {group}, {len(together)} rules"
        yield rule, f"the rule {rule}"
        if shape(rule.partition(" ")[2]) == shape(route["path"]):
            return
    if route["legacy"] or route["candidate"]:
        alone = f"{route['method']} {route['path']}"
        yield alone, f"this route alone, {alone}" if rule else f"this route, {alone}"


def _bar(totals: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The modes beside each other, each as wide as its share of 100."""
    at = 0.0
    for mode in _PATH:
        number = totals["by_mode"].get(mode, 0)
        width = _WHOLE * number / totals["routes"] if number else 0.0
        yield {"mode": mode, "number": number, "x": at, "width": width}
        at += width


def _text(route: Mapping[str, Any]) -> str:
    """What a query looks for words in."""
    words = ("route", "path", "rule", "group", "mode")
    return " ".join([*(route[name] for name in words), route["verdict"]["verdict"]]).lower()
