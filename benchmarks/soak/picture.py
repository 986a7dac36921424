"""The soak as a picture: what the server's process held, over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.soak.judge import EARLY, LATE, WARM_UP, Verdict
from benchmarks.soak.samples import Sample
from benchmarks.svg import BOLD, END, MIDDLE, curve, document, line, rectangle, text

_LEFT, _WIDTH, _RIGHT = 64, 640, 24
_TOP, _HEIGHT, _GAP = 56, 110, 34
_GREY, _COMPARED, _WARMING, _MISSED = "#666", "#eef4f9", "#f4f4f4", "#d55e00"


@dataclass(frozen=True)
class Panel:
    """One figure over time.

    Attributes:
        title: Above it.
        colour: Of its curve.
        value: Of a sample.
        judged: The name of its verdict; empty: it is only shown.
    """

    title: str
    colour: str
    value: Callable[[Sample], float]
    judged: str = ""


PANELS = (
    Panel("memory, MiB", "#0072b2", lambda s: s.resident_bytes / 1024 / 1024, "memory"),
    Panel("threads", "#009e73", lambda s: s.threads, "threads"),
    Panel("descriptors", "#e69f00", lambda s: s.descriptors, "descriptors"),
    Panel("open connections", "#56b4e9", lambda s: s.connections),
    Panel("requests running", "#bbbbbb", lambda s: s.running),
)


def picture(samples: Sequence[Sample], verdicts: Sequence[Verdict]) -> str:
    """Draw a panel for each figure, from zero; shaded: the two parts that are compared.

    Args:
        samples: At least one, in order.
        verdicts: What was made of them; their medians are drawn.
    """
    whole = max(samples[-1].seconds, 1.0)
    shapes = [
        text((8, 18), f"The gateway under mixed traffic and abuse, {whole / 60:.0f} min"),
        text(
            (8, 34),
            "Shaded: warm-up (grey), and the two parts whose medians are compared (blue).",
            fill=_GREY,
        ),
    ]
    by_name = {verdict.name: verdict for verdict in verdicts}
    y = float(_TOP)
    for panel in PANELS:
        shapes += _panel(panel, samples, whole, y, by_name.get(panel.judged))
        y += _HEIGHT + _GAP
    return document("A soak of the gateway", (_LEFT + _WIDTH + _RIGHT, y), shapes)


def _panel(
    panel: Panel, samples: Sequence[Sample], whole: float, top: float, verdict: Verdict | None
) -> list[str]:
    values = [panel.value(s) for s in samples]
    most, step = scale(max(values))
    bottom = top + _HEIGHT

    def at(seconds: float, value: float) -> tuple[float, float]:
        return _LEFT + _WIDTH * seconds / whole, bottom - _HEIGHT * value / most

    shapes = []
    for (start, end), colour in (((0, WARM_UP), _WARMING), (EARLY, _COMPARED), (LATE, _COMPARED)):
        size = (_WIDTH * (end - start), _HEIGHT)
        shapes.append(rectangle(_LEFT + _WIDTH * start, top, size, colour))
    for number in range(round(most / step) + 1):
        _, y = at(0, number * step)
        shapes.append(line((_LEFT, y), (_LEFT + _WIDTH, y), "#ddd"))
        shapes.append(text((_LEFT - 6, y + 4), f"{number * step:g}", style=END, fill=_GREY))
    minutes = whole / 60
    _, gap = scale(minutes)
    for number in range(math.floor(minutes / gap + 1e-9) + 1):
        x, _ = at(number * gap * 60, 0)
        shapes.append(text((x, bottom + 13), f"{number * gap:g} min", style=MIDDLE, fill=_GREY))
    shapes.append(
        curve([at(s.seconds, v) for s, v in zip(samples, values, strict=True)], panel.colour)
    )
    title = panel.title
    if verdict is not None:
        for (start, end), value in ((EARLY, verdict.early), (LATE, verdict.late)):
            stroke = "#222" if verdict.is_flat else _MISSED
            shapes.append(line(at(start * whole, value), at(end * whole, value), stroke, 1.5))
        flat = "" if verdict.is_flat else ", NOT FLAT"
        title = f"{title}: {verdict.early:.1f}, then {verdict.late:.1f}{flat}"
    shapes.append(text((_LEFT, top - 5), title, style=BOLD))
    return shapes


def scale(most: float) -> tuple[float, float]:
    """The end of a scale from zero that holds a value, and the round step of its marks."""
    rough = max(most, 1.0) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * nice for nice in (1, 2, 5, 10) if power * nice >= rough)
    return step * math.ceil(max(most, 1.0) / step), step
