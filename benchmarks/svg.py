"""The few shapes that our pictures are made of (W3C, Scalable Vector Graphics 1.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

Point = tuple[float, float]

BOLD, MIDDLE, END = 'font-weight="bold"', 'text-anchor="middle"', 'text-anchor="end"'


def document(title: str, size: Point, shapes: Iterable[str]) -> str:
    """A picture on white, of a width and a height in pixels."""
    width, height = size
    box = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="sans-serif" font-size="11">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>',
        *shapes,
        "</svg>\n",
    ]
    return "\n".join(parts)


def rectangle(x: float, y: float, size: Point, fill: str) -> str:
    """A filled rectangle, from its upper left corner."""
    width, height = size
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:g}" fill="{fill}"/>'


def line(start: Point, end: Point, stroke: str, width: float = 1) -> str:
    """A straight line."""
    (x1, y1), (x2, y2) = start, end
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{stroke}" stroke-width="{width}"/>'


def curve(points: Sequence[Point], stroke: str) -> str:
    """Straight lines from point to point."""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{places}" fill="none" stroke="{stroke}" stroke-width="1.2"/>'


def text(at: Point, words: str, *, style: str = "", fill: str = "#222") -> str:
    """A line of text, from the left end of its baseline where the style does not say otherwise."""
    x, y = at
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" {style}>{escape(words)}</text>'
