"""A report as text, for a terminal (pure)."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_WIDTH: Final = 100
_MOST_DIFFERENCES: Final = 5
_LONGEST_VALUE: Final = 60
_MOST_CHANGES: Final = 5


def heading(report: Mapping[str, Any]) -> Iterator[str]:
    """What is to be known of the switch as a whole."""
    totals = report["totals"]
    modes = ", ".join(f"{number} {mode}" for mode, number in totals["by_mode"].items())
    yield (
        f"{report['switch']}: {report['host']}{report['prefix']}, "
        f"{report['legacy']} -> {report['candidate']}, revision {report['revision']}"
    )
    yield (f"{totals['routes']} routes ({modes}); {totals['ready']} ready, {totals['moved']} moved")
    if not report["enabled"]:
        yield "switch.enabled is false: the legacy service answers everything."
    if report["killed"]:
        yield (
            "The kill switch is on: the legacy service answers everything "
            "(gateway switch set '*' rules turns it off)."
        )


def route_text(route: Mapping[str, Any]) -> Iterator[str]:
    """One route of a report, the lines below the first indented."""
    yield f"{route['route']}  {mode_of(route)}{_set(route['set'])}"
    verdict = route["verdict"]
    said = "; ".join(verdict["reasons"])
    yield from _wrapped(f"{verdict['verdict']}{': ' * bool(said)}{said}", "  ")
    yield from _indented(_counts(route), "  ")
    for one in route["mismatches"]:
        yield f"  {one['count']} x mismatch {one['signature']}, last {one['last']}"
        yield from _indented(_finding(one), "    ")
    for one in route["suggestions"]:
        yield f"  {one['count']} x noise {one['signature']}"
        yield from _indented(_proposal(one), "    ")
    for one in route["history"][:_MOST_CHANGES]:
        why = f": {one['why']}" if one["why"] else ""
        yield f"  {one['at']} {one['who']} {one['before']} -> {one['after']}{why}"


def mode_of(route: Mapping[str, Any]) -> str:
    """A route's mode, with its share: `canary 5 %`."""
    percent = f" {route['percent']:g} %" if route["mode"] == "canary" else ""
    return f"{route['mode']}{percent}"


def _set(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return ""
    why = f": {one['why']}" if one["why"] else ""
    return f" ({one['who']}, {one['at']}{why})"


def _counts(route: Mapping[str, Any]) -> Iterator[str]:
    if route["rule"]:
        yield f"rule: {route['rule']}, group {route['group']}"
    for side, classes in route["requests"].items():
        if classes:
            in_all = route["requests_in_all"][side]
            yield f"requests, {side}: {_listed(classes)} ({in_all:,} in all)"
    for name, words in (
        ("compared", "compared"),
        ("uncompared", "not compared"),
        ("dropped", "dropped"),
        ("bodies", "without bodies"),
        ("hits", "excused"),
        ("fallbacks", "legacy in the candidate's place"),
    ):
        if listed := _listed(route[name]):
            yield f"{words}: {listed}"
    yield from _sampling(route)
    for kind, sides in route["latency"].items():
        told = [f"{side} {_quantiles(of)}" for side, of in sides.items() if of["p50"] is not None]
        if told:
            yield f"{kind}, p50 / p95 / p99 in ms: {', '.join(told)}"


def _sampling(route: Mapping[str, Any]) -> Iterator[str]:
    if route["unsampled"]:
        yield f"not sampled: {route['unsampled']:,}"
    noise = route["noise"]
    if noise["asked"]:
        yield f"noise: {noise['differed']} of {noise['asked']} differed"
    if route["went_away"]:
        yield f"mismatches that went away: {route['went_away']}"


def _quantiles(of: Mapping[str, float | None]) -> str:
    return " / ".join(f"{(seconds or 0.0) * 1000:.3g}" for seconds in of.values())


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.items() if number)


def _finding(one: Mapping[str, Any]) -> Iterator[str]:
    for difference in one["differences"][:_MOST_DIFFERENCES]:
        where = " ".join(filter(None, (difference["kind"], difference["place"])))
        sides = " | ".join(_value(difference[side]) for side in ("legacy", "candidate"))
        yield f"{where}: {sides}"
    more = len(one["differences"]) - _MOST_DIFFERENCES
    if more > 0:
        yield f"and {more} more"
    yield from _proposal(one)
    yield one["sample"]["curl"]


def _proposal(one: Mapping[str, Any]) -> Iterator[str]:
    yield from _wrapped(one["explanation"], "")
    yield from one["proposal"].splitlines()


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _wrapped(text: str, indent: str) -> Sequence[str]:
    return textwrap.wrap(
        text,
        _WIDTH - 4,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _indented(lines: Iterator[str], indent: str) -> Iterator[str]:
    for line in lines:
        yield f"{indent}{line}"
