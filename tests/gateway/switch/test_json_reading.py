"""JSON of any depth, read like any other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.switch.comparing import reading
from gateway.switch.comparing.reading import NotJson, read_json
from tests.gateway.switch.answers import documents

NOT_JSON = [
    "", " ", "[", "[1,]", "[1", "[1 2]", "{", "{}}", "[]]", "[}", "{]", "{1:2}", '{"a"}', '{"a":}',
    '{"a":1,}', '{"a":1 "b":2}', "[,1]", "nul", "01", "1.", "-", ".5", "+1", '"a', '"\\x"',
    '"a\nb"', '"\\u12"', "{'a':1}", "1 2", "\ufeff\ufeff1", "[1]x",
]  # fmt: skip


@given(documents, st.sampled_from([None, 0, 1]), st.booleans())
def test_both_readers_say_the_same(document: Any, indent: int | None, ascii_only: bool) -> None:
    """The patient one, which has a stack of its own, and Python's."""
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    assert repr(reading._read_patiently(text)) == repr(json.loads(text))


@given(documents, st.data())
def test_both_readers_refuse_the_same(document: Any, data: st.DataObject) -> None:
    """What is broken somewhere is JSON to both or to neither."""
    text = json.dumps(document, ensure_ascii=False)
    at = data.draw(st.integers(0, len(text)))
    put = data.draw(st.text('[]{},:"\\ 01-.eEtn\n', max_size=2))
    text = text[:at] + put + text[at + data.draw(st.integers(0, 2)) :]
    results = []
    for read in (json.loads, reading._read_patiently):
        try:
            results.append(repr(read(text)))
        except ValueError:
            results.append("refused")
    assert results[0] == results[1]


@pytest.mark.parametrize("text", NOT_JSON)
def test_what_is_no_json_is_refused(text: str) -> None:
    """With one kind of error."""
    with pytest.raises(NotJson):
        read_json(text.encode())


def test_json_is_in_utf_8() -> None:
    """With a byte order mark or without; nothing else is guessed."""
    assert read_json("\ufeff{}".encode()) == {}
    with pytest.raises(NotJson):
        read_json('"ä"'.encode("latin-1"))


@pytest.mark.parametrize("unit", ["[", '{"a":', '[{"a":[1,', '["\\"",'])
def test_depth_is_no_fault(unit: str) -> None:
    """Python's own reader gives up at about a thousand."""
    closing = {"[": "]", "{": "}"}
    end = "".join(closing[c] for c in reversed(unit) if c in closing)
    document = read_json(f"{unit * 20_000}1{end * 20_000}".encode())
    depth = 0
    while isinstance(document, list | dict):
        document = document["a"] if isinstance(document, dict) else document[-1]
        depth += 1
    assert document == 1
    assert depth == 20_000 * len(end)
