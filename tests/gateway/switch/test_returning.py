"""When a candidate's routes go back to the legacy service."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.histogram import bucket_of
from gateway.switch.records import Mode, Period, RuleSet, RunTime, Tally
from gateway.switch.rules import Rule
from gateway.switch.run_time.returning import ReturnLimits, attempts, reason_to_return
from gateway.switch.run_time.returns import Return, Returns
from tests.gateway.switch.switches import KeptSwitch

LIMITS = ReturnLimits(requests=100, error_points=1.0, latency_factor=2.0)


def served(side: str, answered: int, failed: int = 0, word: str = "5xx") -> dict[str, int]:
    return {f"served {side} 2xx": answered, f"served {side} {word}": failed}


def latency(side: str, **requests: int) -> dict[str, int]:
    """How many requests took how long: `ms10=95`."""
    return {
        f"latency {side} {bucket_of(int(name[2:]) / 1000)}": number
        for name, number in requests.items()
    }


def test_the_reason_says_what_failed_and_what_the_limit_is() -> None:
    """Whoever is called at night reads it in the history."""
    counts = served("candidate", 186, 14) | served("legacy", 600)
    assert reason_to_return(counts, LIMITS) == (
        "7.0 % of 200 requests failed, 0.0 % of the legacy's 600 (limit: 1 point more)"
    )


@pytest.mark.parametrize(
    "failure",
    [
        "served candidate 5xx",
        "served candidate error",
        "served candidate timeout",
        "fallback exception",
        "fallback 5xx",
        "fallback timeout",
    ],
)
def test_each_way_to_fail_counts(failure: str) -> None:
    """A fallback hides a failure from the client, and not from here."""
    counts = {"served candidate 2xx": 98, failure: 2}
    assert attempts(counts) == 100
    assert "2.0 % of 100 requests failed" in reason_to_return(counts, LIMITS)


@pytest.mark.parametrize(
    "harmless", ["served candidate 4xx", "served candidate left", "fallback no such route"]
)
def test_what_is_no_failure_does_not_count(harmless: str) -> None:
    """A client's own error, a client that left, a route that was never moved."""
    assert reason_to_return({"served candidate 2xx": 200, harmless: 100}, LIMITS) == ""


def test_clients_that_left_do_not_hide_failures() -> None:
    """They are no attempts of which the candidate did well."""
    counts = {"served candidate 2xx": 98, "served candidate 5xx": 2, "served candidate left": 900}
    assert "of 100 requests" in reason_to_return(counts, LIMITS)


def test_nothing_is_decided_on_too_few_requests() -> None:
    """One error of one request is no rate."""
    assert reason_to_return(served("candidate", 0, 99), LIMITS) == ""
    assert reason_to_return({}, ReturnLimits(requests=0)) == ""
    assert reason_to_return(served("candidate", 0, 100), LIMITS) != ""


@pytest.mark.parametrize(("failed", "returns"), [(20, False), (30, False), (31, True)])
def test_failures_are_compared_with_the_legacy_services_own(failed: int, returns: bool) -> None:
    """Where both fail alike, going back mends nothing."""
    counts = served("candidate", 1000 - failed, failed) | served("legacy", 980, 20)
    assert bool(reason_to_return(counts, LIMITS)) is returns


def test_the_legacy_services_earlier_requests_stand_for_those_it_does_not_get_any_more() -> None:
    """While the candidate answers everything, the legacy service has only what failed there."""
    counts = served("candidate", 195) | {"fallback 5xx": 5} | served("legacy", 0, 5)
    assert reason_to_return(counts, LIMITS, served("legacy", 1000, 30)) == ""
    assert "0.0 % of the legacy's 1000" in reason_to_return(counts, LIMITS, served("legacy", 1000))
    # Too few of them say nothing.
    assert reason_to_return(counts, LIMITS, served("legacy", 99)) == ""


def test_a_candidate_that_is_slower_than_the_limit_goes_back() -> None:
    """The 95th percentile decides, and not some slow request."""
    candidate = served("candidate", 200)
    slow = candidate | latency("candidate", ms100=180, ms500=20) | latency("legacy", ms100=200)
    reason = reason_to_return(slow, LIMITS)
    assert "95 % of 200 requests were answered within 4" in reason
    assert "of the legacy's 200 within " in reason
    assert "(limit: 2 times)" in reason
    some = candidate | latency("candidate", ms100=195, ms500=5) | latency("legacy", ms100=200)
    assert reason_to_return(some, LIMITS) == ""


