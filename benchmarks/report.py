"""What a person reads, and what a program reads."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from benchmarks import lookup
from benchmarks.cores import Cores
from benchmarks.lookup import LookupTimes
from benchmarks.peers import Comparison
from benchmarks.ratios import Ratio
from benchmarks.rounds import Result

_PACKAGES = (
    "uvicorn",
    "uvloop",
    "httptools",
    "starlette",
    "fastapi",
    "flask",
    "a2wsgi",
    "gunicorn",
)
# Processes that wanted a core in the minute before; above this, something else was running.
_BUSY = 0.5


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
        f"{rounds} rounds of {seconds} s a row; {facts['pinning']}; one process each",
        "no access logs; uvloop and httptools on both ASGI sides",
    ]
    load = facts["load_average_before"]
    if load > _BUSY:
        lines.append(f"note: this machine was busy before (load {load:.1f}); look at the spread")
    return "\n".join(lines)


def comparison_table(result: Result) -> str:
    """The ratios of one comparison, as a Markdown table."""
    comparison = result.comparison
    rows = [
        [
            f"GET {row.path}, {row.connections} connections",
            f"{peer.name} / {comparison.baseline.name}",
            str(throughput := result.throughput(peer, row)),
            str(result.cpu(peer, row) or "not known"),
            str(result.p50(peer, row)),
            str(result.p99(peer, row)),
            verdict(comparison, throughput),
        ]
        for row in comparison.rows
        for peer in comparison.contenders
    ]
    header = [
        "request",
        "ratio",
        "throughput",
        "CPU per answer",
        "p50",
        "p99",
        "bar for throughput",
    ]
    return table(header, rows)


def verdict(comparison: Comparison, throughput: Ratio) -> str:
    """Say whether a throughput holds the bar of its comparison."""
    if comparison.least_throughput is None:
        return "none"
    held = throughput.of_medians >= comparison.least_throughput
    return f"at least {comparison.least_throughput:.2f}: {'held' if held else 'MISSED'}"


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
    facts: dict[str, Any], results: list[Result], times: list[LookupTimes]
) -> dict[str, Any]:
    """Everything that was measured, absolute figures included, and the ratios made of it."""
    return {
        "environment": facts,
        "comparisons": [_comparison_json(result) for result in results],
        "lookup": [asdict(t) | {"to_starlette": asdict(t.to_starlette)} for t in times],
    }


def _comparison_json(result: Result) -> dict[str, Any]:
    comparison = result.comparison
    return {
        "name": comparison.name,
        "least_throughput": comparison.least_throughput,
        "measurements": [
            {"peer": asdict(peer), "row": asdict(row), "rounds": [asdict(m) for m in found]}
            for (peer, row), found in result.measurements.items()
        ],
        "ratios": [
            {
                "peer": peer.name,
                "to": comparison.baseline.name,
                "row": asdict(row),
                "throughput": asdict(result.throughput(peer, row)),
                "cpu": asdict(cpu) if (cpu := result.cpu(peer, row)) else None,
                "p50": asdict(result.p50(peer, row)),
                "p99": asdict(result.p99(peer, row)),
            }
            for row in comparison.rows
            for peer in comparison.contenders
        ],
    }
