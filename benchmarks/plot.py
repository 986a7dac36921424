"""The ratios as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks.peers import Bar, Figure
from benchmarks.ratios import Ratio
from benchmarks.report import Line
from benchmarks.svg import BOLD, END, MIDDLE, document, line, rectangle, text

# Told apart by people who see no difference between red and green, too (Okabe and Ito).
COLOURS: dict[Figure, str] = {
    "throughput": "#0072b2",
    "background": "#56b4e9",
    "CPU": "#e69f00",
    "p50": "#bbbbbb",
    "p99": "#009e73",
}
_MISSED = "#d55e00"
_NAMES: dict[Figure, str] = {
    "throughput": "throughput (right is better)",
    "background": "background's throughput (right is better)",
    "CPU": "CPU per answer (left is better)",
    "p99": "p99 (left is better)",
}
# Ratios beyond this are drawn to the edge: their figures are in the table.
LEAST, MOST = 0.05, 20.0
_TICKS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
_LEFT, _WIDTH, _RIGHT = 300, 520, 80
_TOP, _BAR, _GAP, _TITLE = 64, 13, 10, 26


def plot(sections: Sequence[tuple[str, Sequence[Line]]]) -> str:
    """Draw each line of each comparison as a group of bars around ratio 1, on a logarithmic scale.

    Whiskers go from the least to the greatest ratio of a single round. A tick across a bar is what
    was asked of it.
    """
    body: list[str] = []
    y = _TOP
    for name, lines in sections:
        y += _TITLE
        body.append(text((8, y - 8), name, style=BOLD))
        for beside in lines:
            bars = [(figure, beside.figures.get(figure)) for figure in _NAMES]
            drawn = [(figure, found) for figure, found in bars if found is not None]
            height = max(2, len(drawn)) * _BAR
            body.append(text((_LEFT - 10, y + height / 2 - 2), beside.names, style=END))
            body.append(
                text((_LEFT - 10, y + height / 2 + 10), beside.request, style=END, fill="#666")
            )
            for number, (figure, found) in enumerate(drawn):
                asked = next((bar for bar in beside.bars if bar.figure == figure), None)
                body += _bar(y + number * _BAR, figure, found, asked)
            y += height + _GAP
    width, height = _LEFT + _WIDTH + _RIGHT, y + 8
    shapes = [*_legend(), *_scale(y), *body]
    return document("The gateway beside its peers: ratios of medians", (width, height), shapes)


def position(value: float) -> float:
    """Where a ratio is, from left to right."""
    bounded = min(max(value, LEAST), MOST)
    return round(_LEFT + _WIDTH * math.log(bounded / LEAST) / math.log(MOST / LEAST), 1)


def _bar(y: float, figure: Figure, found: Ratio, asked: Bar | None) -> list[str]:
    one, at = position(1.0), position(found.of_medians)
    low, high, middle = position(found.low), position(found.high), y + _BAR / 2
    colour = COLOURS[figure]
    parts = [
        rectangle(min(one, at), y + 1, (max(abs(at - one), 0.5), _BAR - 2), colour),
        line((low, middle), (high, middle), "#222"),
        line((low, middle - 3), (low, middle + 3), "#222"),
        line((high, middle - 3), (high, middle + 3), "#222"),
    ]
    value, fill = f"{found.of_medians:.2f}", "#222"
    if asked is not None and asked.bound is not None:
        if not asked.holds(found.of_medians, asked.bound):
            value, fill = f"{value} missed", _MISSED
        at_bound = position(asked.bound)
        parts.append(line((at_bound, y - 1), (at_bound, y + _BAR + 1), _MISSED, width=2.5))
    parts.append(text((max(high, at, one) + 5, y + _BAR - 3), value, fill=fill))
    return parts


def _scale(bottom: float) -> list[str]:
    parts = []
    for tick in _TICKS:
        x = position(tick)
        one = tick == 1.0
        parts.append(line((x, _TOP), (x, bottom), "#222" if one else "#ddd"))
        parts.append(text((x, _TOP - 6), f"{tick:g}", style=MIDDLE))
    return parts


def _legend() -> list[str]:
    parts = []
    x = 8.0
    for figure, name in _NAMES.items():
        parts.append(rectangle(x, 10, (11, 11), COLOURS[figure]))
        parts.append(text((x + 15, 20), name))
        x += 32 + 5.6 * len(name)
    parts.append(line((x + 4, 8), (x + 4, 23), _MISSED, width=2.5))
    parts.append(text((x + 12, 20), "bar"))
    parts.append(text((8, 38), "Ratios of medians; whiskers: single rounds.", fill="#666"))
    return parts
