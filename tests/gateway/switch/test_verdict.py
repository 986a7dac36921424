"""Evidence to a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.histogram import bucket_of
from gateway.switch.records import MODES, Mode
from gateway.switch.report.verdict import Facts, Verdict, bound_of, durations, family, verdict_of

ENOUGH = {"shadow match": 2900, "shadow match by rule": 100, "served legacy 2xx": 4000}


def shadowed(counts: Mapping[str, int]) -> Verdict:
    return verdict_of(Facts("shadow", now=counts, compared=counts))


def slow(name: str, seconds: float, number: int = 200) -> dict[str, int]:
    return {f"{name} {bucket_of(seconds)}": number}


def test_three_thousand_comparisons_without_a_mismatch_are_enough() -> None:
    """They bound the rate of mismatches by 0.1 %."""
    verdict = shadowed(ENOUGH)
    assert verdict.verdict == "READY"
    assert verdict.bound == pytest.approx(0.001)
    assert verdict.reasons == ("no mismatch in 3,000 comparisons: their rate is below 0.1 %",)


def test_fewer_are_not() -> None:
    """However well they went."""
    verdict = shadowed({"shadow match": 1200})
    assert (verdict.verdict, verdict.reasons) == ("NOT YET", ("1,200 of 3,000 comparisons",))
    assert verdict.bound == pytest.approx(3 / 1200)


def test_without_any_there_is_no_bound() -> None:
    """And the first step is to compare."""
    assert shadowed({}) == Verdict("NOT YET", ("0 of 3,000 comparisons",), None)


def test_one_mismatch_is_too_many() -> None:
    """It is looked at and excused by a rule, or mended."""
    verdict = shadowed({**ENOUGH, "shadow mismatch": 1})
    assert verdict.verdict == "NOT YET"
    assert verdict.reasons == ("1 of 3,001 comparisons differs",)
    assert shadowed({**ENOUGH, "shadow mismatch": 2}).reasons == ("2 of 3,002 comparisons differ",)


@given(st.integers(0, 10_000), st.integers(1, 1_000_000))
def test_the_bound_is_that_of_poisson(mismatches: int, more: int) -> None:
    """To within a hundredth where it can be computed, and never below what was seen."""
    number = mismatches + more
    bound = bound_of(mismatches, number)
    assert bound is not None
    assert mismatches / number <= bound <= 1
    if mismatches < 50 and bound < 1:
        mean = bound * number
        below = sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(mismatches + 1))
        assert below == pytest.approx(0.05, abs=0.002)


@pytest.mark.parametrize(("failures", "word"), [(3, "READY"), (4, "NOT YET")])
def test_the_candidate_may_fail_a_thousandth_more_often(failures: int, word: str) -> None:
    """A tenth of a percentage point over the legacy service's own rate."""
    verdict = shadowed({**ENOUGH, "shadow error": failures - 1, "shadow timeout": 1})
    assert verdict.verdict == word
    assert any("failed 4 of 3,004 shadow requests, 0.13 %" in r for r in verdict.reasons) == (
        word == "NOT YET"
    )


def test_failures_of_the_legacy_service_are_no_reproach_to_the_candidate() -> None:
    """Whose are as many."""
    counts = {**ENOUGH, "served legacy 5xx": 80, "shadow error": 60}
    assert shadowed(counts).verdict == "READY"


def test_in_mode_candidate_shadow_it_is_the_legacy_service_that_fails() -> None:
    """It is the shadow there."""
    counts = {**ENOUGH, "shadow error": 500, "served candidate 2xx": 4000}
    verdict = verdict_of(
        Facts("candidate-shadow", now=counts, compared=counts, compared_in="candidate-shadow")
    )
    assert verdict.verdict == "MOVED"
    assert verdict.reasons == ()


@pytest.mark.parametrize(
    "failures",
    [{"served candidate 5xx": 2}, {"served candidate error": 2}, {"fallback 5xx": 2}],
)
def test_failures_of_a_canary_count(failures: Mapping[str, int]) -> None:
    """Answers and what the legacy service answered in their place; comparisons are those before."""
    now = {"served legacy 2xx": 900, "served candidate 2xx": 98, **failures}
    verdict = verdict_of(Facts("canary", now=now, compared=ENOUGH))
    assert verdict.verdict == "NOT YET"
    (reason,) = verdict.reasons
    assert "failed 2 of 100 requests, 2.0 %" in reason
    sound = {"served legacy 2xx": 900, "served candidate 2xx": 98}
    assert verdict_of(Facts("canary", now=sound, compared=ENOUGH)).verdict == "READY"


def test_no_such_route_is_no_failure_of_a_canary() -> None:
    """It is told by the inventory."""
    now = {"served candidate 2xx": 98, "fallback no such route": 50}
    assert verdict_of(Facts("canary", now=now, compared=ENOUGH)).verdict == "READY"


