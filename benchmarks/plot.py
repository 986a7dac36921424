"""The ratios as a picture: SVG (W3C, Scalable Vector Graphics 1.1), written by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.peers import Bar, Figure
from benchmarks.ratios import Ratio
from benchmarks.report import Line

Point = tuple[float, float]

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
_BOLD, _MIDDLE, _END = 'font-weight="bold"', 'text-anchor="middle"', 'text-anchor="end"'
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
        body.append(_text((8, y - 8), name, style=_BOLD))
        for line in lines:
            bars = [(figure, line.figures.get(figure)) for figure in _NAMES]
            drawn = [(figure, found) for figure, found in bars if found is not None]
            height = max(2, len(drawn)) * _BAR
            body.append(_text((_LEFT - 10, y + height / 2 - 2), line.names, style=_END))
            body.append(
                _text((_LEFT - 10, y + height / 2 + 10), line.request, style=_END, fill="#666")
            )
            for number, (figure, found) in enumerate(drawn):
                asked = next((bar for bar in line.bars if bar.figure == figure), None)
                body += _bar(y + number * _BAR, figure, found, asked)
            y += height + _GAP
    width, height = _LEFT + _WIDTH + _RIGHT, y + 8
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">',
        "<title>The gateway beside its peers: ratios of medians</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        *_legend(),
        *_scale(y),
        *body,
        "</svg>\n",
    ]
    return "\n".join(parts)


def position(value: float) -> float:
    """Where a ratio is, from left to right."""
    bounded = min(max(value, LEAST), MOST)
    return round(_LEFT + _WIDTH * math.log(bounded / LEAST) / math.log(MOST / LEAST), 1)


def _bar(y: float, figure: Figure, found: Ratio, asked: Bar | None) -> list[str]:
    one, at = position(1.0), position(found.of_medians)
    low, high, middle = position(found.low), position(found.high), y + _BAR / 2
    colour = COLOURS[figure]
    parts = [
        _rectangle(min(one, at), y + 1, (max(abs(at - one), 0.5), _BAR - 2), colour),
        _line((low, middle), (high, middle), "#222"),
        _line((low, middle - 3), (low, middle + 3), "#222"),
        _line((high, middle - 3), (high, middle + 3), "#222"),
    ]
    value, fill = f"{found.of_medians:.2f}", "#222"
    if asked is not None and asked.bound is not None:
        if not asked.holds(found.of_medians, asked.bound):
            value, fill = f"{value} missed", _MISSED
        at_bound = position(asked.bound)
        parts.append(_line((at_bound, y - 1), (at_bound, y + _BAR + 1), _MISSED, width=2.5))
    parts.append(_text((max(high, at, one) + 5, y + _BAR - 3), value, fill=fill))
    return parts


def _scale(bottom: float) -> list[str]:
    parts = []
    for tick in _TICKS:
        x = position(tick)
        one = tick == 1.0
        parts.append(_line((x, _TOP), (x, bottom), "#222" if one else "#ddd"))
        parts.append(_text((x, _TOP - 6), f"{tick:g}", style=_MIDDLE))
    return parts


def _legend() -> list[str]:
    parts = []
    x = 8.0
    for figure, name in _NAMES.items():
        parts.append(_rectangle(x, 10, (11, 11), COLOURS[figure]))
        parts.append(_text((x + 15, 20), name))
        x += 32 + 5.6 * len(name)
    parts.append(_line((x + 4, 8), (x + 4, 23), _MISSED, width=2.5))
    parts.append(_text((x + 12, 20), "bar"))
    parts.append(_text((8, 38), "Ratios of medians; whiskers: single rounds.", fill="#666"))
    return parts


def _rectangle(x: float, y: float, size: Point, fill: str) -> str:
    width, height = size
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" fill="{fill}"/>'


def _line(start: Point, end: Point, stroke: str, width: float = 1) -> str:
    (x1, y1), (x2, y2) = start, end
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{stroke}" stroke-width="{width}"/>'


def _text(at: Point, words: str, *, style: str = "", fill: str = "#222") -> str:
    x, y = at
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" {style}>{escape(words)}</text>'
