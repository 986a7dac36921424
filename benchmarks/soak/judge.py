"""Decides whether a soak was flat. Pure: from samples and tallies to sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.peers import MEBIBYTE
from benchmarks.soak.samples import Sample
from benchmarks.soak.tally import Tally

# Of the whole time: first caches and pools fill, then the two parts that are compared.
WARM_UP = 0.2
EARLY = (WARM_UP, 0.4)
LATE = (0.8, 1.0)
_LEAST_SAMPLES = 3


class TooShortError(ValueError):
    """There are too few samples to judge by."""


@dataclass(frozen=True)
class Figure:
    """Something that has to stay flat.

    Attributes:
        name: In reports.
        unit: Of its values, as they are told.
        value: Of a sample.
        share: By how much of itself it may have grown in the end.
        slack: By how much it may differ in the end, however small it is.
        may_fall: Whether less in the end is just as well.
    """

    name: str
    unit: str
    value: Callable[[Sample], float]
    share: float
    slack: float
    may_fall: bool


FIGURES = (
    Figure("memory", "MiB", lambda s: s.resident_bytes / MEBIBYTE, 0.1, 10, may_fall=True),
    Figure("threads", "threads", lambda s: s.threads, 0, 6, may_fall=False),
    Figure("descriptors", "descriptors", lambda s: s.descriptors, 0, 15, may_fall=False),
)


@dataclass(frozen=True)
class Verdict:
    """How one figure fared.

    Attributes:
        name: The figure's.
        unit: Its unit.
        early: Its median after the warm-up.
        late: Its median at the end.
        allowed: How far it may have moved.
        is_flat: Whether it did not move further.
    """

    name: str
    unit: str
    early: float
    late: float
    allowed: float
    is_flat: bool

    def __str__(self) -> str:
        moved = self.late - self.early
        figures = f"{self.early:.1f} {self.unit} after the warm-up, {self.late:.1f} at the end"
        flat = "flat" if self.is_flat else "NOT FLAT"
        return f"{self.name}: {flat}: {figures} ({moved:+.1f}; allowed: {self.allowed:.1f})"


@dataclass(frozen=True)
class End:
    """What is left after the last of the traffic.

    Attributes:
        running: Requests that are still being answered.
        connections: That are still open, but for the one that asks.
        plain: What a plain request to each stack was answered with, by path.
        errors: What the gateway logged as an error, and how often: told, and not judged.
    """

    running: int
    connections: int
    plain: dict[str, int]
    errors: dict[str, int] = field(default_factory=dict)


def part(samples: Sequence[Sample], bounds: tuple[float, float]) -> list[Sample]:
    """The samples between two shares of the whole time."""
    whole = samples[-1].seconds
    start, end = bounds
    return [s for s in samples if start * whole <= s.seconds <= end * whole]


def verdicts(samples: Sequence[Sample]) -> list[Verdict]:
    """Compare the end with the time after the warm-up.

    Args:
        samples: Of the time with traffic, in order.

    Raises:
        TooShortError: There are too few of them.
    """
    if not samples:
        raise TooShortError("no samples were taken")
    early, late = part(samples, EARLY), part(samples, LATE)
    if min(len(early), len(late)) < _LEAST_SAMPLES:
        raise TooShortError(
            f"{len(samples)} samples are too few: {_LEAST_SAMPLES} are needed in each fifth"
        )
    return [_verdict(figure, early, late) for figure in FIGURES]


def _verdict(figure: Figure, early: Sequence[Sample], late: Sequence[Sample]) -> Verdict:
    before, after = (median(map(figure.value, some)) for some in (early, late))
    allowed = max(figure.share * before, figure.slack)
    moved = after - before
    is_flat = moved <= allowed and (figure.may_fall or moved >= -allowed)
    return Verdict(figure.name, figure.unit, before, after, allowed, is_flat)


def faults(found: Sequence[Verdict], good: Tally, abuse: Tally, end: End) -> list[str]:
    """Everything that should not be, a sentence each; none: the soak is passed."""
    said = [f"{verdict}." for verdict in found if not verdict.is_flat]
    for what, tally in (("good requests", good), ("abusers", abuse)):
        if count := tally.unexpected.total():
            kinds = ", ".join(f"{kind} ({times})" for kind, times in tally.unexpected.most_common())
            of = f"{count} of {tally.asked.total()} {what}"
            said.append(f"{of} ended otherwise than they should: {kinds}.")
    if not good.outcomes:
        said.append("No good request was answered.")
    if end.running:
        said.append(f"{end.running} requests were still running after the last one had ended.")
    if end.connections:
        said.append(f"{end.connections} connections were still open after all had left.")
    said += [
        f"After the soak {path} was answered with {status}, and not with 200."
        for path, status in end.plain.items()
        if status != 200
    ]
    return said
