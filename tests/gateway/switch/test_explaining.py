"""Differences in words, and what is proposed about them."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.switch.compare import Answer, JsonRule, Rules, compare
from gateway.switch.evidence.redaction import Asked, sample
from gateway.switch.report.explaining import Explanation, explain, suggest
from gateway.switch.report.proposing import pattern_of, toml_of
from tests.gateway.switch.answers import answer, answers, rules, text


def sampled(first: Answer, second: Answer, by: Rules | None = None) -> dict[str, Any]:
    found: dict[str, Any] = sample(Asked("GET", "/"), (first, second), compare(first, second, by))
    return found


def explained(first: Answer, second: Answer, by: Rules | None = None) -> Explanation:
    return explain(sampled(first, second, by), by)


def read(proposal: str) -> Rules:
    """The rules that a proposal says, read as the configuration reads them."""
    table = tomllib.loads(proposal)["mounts"]["rules"]["compare"] if proposal else {}
    assert set(table) <= {"statuses", "headers", "cookies", "bodies", "json"}
    return Rules(
        tuple(frozenset(statuses) for statuses in table.get("statuses", ())),
        tuple(table.get("headers", Rules().headers)),
        table.get("cookies", True),
        tuple(JsonRule(**each) for each in table.get("json", ())),
        table.get("bodies", True),
    )


# Each: what the legacy service says, what the candidate says, and the rule that excuses it.
EXCUSED = {
    "a datetime": (
        {"items": [{"at": "Sun, 22 Nov 2026 10:00:00 GMT"}]},
        {"items": [{"at": "2026-11-22T10:00:00Z"}]},
        JsonRule("instant", "/items/*/at"),
    ),
    "a Decimal": ({"price": "1.10"}, {"price": 1.1}, JsonRule("decimal", "/price")),
    "an integer as a float": ({"n": [0, 1]}, {"n": [0, 1.0]}, JsonRule("number", "/n/*")),
    "a UUID": (
        {"id": "0e4b7a3c-1f2d-4c5b-8a6e-9d0f1a2b3c4d"},
        {"id": "1e4b7a3c-1f2d-4c5b-8a6e-9d0f1a2b3c4d"},
        JsonRule("uuid", "/id"),
    ),
    "rounding": (
        {"sum": 0.1 + 0.2},
        {"sum": 0.3},
        JsonRule("number", "/sum", tolerance=6e-10),
    ),
    "the time of the answer": (
        {"as_of": "2026-11-22T10:00:00.1+00:00"},
        {"as_of": "Sun, 22 Nov 2026 10:00:03 GMT"},
        JsonRule("ignore", "/as_of"),
    ),
    "an order of values": (
        {"tags": ["a", "b"]},
        {"tags": ["b", "a"]},
        JsonRule("unordered", "/tags"),
    ),
    "an order of objects": (
        {"items": [{"id": 1, "n": "x"}, {"id": 2, "n": "y"}, {"id": 3, "n": "x"}]},
        {"items": [{"id": 3, "n": "x"}, {"id": 1, "n": "x"}, {"id": 2, "n": "y"}]},
        JsonRule("unordered", "/items", key="id"),
    ),
    "an order of the whole": ([3, 1], [1, 3], JsonRule("unordered", "")),
}


@pytest.mark.parametrize("case", EXCUSED)
def test_what_says_the_same_in_another_way_is_excused(case: str) -> None:
    """By a rule for all places alike, which does excuse it when it is there."""
    legacy, candidate, rule = EXCUSED[case]
    found = explained(answer(legacy), answer(candidate))
    assert found.text
    proposed = read(found.proposal)
    assert proposed == Rules(json=(rule,))
    assert compare(answer(legacy), answer(candidate), proposed).outcome == "match by rule"


@pytest.mark.parametrize("pair", [(400, 422), (404, 422), (415, 422), (308, 307)])
def test_statuses_that_say_the_same_may_stand_for_each_other(pair: tuple[int, int]) -> None:
    """As a set of two."""
    found = explained(Answer(pair[0]), Answer(pair[1]))
    assert read(found.proposal) == Rules(statuses=(frozenset(pair),))
    assert f"{pair[0]} and {pair[1]}" in found.text


# Each: the two answers, and words of what has to be done in the candidate.
MENDED = {
    "redirect()": (Answer(302), Answer(307), "status_code=302"),
    "HEAD": (Answer(200), Answer(405), 'methods=["GET", "HEAD"]'),
    "a negative integer": (answer({}, 404), answer({}, 200), "{name:int}"),
    "a parameter": (answer({}, 200), answer({}, 422), "str | None"),
    "an unknown failure": (answer({}, 200), answer({}, 503), "its log"),
    "an old failure": (answer({}, 500), answer({}, 200), "legacy service fails"),
    "created": (answer({}, 201), answer({}, 200), "status_code=201"),
    "an unknown refusal": (answer({}, 410), answer({}, 418), "has to be looked at"),
    "a returned text": (text("Hello"), answer("Hello"), "response_class=HTMLResponse"),
    "a page of error": (
        text("<h1>Not Found</h1>", status=404),
        answer({"detail": "Not Found"}, 404),
        "app.exception_handler",
    ),
    "a JSON error": (
        answer({"error": "no such item"}, 404),
        answer({"detail": "Not Found"}, 404),
        "app.exception_handler",
    ),
    "an exception": (
        text("<h1>Internal Server Error</h1>", status=500),
        text("Internal Server Error", "text/plain", 500),
        "a handler for Exception",
    ),
    "a refused body": (
        answer({"error": "bad"}, 422),
        answer({"detail": [{"loc": ["body"], "input": 1}]}, 422),
        "repeats the input",
    ),
    "a left out member": (answer({"a": 1, "b": 2}), answer({"a": 1}), "drops what it does not"),
    "an added null": (answer({}), answer({"b": None}), "response_model_exclude_none"),
    "an added member": (answer({}), answer({"b": 2}), "response_model_exclude_unset"),
    "null for a value": (answer({"a": 1}), answer({"a": None}), "null in one"),
    "another value": (answer({"a": "x"}), answer({"a": "y"}), "computes another"),
    "another date": (
        answer({"at": "2026-11-22T10:00:00"}),
        answer({"at": "2026-11-22T10:01:00"}),
        "computes another",
    ),
    "another text": (text("a"), text("b"), "two texts"),
    "a session that was read": (
        answer({}, 200, ("Vary", "Cookie")),
        answer({}),
        "Flask adds Cookie",
    ),
    "a header of its own": (
        answer({}, 200, ("Cache-Control", "no-store")),
        answer({}),
        "Cache-Control",
    ),
    "a cookie": (answer({}, 200, ("Set-Cookie", "a=1; Path=/")), answer({}), "Set-Cookie"),
}


@pytest.mark.parametrize("case", MENDED)
def test_what_a_client_would_see_is_mended_in_the_candidate(case: str) -> None:
    """No rule is proposed that would hide it."""
    first, second, words = MENDED[case]
    found = explained(first, second)
    assert words in found.text
    assert found.proposal == ""


def test_the_words_of_an_error_may_differ() -> None:
    """The status says what it is; of another form of error, a client may depend on it."""
    first, second = answer({"detail": "Not Found"}, 404), answer({"detail": "No item"}, 404)
    found = explained(first, second)
    assert read(found.proposal) == Rules(json=(JsonRule("ignore", "/detail"),))


def test_what_is_for_caches_may_differ_but_for_sessions() -> None:
    """An answer to one user must never be kept for another."""
    first, second = answer({}, 200, ("Vary", "Accept")), answer({})
    proposed = read(explained(first, second).proposal)
    assert "Vary" not in proposed.headers
    assert compare(first, second, proposed).outcome == "match"
    first = answer({}, 200, ("Vary", "Accept, Cookie"))
    assert explained(first, second).proposal == ""


def test_an_order_is_none_where_items_differ_besides() -> None:
    """Then it is two values."""
    found = explained(answer([1, 2]), answer([2, 3]))
    assert found.proposal == ""
    found = explained(answer([1, 2]), answer([2, 1, 1]))
    assert found.proposal == ""


def test_what_is_excused_and_what_is_mended_are_told_together() -> None:
    """And that the rule is not for all of it."""
    found = explained(answer({"price": "1.10", "n": 1}), answer({"price": 1.1, "n": 2}))
    assert read(found.proposal) == Rules(json=(JsonRule("decimal", "/price"),))
    assert "the rest is to be mended" in found.text


def test_a_proposal_has_what_the_rule_says_already() -> None:
    """It is pasted in the place of the rule's table."""
    present = Rules(
        (frozenset({400, 422}),), ("Content-Type",), cookies=False, json=(JsonRule("ignore", "/a"),)
    )
    found = explained(answer({"price": "1.10"}), answer({"price": 1.1}), present)
    expected = Rules(
        present.statuses,
        present.headers,
        cookies=False,
        json=(JsonRule("ignore", "/a"), JsonRule("decimal", "/price")),
    )
    assert read(found.proposal) == expected


