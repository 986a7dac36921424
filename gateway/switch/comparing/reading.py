"""JSON of any depth, read without recursion."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

_SPACE = re.compile(r"[ \t\n\r]*+")
_SCALAR = re.compile(
    r'"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+"'
    r"|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][-+]?[0-9]++)?+"
    r"|true|false|null|NaN|-?Infinity"
)

_OPENING = frozenset("[{")
_Container = list[Any] | dict[str, Any]


class NotJson(ValueError):
    """It is no JSON document."""


def read_json(body: bytes) -> Any:
    """What a JSON document says.

    Of two members of one name the last counts, as with most readers. NaN and infinities, which
    Python writes though JSON has none, are read.

    Args:
        body: In UTF-8 (RFC 8259, section 8.1).

    Raises:
        NotJson: It is none.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotJson("the body is not in UTF-8") from error
    try:
        return json.loads(text)
    except (RecursionError, ValueError):
        # Too deep, an integer of too many digits for Python, or no JSON at all.
        return _read_patiently(text)


def _read_patiently(text: str) -> Any:
    """The same, with a stack of its own."""
    open_ones: list[_Container] = []
    names: list[str] = []  # of the members that are being read, one for each open object
    at = 0
    while True:
        at = _past_space(text, at)
        value, at = (
            _read_opening(text, at) if text[at : at + 1] in _OPENING else _read_scalar(text, at)
        )
        if isinstance(value, list | dict) and text[at : at + 1] != _closing(value):
            open_ones.append(value)
            at = _read_name(text, at, value, names)
            continue
        at += isinstance(value, list | dict)
        value, at = _close(text, at, value, open_ones, names)
        if not open_ones:
            if _past_space(text, at) != len(text):
                raise NotJson(f"there is more after the document, at character {at}")
            return value


def _close(
    text: str, at: int, value: Any, open_ones: list[_Container], names: list[str]
) -> tuple[Any, int]:
    """Put a value into its container, and that, where it ends with it, into its own, and so on."""
    while open_ones:
        container = open_ones[-1]
        if isinstance(container, list):
            container.append(value)
        else:
            container[names.pop()] = value
        at = _past_space(text, at)
        following = text[at : at + 1]
        at += 1
        if following == ",":
            return value, _read_name(text, at, container, names)
        if following != _closing(container):
            raise NotJson(f"a comma or a closing bracket is missing at character {at - 1}")
        value = open_ones.pop()
    return value, at


def _read_opening(text: str, at: int) -> tuple[_Container, int]:
    return ([] if text[at] == "[" else {}), _past_space(text, at + 1)


def _closing(container: _Container) -> str:
    return "]" if isinstance(container, list) else "}"


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _read_name(text: str, at: int, container: _Container, names: list[str]) -> int:
    """Read a member's name and its colon, in an object; return where the value begins."""
    if isinstance(container, list):
        return at
    name, at = _read_scalar(text, _past_space(text, at))
    at = _past_space(text, at)
    if not isinstance(name, str) or text[at : at + 1] != ":":
        raise NotJson(f"a member's name is missing at character {at}")
    names.append(name)
    return at + 1


def _read_scalar(text: str, at: int) -> tuple[Any, int]:
    found = _SCALAR.match(text, at)
    if found is None:
        raise NotJson(f"a value is missing at character {at}")
    try:
        return json.loads(found[0]), found.end()
    except json.JSONDecodeError as error:  # an unknown escape
        raise NotJson(f"no string begins at character {at}") from error
    except ValueError:
        # Reading it as `int` takes time that grows with the square of its length.
        return Decimal(found[0]), found.end()
