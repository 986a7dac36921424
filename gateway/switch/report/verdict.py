"""Evidence about a route to whether it can be moved, with the reasons (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.histogram import quantiles
from gateway.switch.records import Mode, Side

Word = Literal["READY", "NOT YET", "MOVED", "NOTHING TO COMPARE"]

# No mismatch in n comparisons bounds their rate near 3/n with 95 % confidence (the rule of three;
# J. A. Hanley, A. Lippman-Hand, JAMA 1983): 0.1 % after 3,000.
ENOUGH: Final = 3000
MOST_ERROR_POINTS: Final = 0.1
MOST_LATENCY: Final = 1.2
# Of what should have been compared. What is left out is seldom like the rest: it is the long
# answers, the slow ones, and what came when the machine was busy.
MOST_UNCOMPARED: Final = 0.1

MOVED: Final = frozenset[Mode]({"candidate", "candidate-shadow"})
COMPARING: Final = frozenset[Mode]({"shadow", "candidate-shadow"})
_FAILURES: Final = ("5xx", "error", "timeout")
_FALLBACKS: Final = ("exception", "5xx", "timeout")
# Below so many durations a p95 is that of one request or two.
_ENOUGH_DURATIONS: Final = 100


@dataclass(frozen=True)
class Verdict:
    """Whether a route can be moved.

    Attributes:
        verdict: In a word.
        reasons: Why, and what else is to be known of it, each in a few words.
        bound: What the rate of mismatches is below, with 95 % confidence; None without comparisons.
    """

    verdict: Word
    reasons: tuple[str, ...] = ()
    bound: float | None = None


@dataclass(frozen=True)
class Facts:
    """What is known of a route.

    Attributes:
        mode: In force.
        lacking: The service that has no such route, in words; empty where both have it.
        now: The counts of this period.
        compared: Those of the last period in which answers were compared; may be `now`.
        compared_in: The mode of that period.
        repeats: Whether requests of this route may be sent to both.
        returned: Why the gateway itself gave the route back to the legacy service; empty where it
            did not.
    """

    mode: Mode
    lacking: str = ""
    now: Mapping[str, int] = field(default_factory=dict)
    compared: Mapping[str, int] = field(default_factory=dict)
    compared_in: Mode = "shadow"
    repeats: bool = True
    returned: str = ""


def verdict_of(facts: Facts) -> Verdict:
    """The verdict about a route."""
    compared = family(facts.compared, "shadow")
    number = _compared(compared)
    bound = bound_of(compared.get("mismatch", 0), number)
    against = tuple(_against(facts, compared, number))
    if facts.mode in MOVED and not facts.lacking:
        return Verdict("MOVED", (*against, *_fallbacks(facts.now)), bound)
    if facts.lacking:
        return Verdict("NOTHING TO COMPARE", (facts.lacking,), bound)
    lasting = tuple(_wanting(facts, number))
    if against or lasting:
        return Verdict("NOT YET", (*against, *lasting), bound)
    share = f"{(bound or 0) * 100:.2g} %"
    told = f"no mismatch in {number:,} comparisons: their rate is below {share}"
    return Verdict("READY", (told, *_without_bodies(facts.compared, number)), bound)


def bound_of(mismatches: int, comparisons: int) -> float | None:
    """What the rate of mismatches is below, with 95 % confidence; None without comparisons.

    The upper limit of a Poisson mean, by Byar's approximation (N. E. Breslow, N. E. Day,
    Statistical Methods in Cancer Research II, 1987, section 2.3).
    """
    if not comparisons:
        return None
    if not mismatches:
        return min(3 / comparisons, 1.0)
    more = mismatches + 1
    limit = more * (1 - 1 / (9 * more) + 1.645 / (3 * math.sqrt(more))) ** 3
    return min(limit / comparisons, 1.0)


def family(counts: Mapping[str, int], name: str) -> dict[str, int]:
    """Counts of one sort: `served legacy` gives `2xx`, `5xx` ..."""
    start = f"{name} "
    return {
        key.removeprefix(start): number
        for key, number in counts.items()
        if key.startswith(start) and number
    }


def durations(counts: Mapping[str, int], name: str) -> dict[int, int]:
    """A histogram among the counts: `latency legacy`, `paired candidate`."""
    return {int(bucket): number for bucket, number in family(counts, name).items()}


def _compared(outcomes: Mapping[str, int]) -> int:
    return sum(outcomes.get(name, 0) for name in ("match", "match by rule", "mismatch"))


def _against(facts: Facts, compared: Mapping[str, int], number: int) -> Iterator[str]:
    """What speaks against the candidate."""
    if facts.returned:
        yield f"the gateway gave it back to the legacy service: {facts.returned}"
    if differ := compared.get("mismatch", 0):
        yield f"{differ:,} of {number:,} comparisons differ{'s' * (differ == 1)}"
    yield from _errors(facts)
    yield from _latencies(facts)


def _wanting(facts: Facts, number: int) -> Iterator[str]:
    """What is not known yet."""
    if number < ENOUGH:
        yield f"{number:,} of {ENOUGH:,} comparisons"
    if not facts.repeats:
        yield (
            "its requests may not be repeated, so none is compared: repeatable = true where that "
            "does no harm, else move it by canary"
        )
    left = {**family(facts.compared, "uncompared"), **family(facts.compared, "dropped")}
    missing = sum(left.values())
    attempts = number + sum(family(facts.compared, "shadow").get(n, 0) for n in _FAILURES)
    whole = missing + attempts
    if number and missing > MOST_UNCOMPARED * whole:
        most = ", ".join(f"{name} {count:,}" for name, count in _largest(left.items()))
        yield (
            f"{_percent(missing / whole)} of the requests were not compared ({most}): "
            "the rest may not be like them"
        )


def _errors(facts: Facts) -> Iterator[str]:
    """Where the candidate fails more often than the legacy service does."""
    if facts.compared_in == "shadow":
        outcomes = family(facts.compared, "shadow")
        failed = sum(outcomes.get(name, 0) for name in ("error", "timeout"))
        attempts = failed + _compared(outcomes)
        yield from _excess(failed, attempts, *_failed(facts.compared, "legacy"), "shadow requests")
    failed, attempts = _failed(facts.now, "candidate")
    fallbacks = family(facts.now, "fallback")
    instead = sum(fallbacks.get(name, 0) for name in _FALLBACKS)
    # What the legacy service answered in the candidate's place is one of its requests, too.
    theirs = _failed(facts.now, "legacy")
    if not theirs[1]:
        theirs = _failed(facts.compared, "legacy")
    yield from _excess(failed + instead, attempts + instead, *theirs, "requests")


def _excess(failed: int, attempts: int, its: int, of_its: int, what: str) -> Iterator[str]:
    if not failed:
        return
    rate, base = failed / attempts, its / of_its if of_its else 0.0
    if (rate - base) * 100 > MOST_ERROR_POINTS:
        yield (
            f"the candidate failed {failed:,} of {attempts:,} {what}, {_percent(rate)}; "
            f"the legacy service {_percent(base)} (limit: {MOST_ERROR_POINTS} points more)"
        )


def _failed(counts: Mapping[str, int], side: Side) -> tuple[int, int]:
    """How many requests a service failed, of how many. Who left says nothing about it."""
    served = family(counts, f"served {side}")
    served.pop("left", None)
    return sum(served.get(name, 0) for name in _FAILURES), sum(served.values())


def _latencies(facts: Facts) -> Iterator[str]:
    for counts, name in ((facts.compared, "paired"), (facts.now, "latency")):
        sides = [durations(counts, f"{name} {side}") for side in ("legacy", "candidate")]
        if min(sum(side.values()) for side in sides) < _ENOUGH_DURATIONS:
            continue
        legacy, candidate = (quantiles(side, [0.95])[0] or 0.0 for side in sides)
        if candidate > MOST_LATENCY * legacy:
            yield (
                f"p95 {_milliseconds(candidate)}, {candidate / legacy:.1f} times the legacy "
                f"service's {_milliseconds(legacy)} (limit: {MOST_LATENCY} times)"
            )
            return


def _fallbacks(counts: Mapping[str, int]) -> Iterator[str]:
    found = family(counts, "fallback")
    if found:
        number = sum(found.values())
        why = ", ".join(f"{name} {count:,}" for name, count in _largest(found.items()))
        times = f"{number:,} request{'s' * (number > 1)}"
        yield f"the legacy service answered {times} in the candidate's place ({why})"


def _without_bodies(counts: Mapping[str, int], number: int) -> Iterator[str]:
    for reason, count in _largest(family(counts, "bodies").items()):
        yield f"{count:,} of {number:,} were compared without bodies: {reason}"


def _largest(counts: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(counts, key=lambda item: (-item[1], item[0]))[:3]


def _percent(share: float) -> str:
    return f"{share * 100:.2f} %" if share < 0.01 else f"{share * 100:.1f} %"  # noqa: PLR2004


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"