def test_a_difference_that_nobody_feels_is_none() -> None:
    """Three times a millisecond is still quick."""
    counts = served("candidate", 200) | latency("candidate", ms6=200) | latency("legacy", ms2=200)
    assert reason_to_return(counts, LIMITS) == ""
    counts = served("candidate", 200) | latency("candidate", ms30=200) | latency("legacy", ms2=200)
    assert reason_to_return(counts, LIMITS) != ""


def test_latencies_are_compared_only_where_there_are_enough_of_both() -> None:
    """The few requests that the candidate failed are no measure of the legacy service."""
    counts = served("candidate", 200) | latency("candidate", ms500=200)
    few = latency("legacy", ms10=99)
    assert reason_to_return(counts | few, LIMITS) == ""
    assert reason_to_return(counts | few, LIMITS, latency("legacy", ms400=100)) == ""
    assert reason_to_return(counts | few, LIMITS, latency("legacy", ms100=100)) != ""


RULE = Rule("/items/{item_id}", ("GET",), "canary", 5.0)
PERIOD = Period("api", RULE.name, "GET /items/{}", 0, "canary")
BAD = Tally(served("candidate", 30, 30))


def _decided(returns: Returns) -> list[Return]:
    returns.note(PERIOD, BAD)
    return returns.decide_alone({PERIOD: BAD})


def test_a_worker_alone_decides_by_what_it_has_stored_and_what_it_has_not() -> None:
    """A mode that began before the database went has counts of both sorts."""
    returns = Returns([KeptSwitch("api", RULE)], LIMITS)
    returns.note(PERIOD, BAD)
    assert returns.decide_alone({}) == []
    (decided,) = returns.decide_alone({PERIOD: BAD})
    assert decided.why.startswith("50.0 % of 120 requests failed")
    assert returns.decided == [decided]
    assert returns.decide_alone({PERIOD: BAD}) == []


def test_counts_of_another_mode_or_epoch_decide_nothing() -> None:
    """Those were of another share, or before the candidate was mended."""
    returns = Returns([KeptSwitch("api", RULE)], LIMITS)
    modes: tuple[Mode, ...] = ("candidate", "shadow")
    others = {PERIOD._replace(mode=mode): Tally(served("candidate", 0, 500)) for mode in modes}
    others[PERIOD._replace(epoch=1)] = others[PERIOD._replace(switch="other")] = BAD
    for period, tally in others.items():
        returns.note(period, tally)
    assert returns.decide_alone(others) == []
    assert returns.take_touched() == []


def test_what_was_decided_here_holds_over_what_was_set_until_that_changes() -> None:
    """A person who sets a mode after it knows better."""
    returns = Returns([KeptSwitch("api", RULE)], LIMITS)
    (decided,) = _decided(returns)
    other = RuleSet("other", "shadow", 0.0, 1, decided.at, "ann")
    run_time = RunTime(1, killed=False, rules={"other": other})
    over = returns.over("api", run_time)
    assert (over.revision, over.rules["other"]) == (1, other)
    back = over.rules[RULE.name]
    assert (back.mode, back.who, back.why) == ("legacy", "gateway", decided.why)
    assert returns.over("another", run_time) == run_time
    returns.forget_overruled({"api": run_time})
    assert returns.decided == [decided]
    newer = RuleSet(RULE.name, "candidate", 0.0, 2, decided.at, "ann")
    returns.forget_overruled({"api": RunTime(2, rules={RULE.name: newer})})
    assert returns.decided == []


def test_a_group_goes_back_together() -> None:
    """A user would meet one service for a page and the other for its form."""
    mate = Rule("/items", ("POST",), "canary", 5.0, group="items")
    alone = Rule("/other", ("GET",), "canary", 5.0, group="other")
    rule = replace(RULE, group="items")
    returns = Returns([KeptSwitch("api", rule, mate, alone)], LIMITS)
    _decided(returns)
    assert {one.place.rule for one in returns.decided} == {rule.name, mate.name}
    assert len({one.why for one in returns.decided}) == 1
    over = returns.over("api", RunTime())
    assert {name: each.mode for name, each in over.rules.items()} == {
        rule.name: "legacy",
        mate.name: "legacy",
    }