@pytest.mark.parametrize("name", ["paired", "latency"])
def test_the_candidate_may_take_a_fifth_longer(name: str) -> None:
    """At the p95, where there are enough durations to tell it."""
    legacy = slow(f"{name} legacy", 0.1)
    assert shadowed({**ENOUGH, **legacy, **slow(f"{name} candidate", 0.11)}).verdict == "READY"
    verdict = shadowed({**ENOUGH, **legacy, **slow(f"{name} candidate", 0.2)})
    assert verdict.verdict == "NOT YET"
    assert "times the legacy service's" in verdict.reasons[0]
    few = {**ENOUGH, **legacy, **slow(f"{name} candidate", 0.2, 99)}
    assert shadowed(few).verdict == "READY"


def test_evidence_that_leaves_much_out_is_no_evidence_for_that() -> None:
    """Long answers, for one, are seldom like short ones."""
    counts = {**ENOUGH, "uncompared answer over the cap": 300, "dropped queue full": 40}
    verdict = shadowed(counts)
    assert verdict.verdict == "NOT YET"
    (reason,) = verdict.reasons
    assert reason.startswith(
        "10.2 % of the requests were not compared (answer over the cap 300, queue full 40)"
    )
    assert shadowed({**counts, "dropped queue full": 1}).verdict == "READY"


def test_comparisons_without_bodies_are_told() -> None:
    """They say less, and may be all that there is to say."""
    verdict = shadowed({**ENOUGH, "bodies a range: status and headers only": 70})
    assert verdict.verdict == "READY"
    assert verdict.reasons[1:] == (
        "70 of 3,000 were compared without bodies: a range: status and headers only",
    )


@pytest.mark.parametrize("mode", MODES)
def test_a_route_that_the_candidate_lacks_has_nothing_to_compare(mode: Mode) -> None:
    """Even in a mode that would have the candidate answer: the legacy service does."""
    lacking = Facts(mode, "the candidate has no such route", ENOUGH, ENOUGH)
    verdict = verdict_of(lacking)
    assert verdict.verdict == "NOTHING TO COMPARE"
    assert verdict.reasons == ("the candidate has no such route",)
    moved = mode in {"candidate", "candidate-shadow"}
    assert verdict_of(replace(lacking, lacking="")).verdict == ("MOVED" if moved else "READY")


def test_fallbacks_of_a_moved_route_are_told() -> None:
    """They hide a broken route."""
    now = {"fallback 5xx": 7, "fallback exception": 1, "served legacy 2xx": 8}
    verdict = verdict_of(Facts("candidate", now=now))
    assert verdict.verdict == "MOVED"
    assert verdict.reasons[-1] == (
        "the legacy service answered 8 requests in the candidate's place (5xx 7, exception 1)"
    )


def test_what_the_gateway_gave_back_is_not_ready() -> None:
    """Until somebody says so: the comparisons of before were good and the canary was not."""
    verdict = verdict_of(Facts("legacy", compared=ENOUGH, returned="7.0 % of 200 failed"))
    assert verdict.verdict == "NOT YET"
    assert "7.0 % of 200 failed" in verdict.reasons[0]


def test_requests_that_may_not_be_repeated_are_never_compared() -> None:
    """That is told, with what to do about it."""
    verdict = verdict_of(Facts("shadow", repeats=False))
    assert verdict.verdict == "NOT YET"
    assert "repeatable = true" in verdict.reasons[1]


names = st.sampled_from(
    [
        *(f"served {s} {c}" for s in ("legacy", "candidate") for c in ("2xx", "5xx", "error")),
        *(f"shadow {o}" for o in ("match", "match by rule", "mismatch", "error", "timeout")),
        *(
            f"{f} {s} {b}"
            for f in ("paired", "latency")
            for s in ("legacy", "candidate")
            for b in (9, 90)
        ),
        "fallback 5xx",
        "uncompared the client left",
        "dropped draining",
        "bodies a range",
        "noise asked",
        "something else",
    ]
)
tallies = st.dictionaries(names, st.integers(0, 10_000))


@given(st.sampled_from(MODES), tallies, tallies, st.sampled_from(MODES))
def test_any_counts_give_a_verdict_and_only_sound_ones_ready(
    mode: Mode, now: Mapping[str, int], compared: Mapping[str, int], before: Mode
) -> None:
    """No verdict but READY and MOVED goes without a reason."""
    verdict = verdict_of(Facts(mode, now=now, compared=compared, compared_in=before))
    assert verdict.reasons or verdict.verdict == "MOVED"
    if verdict.verdict == "READY":
        assert not compared.get("shadow mismatch")
        assert verdict.bound is not None
        assert verdict.bound <= 0.001


def test_counts_are_read_by_their_family() -> None:
    """`shadow match` is not of the family `sha`, and what is 0 is not there."""
    counts = {"shadow match": 1, "shadow match by rule": 2, "shadow error": 0, "paired legacy 7": 3}
    assert family(counts, "shadow") == {"match": 1, "match by rule": 2}
    assert family(counts, "sha") == {}
    assert durations(counts, "paired legacy") == {7: 3}
