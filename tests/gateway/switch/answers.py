"""Answers and rules to compare, also as hypothesis makes them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from gateway.switch.compare import Answer, JsonRule, RuleKind, Rules

JSON = ("Content-Type", "application/json")

names = st.text(max_size=4) | st.sampled_from(["a", "b", "~", "/", "a/b~c", "0", "*", ""])
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(
        [
            "1.10",
            "2026-11-22T10:00:00Z",
            "Sun, 22 Nov 2026 10:00:00 GMT",
            "0e4b7a3c-1f2d-4c5b-8a6e-9d0f1a2b3c4d",
        ]
    )
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)
kinds: st.SearchStrategy[RuleKind] = st.sampled_from(
    ["ignore", "unordered", "number", "uuid", "instant", "decimal"]
)
steps = st.sampled_from(["*", "a", "b", "0", "1", "~0", "a~1b~0c", ""])
json_rules = st.builds(
    JsonRule,
    kinds,
    st.lists(steps, max_size=3).map(lambda parts: "".join(f"/{part}" for part in parts)),
    key=st.sampled_from(["", "a", "id"]),
    tolerance=st.sampled_from([0.0, 0.5, 10.0]),
)
statuses = st.sampled_from([200, 201, 204, 206, 302, 400, 404, 422, 500])
rules = st.builds(
    Rules,
    statuses=st.lists(st.frozensets(statuses, min_size=2, max_size=3), max_size=2).map(tuple),
    cookies=st.booleans(),
    json=st.lists(json_rules, max_size=4).map(tuple),
    bodies=st.booleans(),
)
_VALUES = [
    ("Content-Type", "application/json"),
    ("content-type", "text/html; charset=utf-8"),
    ("Content-Type", 'text/plain; charset="nonsense'),
    ("Content-Type", "text/event-stream"),
    ("Location", "/items/1"),
    ("Location", "http://[broken/"),
    ("Vary", "Accept, Cookie"),
    ("Set-Cookie", "a=1; Path=/; HttpOnly"),
    ("Set-Cookie", "a=2; Expires=never; Max-Age=x;;=;"),
    ("Set-Cookie", ";"),
    ("Date", "now"),
]
headers = st.lists(
    st.sampled_from(_VALUES)
    | st.tuples(
        st.sampled_from(["Content-Type", "Location", "Allow", "Set-Cookie", "X-Own"]),
        st.text(st.characters(max_codepoint=255), max_size=20),
    ),
    max_size=5,
).map(tuple)


def body_of(document: Any) -> bytes:
    """A document as a service sends it."""
    return json.dumps(document).encode()


bodies = (
    st.none()
    | st.binary(max_size=30)
    | documents.map(body_of)
    | documents.map(lambda document: body_of(document)[:-1])
)
answers = st.builds(
    Answer,
    statuses,
    headers,
    bodies,
    url=st.sampled_from(["", "http://gateway.test/a/items"]),
    prefix=st.sampled_from(["", "/a"]),
)


def answer(document: Any = None, status: int = 200, *more: tuple[str, str]) -> Answer:
    """An answer of JSON."""
    return Answer(status, (JSON, *more), body_of(document))


def text(body: str, kind: str = "text/html; charset=utf-8", status: int = 200) -> Answer:
    """An answer of text."""
    return Answer(status, (("Content-Type", kind),), body.encode())