def test_noise_is_excused_where_it_stands() -> None:
    """A place in a document, a header, the cookies; a status never."""
    at = Rules(json=(JsonRule("ignore", "/at"),))
    found = suggest(sampled(answer({"at": "a"}), answer({"at": "b"})))
    assert read(found.proposal) == at
    assert found.text.startswith("The legacy service does not answer the same twice.")
    found = suggest(sampled(answer({}, 200, ("Vary", "a")), answer({}, 200, ("Set-Cookie", "a=1"))))
    assert read(found.proposal) == Rules(
        headers=tuple(name for name in Rules().headers if name != "Vary"), cookies=False
    )
    assert suggest(sampled(answer({}, 200), answer({}, 500))).proposal == ""
    assert suggest(sampled(text("a"), text("b"))).proposal == ""
    assert suggest(sampled(answer(1), answer(2))).proposal == ""


def test_noise_that_has_a_rule_of_its_own_gets_that() -> None:
    """It says more than to ignore everything."""
    one, other = (f"{digit}e4b7a3c-1f2d-4c5b-8a6e-9d0f1a2b3c4d" for digit in "12")
    found = suggest(sampled(answer({"id": one}), answer({"id": other})))
    assert read(found.proposal) == Rules(json=(JsonRule("uuid", "/id"),))


