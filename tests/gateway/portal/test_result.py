"""What the portal shows of two answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.portal.in_process import Reply
from gateway.portal.question import Asked, Question
from gateway.portal.result import result

BOTH = (
    Asked("one", "gateway.test", "/one", "/one/", "http://gateway.test/one/"),
    Asked("other", "gateway.test", "/other", "/other/", "http://gateway.test/other/"),
)


def reply(body: bytes, kind: str = "application/json", **headers: str) -> Reply:
    pairs = [("content-type", kind), *headers.items()]
    named = tuple((name.replace("_", "-"), value) for name, value in pairs)
    return Reply(200, named, bytearray(body), 0.1, complete=True)


def shown(first: Reply, second: Reply) -> dict[str, Any]:
    question = Question(mounts=("one", "other"))
    document = result(question, BOTH, ([first], [second]))
    # It can be sent, and says the same to whoever reads it.
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    return document


@pytest.mark.parametrize(
    ("first", "second", "values"),
    [
        (b'{"a":null}', b"{}", ["null", None]),
        (b'{"a":"1"}', b'{"a":1}', ['"1"', "1"]),
        (b'{"a":[1,{"b":"\xc3\xa4"}]}', b'{"a":{}}', ['[1, {"b": "ä"}]', "{}"]),
        (b'{"a":NaN}', b'{"a":"\\ud800"}', ["NaN", '"\ud800"']),
    ],
)
def test_values_are_shown_as_json(first: bytes, second: bytes, values: list[str | None]) -> None:
    """What is missing is no value; null is one."""
    (difference,) = shown(reply(first), reply(second))["differences"]
    assert difference["where"] == "/a"
    assert difference["values"] == values


@pytest.mark.parametrize(
    "value", [b"[" * 50_000 + b"]" * 50_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000, b"9" * 5000]
)
def test_a_value_is_shown_by_its_beginning(value: bytes) -> None:
    """However deep it is, or long."""
    (difference,) = shown(reply(b'{"a":' + value + b"}"), reply(b'{"a":true}'))["differences"]
    beginning, other = difference["values"]
    assert len(beginning) == 301
    assert beginning.endswith("…")
    assert other == "true"


def test_differences_that_are_not_listed_are_counted() -> None:
    """In a sentence."""
    document = shown(reply(json.dumps([0] * 3000).encode()), reply(json.dumps([1] * 3000).encode()))
    assert len(document["differences"]) == 1000
    assert document["notes"] == ["There are 2000 differences more than are listed."]


def test_an_encoded_body_is_not_compared() -> None:
    """Two servers compress the same into different bytes; what to do about it is said."""
    document = shown(reply(b"\x1f\x8b1", content_encoding="gzip"), reply(b"1"))
    assert document["equal"]
    assert "leave out Accept-Encoding" in document["notes"][0]


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("text/html; charset=utf-8", "ä".encode(), "ä"),
        ("text/html; charset=ISO-8859-1", "ä".encode("latin-1"), "ä"),
        ("text/html; charset=nonsense", b"\xff", "\ufffd"),
        ("image/png", b"\xff", "\ufffd"),
    ],
)
def test_a_body_is_shown_as_text(kind: str, body: bytes, text: str) -> None:
    """In its charset, where that is one of the usual ones."""
    document = shown(reply(body, kind), reply(body, kind))
    assert document["equal"]
    assert [answer["body"] for answer in document["answers"]] == [text, text]
