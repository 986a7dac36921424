"""What a person reads, and what a program reads."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from benchmarks import lookup, rules
from benchmarks.cores import Cores
from benchmarks.lookup import LookupTimes
from benchmarks.peers import Bar, Comparison, Figure
from benchmarks.ratios import Ratio
from benchmarks.rounds import Result
from benchmarks.rules import RuleTimes

_PACKAGES = (
    "uvicorn",
    "uvloop",
    "httptools",
    "starlette",
    "fastapi",
    "flask",
    "a2wsgi",
    "gunicorn",
    "granian",
    "asgi-correlation-id",
    "prometheus-fastapi-instrumentator",
)
# Processes that wanted a core in the minute before; above this, something else was running.
_BUSY = 0.5
_TITLES: dict[Figure, str] = {
    "throughput": "throughput",
    "CPU": "CPU per answer",
    "p50": "p50",
    "p99": "p99",
    "background": "background's throughput",
}


@dataclass(frozen=True)
class Line:
    """A contender beside a baseline in one row.

    Attributes:
        request: What was asked.
        names: Of the contender and the baseline.
        figures: The ratios; None where one is not known.
        bars: What is asked of them.
    """

    request: str
    names: str
    figures: dict[Figure, Ratio | None]
    bars: tuple[Bar, ...] = ()


def environment(cores: Cores) -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": platform.system(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "load_average_before": os.getloadavg()[0],
        "pinning": str(cores),
        "packages": {name: version(name) for name in _PACKAGES},
    }


def heading(facts: dict[str, Any], rounds: int, seconds: int) -> str:
    """State what was the same for all peers."""
    packages = ", ".join(f"{name} {number}" for name, number in facts["packages"].items())
    lines = [
        f"{facts['python']}, {packages}",
        f"{rounds} rounds of {seconds} s a row; {facts['pinning']}; one serving process each",
        "no access logs but where it is said; uvloop and httptools on all ASGI sides",
    ]
    load = facts["load_average_before"]
    if load > _BUSY:
        lines.append(f"note: this machine was busy before (load {load:.1f}); look at the spread")
    return "\n".join(lines)


def figures_of(comparison: Comparison) -> tuple[Figure, ...]:
    """What can be told of a comparison's peers."""
    backgrounds = [peer.background for peer in comparison.peers]
    if not any(backgrounds):
        return ("throughput", "CPU", "p50", "p99")
    # Where all have one, it is part of what is compared.
    return ("throughput", "p50", "p99", *(("background",) if all(backgrounds) else ()))


def lines(result: Result) -> list[Line]:
    """All ratios of one comparison, in the order of its table."""
    comparison = result.comparison
    found = [
        Line(
            str(row),
            f"{comparison.contender.name} / {peer.name}",
            {name: result.figure(name, peer, row) for name in figures_of(comparison)},
            comparison.bars_of(peer, row),
        )
        for row in comparison.rows
        for peer in comparison.baselines
    ]
    if limit := comparison.limit:
        found.append(
            Line(
                str(limit.row),
                f"{comparison.contender.name} / limit",
                {"CPU": result.limit()},
                (Bar("limit", "CPU", limit.at_most, limit.aim),),
            )
        )
    return found


def comparison_table(result: Result) -> str:
    """The ratios of one comparison, as a Markdown table, and what there is to add."""
    names = figures_of(result.comparison)
    rows = [
        [
            line.request,
            line.names,
            *(_cell(line, name) for name in names),
            "; ".join(verdict(bar, line.figures.get(bar.figure)) for bar in line.bars) or "none",
        ]
        for line in lines(result)
    ]
    header = ["request", "ratio", *(_TITLES[name] for name in names), "bars"]
    return "\n".join([table(header, rows), *_remarks(result)])


def verdict(bar: Bar, found: Ratio | None) -> str:
    """Say whether a ratio holds its bar, by the ratio itself and not by what is printed of it."""
    said = []
    if bar.bound is not None:
        said.append(f"{bar.bound:.3g}: {_said(bar, found, bar.bound, 'held', 'MISSED')}")
    if bar.aim is not None:
        said.append(f"aim {bar.aim:.3g}: {_said(bar, found, bar.aim, 'reached', 'not reached')}")
    side = "at least" if bar.is_least else "at most"
    return f"{_TITLES[bar.figure]} {side} {', '.join(said)}"


def _said(bar: Bar, found: Ratio | None, bound: float, yes: str, no: str) -> str:
    if found is None:
        return "not known"
    return yes if bar.holds(found.of_medians, bound) else no


def _cell(line: Line, name: Figure) -> str:
    if name not in line.figures:
        return ""
    return str(line.figures[name] or "not known")


def _remarks(result: Result) -> list[str]:
    comparison = result.comparison
    remarks = [
        f"{peer.name}: at the same time {peer.background}."
        for peer in comparison.peers
        if peer.background
    ]
    remarks += [
        f"{peer.name}: at the same time one reader of {peer.stream}."
        for peer in comparison.peers
        if peer.stream
    ]
    if comparison.access_logs:
        remarks.append("access logs of all peers, each into a file.")
    if aim := comparison.p99_aim_ms:
        found = "; ".join(f"{row}: {result.p99_ms(row):.3g} ms" for row in comparison.rows)
        remarks.append(f"p99 of {comparison.contender.name} (aim: within {aim} ms): {found}.")
    if result.limits:
        remarks.append(
            "limit: CPU time of an empty ASGI answer on uvicorn plus the Flask call alone."
        )
    # A Markdown table ends at an empty line; each remark is an item of a list below it.
    return ["", *(f"- {remark}" for remark in remarks)] if remarks else []


def lookup_table(times: list[LookupTimes]) -> str:
    """The ratios of the lookup, as a Markdown table."""
    most, fewest = times[-1].mounts, times[0].mounts
    rows = [[f"{t.mounts:,} mounts", "gateway / Starlette", str(t.to_starlette)] for t in times]
    rows += [
        [name, f"{most:,} mounts / {fewest} mounts", str(growth)]
        for name, growth in (
            ("gateway", lookup.growth(times, lambda t: t.table)),
            ("Starlette", lookup.growth(times, lambda t: t.routes)),
        )
    ]
    return table(["lookup", "ratio", "time"], rows)


def rules_table(times: list[RuleTimes]) -> str:
    """The ratios of looking for rules, as a Markdown table."""
    rows = [[what, between, str(found)] for what, between, found in rules.growth(times)]
    return table(["lookup", "ratio", "time"], rows)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose columns also line up in a terminal."""
    cells = [header, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def as_json(
    facts: dict[str, Any],
    results: list[Result],
    times: list[LookupTimes],
    rule_times: list[RuleTimes],
) -> dict[str, Any]:
    """Everything that was measured, absolute figures included, and the ratios made of it."""
    return {
        "environment": facts,
        "comparisons": [_comparison_json(result) for result in results],
        "lookup": [asdict(t) | {"to_starlette": asdict(t.to_starlette)} for t in times],
        "rules": [asdict(t) for t in rule_times],
    }


def _comparison_json(result: Result) -> dict[str, Any]:
    comparison = result.comparison
    return {
        "name": comparison.name,
        "bars": [asdict(bar) for bar in comparison.bars],
        "measurements": [
            {
                "peer": asdict(peer),
                "row": asdict(row),
                "rounds": [asdict(m) for m in found],
                "background": [asdict(m) for m in result.backgrounds.get((peer, row), ())],
            }
            for (peer, row), found in result.measurements.items()
        ],
        "limit": [asdict(m) for m in result.limits],
        "ratios": [asdict(line) for line in lines(result)],
    }