@given(answers, answers, rules)
def test_whatever_differs_is_explained(first: Answer, second: Answer, by: Rules) -> None:
    """In words, with a proposal that can be read or none."""
    example = sampled(first, second, by)
    for found in (explain(example, by), suggest(example, by)):
        assert bool(found.text) or not example["differences"]
        read(found.proposal)


@given(rules)
def test_rules_are_written_as_the_configuration_reads_them(by: Rules) -> None:
    """All of them."""
    assert read(toml_of(by)) == by


@given(st.recursive(st.none() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_a_broken_example_breaks_nothing(example: Any) -> None:
    """It comes from a database."""
    broken = example if isinstance(example, dict) else {"differences": [example]}
    explain({**broken, "differences": [broken, {"kind": "json"}, {"kind": "status"}]})
    suggest(broken)


def test_positions_and_numbers_are_one_of_many() -> None:
    """And items of an unordered list by their key."""
    assert pattern_of("/items/12/tags/id=3/name") == "/items/*/tags/*/name"
    assert pattern_of("/by/0e4b7a3c-1f2d-4c5b-8a6e-9d0f1a2b3c4d") == "/by/*"
    assert pattern_of("") == ""


def test_many_differences_are_told_in_a_few_sentences() -> None:
    """The rest is counted."""
    first = {f"m{number}": number for number in range(50)}
    second = {name: value + 100 for name, value in first.items()}
    assert "And " in explained(answer(first), answer(second)).text
    assert len(explained(answer(first), answer(second)).text) < 1000
