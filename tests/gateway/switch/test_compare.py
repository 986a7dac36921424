"""Two answers to what differs between them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.switch.compare import MISSING, Answer, Comparison, JsonRule, Rules, compare
from tests.gateway.switch.answers import JSON, answer, answers, rules, text

WITH_HEADERS = "Content-Type", "Location", "Allow", "Vary", "Cache-Control", "WWW-Authenticate"


def found(comparison: Comparison) -> list[tuple[str, str, Any, Any]]:
    return [(each.kind, each.where, *each.values) for each in comparison.differences]


# --- What holds for any answers -------------------------------------------------------------------


@given(answers, rules)
def test_an_answer_is_like_itself_whatever_the_rules(one: Answer, by: Rules) -> None:
    """And no rule is said to have been needed."""
    comparison = compare(one, one, by)
    assert comparison.outcome == "match"
    assert not comparison.differences
    assert not comparison.hits
    assert comparison.signature == ""


@given(answers, answers, rules)
def test_the_sides_do_not_matter(one: Answer, other: Answer, by: Rules) -> None:
    """Swapped answers give swapped differences, and the same in all else."""
    there, back = compare(one, other, by), compare(other, one, by)
    assert repr([(d.kind, d.where, *d.values, d.alike) for d in there.differences]) == repr(
        [(d.kind, d.where, *d.values[::-1], d.alike) for d in back.differences]
    )
    assert (there.outcome, there.signature) == (back.outcome, back.signature)
    assert there.hits == back.hits
    assert there.left_out == back.left_out


@given(answers, answers, rules)
def test_the_outcome_says_what_was_found(one: Answer, other: Answer, by: Rules) -> None:
    """A mismatch has differences and a signature, a match by rule has rules, a match nothing."""
    comparison = compare(one, other, by)
    expected = (
        "mismatch" if comparison.differences else "match by rule" if comparison.hits else "match"
    )
    assert comparison.outcome == expected
    assert bool(comparison.signature) == (expected == "mismatch")
    assert set(comparison.hits) <= {rule.name for rule in by.json} | {
        f"status {' = '.join(map(str, sorted(each)))}" for each in by.statuses
    }


# --- Status ---------------------------------------------------------------------------------------


def test_a_status_is_compared_exactly() -> None:
    """400 is not 422 unless somebody says so."""
    comparison = compare(answer(status=400), answer(status=422))
    assert found(comparison) == [("status", "", 400, 422)]


def test_a_declared_equivalence_of_statuses_is_a_match_by_rule() -> None:
    """In both directions, and for no third status."""
    by = Rules(statuses=(frozenset({400, 422}),))
    for pair in ((400, 422), (422, 400)):
        comparison = compare(answer(status=pair[0]), answer(status=pair[1]), by)
        assert comparison.outcome == "match by rule"
        assert comparison.hits == {"status 400 = 422": 1}
    assert compare(answer(status=400), answer(status=404), by).outcome == "mismatch"


def test_the_body_of_an_error_is_not_compared_with_that_of_a_success() -> None:
    """Their members would only hide that the one failed."""
    comparison = compare(answer({"id": 1}), answer({"detail": "no"}, 404))
    assert found(comparison) == [("status", "", 200, 404)]
    assert comparison.not_compared == "one is an error and the other is not"


# --- Headers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_HEADERS)
def test_a_header_that_clients_act_upon_counts(name: str) -> None:
    """Its value and whether it is there."""
    plain = Answer(200)
    one, other = (replace(plain, headers=((name.lower(), value),)) for value in ("a/a", "b/b"))
    assert found(compare(one, other)) == [("header", name, "a/a", "b/b")]
    assert found(compare(plain, other)) == [("header", name, MISSING, "b/b")]


def test_other_headers_do_not_count() -> None:
    """Date, Server and the like differ all the time."""
    one = answer(None, 200, ("Date", "now"), ("Server", "a"), ("Content-Length", "1"))
    assert compare(one, answer()).outcome == "match"


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("Content-Type", "application/json", "Application/JSON; charset=UTF-8"),
        ("Content-Type", "text/html; charset=utf-8", 'text/html;Charset="UTF-8"'),
        ("Allow", "GET, HEAD", "head,GET"),
        ("Vary", "Accept, Cookie", "cookie , accept"),
        ("Cache-Control", "no-store, max-age=0", "max-age=0,no-store"),
        ("WWW-Authenticate", 'Bearer  realm="a"', 'Bearer realm="a"'),
    ],
)
def test_headers_are_compared_by_what_they_mean(name: str, first: str, second: str) -> None:
    """Order, case and spaces do not count where HTTP says so."""
    one, other = (Answer(200, ((name, value),)) for value in (first, second))
    assert compare(one, other).outcome == "match"


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("Content-Type", "text/html", "text/html; charset=utf-8"),
        ("Content-Type", "text/html; charset=utf-8", "text/html; charset=latin-1"),
        ("Allow", "GET, HEAD", "GET"),
        ("WWW-Authenticate", 'Bearer realm="a"', 'bearer realm="A"'),
    ],
)
def test_headers_that_mean_something_else_differ(name: str, first: str, second: str) -> None:
    """What a client would notice."""
    one, other = (Answer(200, ((name, value),)) for value in (first, second))
    assert found(compare(one, other)) == [("header", name, first, second)]


LOCATIONS = [
    ("/flask/items/1", "/fastapi/items/1", True),
    ("/flask/items/1", "http://gateway.test/fastapi/items/1", True),
    ("1", "/fastapi/items/1", True),
    ("/flask", "/fastapi", True),
    ("/elsewhere", "/elsewhere", True),
    ("/flask/items/1", "/fastapi/items/2", False),
    ("/flask/items/1", "/flask/items/1", False),
    ("/flaskfoo", "/fastapifoo", False),
    ("/flask/items/1", "https://gateway.test/fastapi/items/1", False),
    ("/flask/items/1?a=1", "/fastapi/items/1", False),
]


@pytest.mark.parametrize(("first", "second", "same"), LOCATIONS)
def test_a_location_is_the_place_that_it_leads_to(first: str, second: str, same: bool) -> None:
    """Relative or not, and seen from the prefix of its own service."""
    one, other = (
        Answer(302, (("Location", value),), url=f"http://gateway.test/{p}/items/", prefix=f"/{p}")
        for value, p in ((first, "flask"), (second, "fastapi"))
    )
    assert (compare(one, other).outcome == "match") is same


# --- Cookies --------------------------------------------------------------------------------------


def cookie(*lines: str) -> Answer:
    return Answer(200, tuple(("Set-Cookie", line) for line in lines))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a=1; Path=/; HttpOnly", "a=2; httponly; path=/"),
        ("a=1; SameSite=Lax", "a=1; SameSite=lax"),
        (
            "a=1; Expires=Sun, 22 Nov 2026 10:00:00 GMT",
            "a=1; Expires=Sun, 22 Nov 2026 10:00:01 GMT",
        ),
        ("a=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "a=; max-age=0"),
        ("a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "a=; Max-Age=-1"),
    ],
)
def test_a_cookie_is_compared_by_name_and_attributes(first: str, second: str) -> None:
    """Its value, and the second in which it was made, are its own."""
    assert compare(cookie(first), cookie(second)).outcome == "match"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a=1; HttpOnly", "a=1"),
        ("a=1; Path=/", "a=1; Path=/x"),
        ("a=1; SameSite=Lax", "a=1; SameSite=Strict"),
        ("a=1; Max-Age=5", "a=1; Max-Age=6"),
        ("a=1; Expires=Sun, 22 Nov 2026 10:00:00 GMT", "a=1"),
        ("a=1; Max-Age=9", "a=; Max-Age=0"),
    ],
)
def test_an_attribute_of_a_cookie_counts(first: str, second: str) -> None:
    """It says who may have the cookie, and how long; the value is not shown."""
    comparison = compare(cookie(first), cookie(second))
    ((kind, where, *values),) = found(comparison)
    assert (kind, where) == ("header", "Set-Cookie")
    assert all(value.startswith("a=…") for value in values)


def test_a_cookie_that_one_side_does_not_set_is_a_difference() -> None:
    """Of two cookies, the one that is missing is named."""
    comparison = compare(cookie("a=secret", "b=1"), cookie("b=2"))
    assert found(comparison) == [("header", "Set-Cookie", "a=…", MISSING)]
    assert compare(cookie("a=1"), cookie(), Rules(cookies=False)).outcome == "match"


# --- Text and other bodies ------------------------------------------------------------------------


def test_text_is_compared_with_all_white_space_alike() -> None:
    """Templates of two stacks indent in two ways."""
    one = text("<p>\n   one two\n</p>\n")
    assert compare(one, text("<p> one\ttwo </p>")).outcome == "match"
    comparison = compare(one, text("<p> one three </p>"))
    assert found(comparison) == [("text", "", "<p> one two </p>", "<p> one three </p>")]


@given(st.text("ab ", max_size=300), st.text("ab ", max_size=300))
def test_a_text_s_difference_is_shown_where_it_begins(first: str, second: str) -> None:
    """Whatever the length of what is the same before it."""
    words = " ".join(first.split()), " ".join(second.split())
    comparison = compare(text(first), text(second))
    assert (comparison.outcome == "match") is (words[0] == words[1])
    for difference in comparison.differences:
        at = int(difference.why.split(" from character ")[1].split(" ")[0])
        assert words[0][:at] == words[1][:at]
        assert words[0][at : at + 1] != words[1][at : at + 1]
        for word, value in zip(words, difference.values, strict=True):
            assert word[at : at + 40] in value


def test_bodies_that_are_no_text_are_compared_byte_by_byte() -> None:
    """Without being shown."""
    one, other = (Answer(200, (("Content-Type", "image/png"),), b) for b in (b"\0 a", b"\0  a"))
    assert found(compare(one, other)) == [("text", "", "3 bytes", "4 bytes")]
    assert compare(one, one).outcome == "match"


def test_what_says_that_it_is_json_and_is_not_is_compared_as_text() -> None:
    """As a client would find out."""
    broken = Answer(200, (JSON,), b'{"a": 1')
    assert found(compare(answer({"a": 1}), broken)) == [("text", "", '{"a": 1}', '{"a": 1')]


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (Answer(206, (JSON,), b"1"), "range"),
        (Answer(200, (("Content-Type", "text/event-stream"),), b"data: 1"), "stream of events"),
        (Answer(200, (JSON,), None, "more than 1 MiB"), "more than 1 MiB"),
    ],
)
def test_streams_ranges_and_what_is_too_large_are_compared_by_status_and_headers(
    one: Answer, why: str
) -> None:
    """And it is said that the bodies were not."""
    other = replace(one, body=b"2")
    comparison = compare(one, other)
    assert comparison.outcome == "match"
    assert why in comparison.not_compared
    assert compare(one, replace(other, status=500)).outcome == "mismatch"


def test_a_rule_may_be_for_status_and_headers_only() -> None:
    """For files, whose bytes nobody wants compared."""
    comparison = compare(answer(1), answer(2), Rules(bodies=False))
    assert comparison.outcome == "match"
    assert comparison.not_compared


# --- Signatures -----------------------------------------------------------------------------------

ALIKE = [
    (({"a": 1}, {"a": 2}), ({"a": 7}, {"a": 9})),
    (([{"a": "x"}], [{"a": "y"}]), ([{"a": "x"}, {"a": "x"}], [{"a": "x"}, {"a": "z"}])),
    (({"by": {"17": "a"}}, {"by": {"17": "b"}}), ({"by": {"4": "c"}}, {"by": {"4": "d"}})),
    (([1], [1, 2]), ([1, 2, 3, 4, 5], [1, 2, 3])),
    (([{"a": 1}, {"a": 2}], [{"a": 3}, {"a": 4}]), ([{"a": 1}], [{"a": 2}])),
]
UNLIKE = [
    (({"a": 1}, {"a": 2}), ({"b": 1}, {"b": 2})),
    (({"a": 1}, {"a": "1"}), ({"a": 1}, {"a": 2})),
    (({"a": 1}, {}), ({"a": 1}, {"a": None})),
    (({"a": 1}, {"a": 2}), ({"a": 1, "b": 1}, {"a": 2, "b": 2})),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_mismatches_of_one_sort_have_one_signature(one: Any, other: Any) -> None:
    """Values, positions and how many there are do not count."""
    signatures = {compare(answer(a), answer(b)).signature for a, b in (one, other)}
    assert len(signatures) == 1


@pytest.mark.parametrize(("one", "other"), UNLIKE)
def test_mismatches_of_two_sorts_have_two_signatures(one: Any, other: Any) -> None:
    """Where it is, and what sort of difference it is, count."""
    signatures = {compare(answer(a), answer(b)).signature for a, b in (one, other)}
    assert len(signatures) == 2


def test_a_signature_stays_the_same_between_processes_and_versions() -> None:
    """Evidence is kept by it."""
    one = answer({"items": [{"price": "1.10", "a": 1, "b": 1, "c": 1}]})
    other = answer({"items": [{"price": 1.1, "a": 2, "b": "1", "c": None}]}, 201)
    assert compare(one, other).signature == "e0c0bbada9d0891b"


# --- Sizes ----------------------------------------------------------------------------------------

MANY = 20_000


def nested(inside: bytes, item: bytes = b"") -> Answer:
    return Answer(200, (JSON,), (b"[" + item) * MANY + inside + b"]" * MANY)


@pytest.mark.parametrize("item", [b"", b'{"a":1},', b"1,"])
def test_documents_of_any_depth_are_compared(item: bytes) -> None:
    """Without recursion, and the place of what differs is told by its last steps."""
    assert compare(nested(b"1", item), nested(b" 1", item)).outcome == "match"
    comparison = compare(nested(b"1", item), nested(b"2", item))
    ((kind, where, *values),) = found(comparison)
    assert (kind, values) == ("json", [1, 2])
    assert len(where) == 1000
    ignoring = compare(nested(b"1"), nested(b"2"), Rules(json=(JsonRule("ignore", "/0/*/0"),)))
    assert ignoring.outcome == "match by rule"


def test_no_more_differences_are_listed_than_can_be_looked_at() -> None:
    """The others are counted, at any depth and in little time."""
    began = time.perf_counter()
    comparison = compare(nested(b"1", b"1,"), nested(b"1", b"2,"))
    assert len(comparison.differences) == 1000
    assert comparison.left_out == MANY - 1000
    flat = compare(answer([0] * MANY), answer([1] * MANY))
    assert len(flat.differences) + flat.left_out == MANY
    # A second for all of it on a slow machine; what grew with the square would take hours.
    assert time.perf_counter() - began < 60


def test_numbers_of_any_length_are_compared() -> None:
    """Also those that Python will not read."""
    one, other = (Answer(200, (JSON,), b'{"a":' + b"1" * 9000 + e + b"}") for e in (b"1", b"2"))
    assert compare(one, replace(one, body=one.body + b" " if one.body else b"")).outcome == "match"
    assert [d.where for d in compare(one, other).differences] == ["/a"]
