"""Whether a candidate does so badly that its routes go back to the legacy service (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.histogram import quantiles
from gateway.switch.records import Side

_FAILED = ("5xx", "error", "timeout")
_FELL_BACK = ("exception", "5xx", "timeout")
# Whoever leaves says nothing about who would have answered.
_UNKNOWN = "left"
_SHARE = 0.95
# Two durations that are closer are not told apart by anybody who waits.
_LEAST_SECONDS = 0.01


@dataclass(frozen=True)
class ReturnLimits:
    """What a candidate may do worse.

    Attributes:
        requests: Nothing is decided on fewer.
        error_points: Percentage points of failures more than the legacy service has.
        latency_factor: How many times its 95th percentile.
    """

    requests: int = 100
    error_points: float = 1.0
    latency_factor: float = 2.0


def reason_to_return(
    counts: Mapping[str, int], limits: ReturnLimits, baseline: Mapping[str, int] | None = None
) -> str:
    """Why a rule goes back to the legacy service, in words; empty where it need not.

    Args:
        counts: Of the rule, since it has its mode; the names are in `evidence.py`.
        limits: What the candidate may do worse.
        baseline: Of the same rule before that. It stands for the legacy service where that had too
            few requests since: while the candidate answers everything, it has only those that the
            candidate failed.
    """
    return _failures(counts, limits, baseline or {}) or _slowness(counts, limits, baseline or {})


def attempts(counts: Mapping[str, int]) -> int:
    """How many requests the candidate was to answer, whether or not it did."""
    return _requests(counts, "candidate") + _of(counts, "fallback", _FELL_BACK)


def _failures(counts: Mapping[str, int], limits: ReturnLimits, baseline: Mapping[str, int]) -> str:
    tried = attempts(counts)
    if tried < limits.requests or not tried:
        return ""
    failed = _of(counts, "served candidate", _FAILED) + _of(counts, "fallback", _FELL_BACK)
    legacy = counts
    if _requests(counts, "legacy") < limits.requests <= _requests(baseline, "legacy"):
        legacy = baseline
    others = _requests(legacy, "legacy")
    rate = 100 * failed / tried
    usual = 100 * _of(legacy, "served legacy", _FAILED) / others if others else 0.0
    if rate <= usual + limits.error_points:
        return ""
    return (
        f"{rate:.1f} % of {tried} requests failed, {usual:.1f} % of the legacy's {others} "
        f"(limit: {_points(limits.error_points)} more)"
    )


def _slowness(counts: Mapping[str, int], limits: ReturnLimits, baseline: Mapping[str, int]) -> str:
    mine = _latencies(counts, "candidate")
    others = _latencies(counts, "legacy")
    if sum(others.values()) < limits.requests:
        others = _latencies(baseline, "legacy")
    if min(sum(mine.values()), sum(others.values())) < limits.requests:
        return ""
    (slow,), (usual,) = quantiles(mine, [_SHARE]), quantiles(others, [_SHARE])
    if slow is None or usual is None:
        return ""
    if slow <= usual * limits.latency_factor or slow - usual < _LEAST_SECONDS:
        return ""
    return (
        f"95 % of {sum(mine.values())} requests were answered within {1000 * slow:.0f} ms, "
        f"of the legacy's {sum(others.values())} within {1000 * usual:.0f} ms "
        f"(limit: {limits.latency_factor:g} times)"
    )


def _of(counts: Mapping[str, int], family: str, names: tuple[str, ...]) -> int:
    return sum(counts.get(f"{family} {name}", 0) for name in names)


def _requests(counts: Mapping[str, int], side: Side) -> int:
    family = f"served {side} "
    served = sum(number for name, number in counts.items() if name.startswith(family))
    return served - counts.get(family + _UNKNOWN, 0)


def _latencies(counts: Mapping[str, int], side: Side) -> dict[int, int]:
    family = f"latency {side} "
    return {
        int(name.removeprefix(family)): number
        for name, number in counts.items()
        if name.startswith(family)
    }


def _points(number: float) -> str:
    return f"{number:g} point{'' if number == 1 else 's'}"
