"""What is kept in memory between two flushes, and that it has bounds."""

from __future__ import annotations

import json

import pytest

from gateway.switch.evidence import (
    FINDINGS_KEPT,
    NAMES_KEPT,
    OTHER_ROUTES,
    PERIODS_KEPT,
    SAMPLE_CHARACTERS,
    Evidence,
    fitting,
)
from gateway.switch.records import FindingKind, Period

PERIOD = Period("api", "GET /items/{item_id}", "GET /items/{}", 3, "canary")


def test_what_is_taken_is_all_there_was_and_the_next_begins_anew() -> None:
    """Nothing is counted twice, and nothing is lost between two flushes."""
    evidence = Evidence()
    evidence.count(PERIOD, "served legacy 2xx")
    evidence.count(PERIOD, "served legacy 2xx", 2)
    evidence.find(PERIOD, "mismatch", "abc", lambda: {"n": 1})
    taken = evidence.take()
    evidence.count(PERIOD, "served legacy 2xx")
    assert taken[PERIOD].counts == {"served legacy 2xx": 3}
    assert taken[PERIOD].findings["mismatch", "abc"].sample == {"n": 1}
    assert evidence.take()[PERIOD].counts == {"served legacy 2xx": 1}
    assert evidence.take() == {}


def test_a_sample_is_made_for_the_first_of_a_sort_alone() -> None:
    """Redacting an answer is work, and thousands of mismatches may be alike."""
    evidence = Evidence()
    made: list[int] = []

    def sample() -> dict[str, int]:
        made.append(1)
        return {"n": len(made)}

    for _ in range(3):
        evidence.find(PERIOD, "mismatch", "abc", sample)
    evidence.find(PERIOD, "noise", "abc", sample)
    findings = evidence.take()[PERIOD].findings
    assert len(made) == 2
    assert (findings["mismatch", "abc"].count, findings["noise", "abc"].count) == (3, 1)
    assert findings["mismatch", "abc"].first <= findings["mismatch", "abc"].last


def test_periods_over_the_bound_are_one_route_but_still_of_their_rule() -> None:
    """Whoever has thousands of routes keeps a bounded memory, and returns that know all counts."""
    evidence = Evidence()
    for number in range(PERIODS_KEPT + 50):
        evidence.count(PERIOD._replace(route=f"GET /{number}"), "served candidate 2xx")
    taken = evidence.take()
    assert len(taken) == PERIODS_KEPT + 1
    assert taken[PERIOD._replace(route=OTHER_ROUTES)].counts == {"served candidate 2xx": 50}


@pytest.mark.parametrize("family", ["uncompared", "bodies", "hit"])
def test_names_in_words_have_a_bound_and_those_over_it_are_counted_together(family: str) -> None:
    """A reason that holds a number of its own does not fill the memory."""
    evidence = Evidence()
    for number in range(NAMES_KEPT + 30):
        evidence.count(PERIOD, f"{family} because of {number}")
    evidence.count(PERIOD, f"{family} because of 1")
    evidence.count(PERIOD, "served legacy 2xx")
    counts = evidence.take()[PERIOD].counts
    assert len(counts) == NAMES_KEPT + 2
    assert counts[f"{family} other"] == 30
    assert counts[f"{family} because of 1"] == 2
    assert counts["served legacy 2xx"] == 1


@pytest.mark.parametrize("kind", ["mismatch", "noise"])
def test_findings_over_the_bound_are_counted_and_their_samples_not_made(kind: FindingKind) -> None:
    """A route that differs in every answer does not fill the memory."""
    evidence = Evidence()
    made: list[int] = []

    def sample() -> dict[str, int]:
        made.append(1)
        return {}

    for number in range(FINDINGS_KEPT + 7):
        evidence.find(PERIOD, kind, str(number), sample)
    tally = evidence.take()[PERIOD]
    assert len(tally.findings) == len(made) == FINDINGS_KEPT
    assert tally.counts == {f"{kind} other": 7}


def test_findings_of_all_periods_together_have_a_bound() -> None:
    """Each has a sample, and thousands of routes may differ while the database is gone."""
    evidence = Evidence()
    for route in range(60):
        period = PERIOD._replace(route=f"GET /{route}")
        for number in range(FINDINGS_KEPT):
            evidence.find(period, "mismatch", str(number), dict)
    taken = evidence.take()
    assert sum(len(tally.findings) for tally in taken.values()) == 2_000
    assert sum(tally.counts.get("mismatch other", 0) for tally in taken.values()) == 1_000


def test_what_is_given_back_is_merged_with_what_came_since() -> None:
    """A flush that failed costs nothing."""
    evidence = Evidence()
    evidence.count(PERIOD, "served legacy 2xx", 2)
    evidence.find(PERIOD, "mismatch", "abc", lambda: {"n": "older"})
    batch = evidence.take()
    first = batch[PERIOD].findings["mismatch", "abc"].first
    evidence.count(PERIOD, "served legacy 2xx", 3)
    evidence.find(PERIOD, "mismatch", "abc", lambda: {"n": "newer"})
    evidence.give_back(batch)
    tally = evidence.take()[PERIOD]
    finding = tally.findings["mismatch", "abc"]
    assert tally.counts == {"served legacy 2xx": 5}
    assert (finding.count, finding.sample, finding.first) == (2, {"n": "older"}, first)
    assert finding.last > first


def test_what_is_given_back_again_and_again_keeps_the_bounds() -> None:
    """A database may be gone for days."""
    evidence = Evidence()
    for turn in range(4):
        for number in range(PERIODS_KEPT):
            period = PERIOD._replace(route=f"GET /{turn}/{number}")
            evidence.count(period, f"uncompared {turn}")
            evidence.find(PERIOD, "mismatch", f"{turn} {number % 40}", dict)
        evidence.give_back(evidence.take())
    taken = evidence.take()
    total = sum(
        tally.counts.get(f"uncompared {n}", 0) for tally in taken.values() for n in range(4)
    )
    assert len(taken) <= PERIODS_KEPT + 1
    assert total == 4 * PERIODS_KEPT
    findings = taken[PERIOD].findings
    counted = sum(finding.count for finding in findings.values())
    assert len(findings) == FINDINGS_KEPT
    assert counted + taken[PERIOD].counts["mismatch other"] == 4 * PERIODS_KEPT


def test_a_large_sample_is_cut_until_it_fits() -> None:
    """What tells most of it stays: which request it was."""
    sample = {"target": "/items/1", "legacy": {"body": "é" * 30_000, "headers": [["a", "b"]] * 900}}
    cut = fitting(sample)
    assert len(json.dumps(cut)) <= SAMPLE_CHARACTERS
    assert cut["target"] == "/items/1"
    assert cut["legacy"]["body"].startswith("ééé")
    assert fitting({"n": 1}) == {"n": 1}
    stubborn = {str(n): {str(m): ["x" * 40] * 20 for m in range(90)} for n in range(90)}
    assert len(json.dumps(fitting(stubborn))) <= SAMPLE_CHARACTERS
