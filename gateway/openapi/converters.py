"""Werkzeug's converters as JSON Schema (pure)."""

from __future__ import annotations

import re
from typing import Any

from werkzeug.routing.converters import (
    AnyConverter,
    BaseConverter,
    FloatConverter,
    IntegerConverter,
    NumberConverter,
    PathConverter,
    UnicodeConverter,
    UUIDConverter,
)

from gateway.openapi.nodes import Node

# How `UnicodeConverter` keeps its lengths.
_LENGTHS = re.compile(r"\[\^/\]\{(\d+)(,)?(\d*)\}")
# Python's own syntax, which ECMA-262, the dialect of JSON Schema, reads otherwise or not at all.
_OF_PYTHON = re.compile(r"\(\?(?![:=!])|\\[AZ]|[*+?}]\+")


def parameter(name: str, converter: BaseConverter) -> Node:
    """The path parameter that a converter reads."""
    schema, note = _schema(converter)
    found: Node = {"name": name, "in": "path", "required": True}
    if note:
        found["description"] = note
    return {**found, "schema": schema}


def _schema(converter: BaseConverter) -> tuple[Node, str]:
    match converter:
        case NumberConverter():
            return _number(converter)
        case UUIDConverter():
            return {"type": "string", "format": "uuid"}, ""
        case AnyConverter():
            return {"type": "string", "enum": sorted(converter.items)}, ""
        case PathConverter():
            return {"type": "string"}, "May have slashes in it."
        case UnicodeConverter():
            return {"type": "string", **_lengths(converter.regex)}, ""
    schema: Node = {"type": "string"}
    regex = str(converter.regex)
    if regex != BaseConverter.regex and not _OF_PYTHON.search(regex):
        schema["pattern"] = f"^(?:{regex})$"
    return schema, "May have slashes in it." if not converter.part_isolating else ""


def _number(converter: NumberConverter) -> tuple[Node, str]:
    limits = _limits(converter)
    digits = converter.fixed_digits
    if digits:
        # A number has no leading zeros: what is written in so many digits is a text.
        pattern = f"[0-9]{{{digits}}}"
        if converter.signed and digits > 1:
            pattern = f"(?:{pattern}|-[0-9]{{{digits - 1}}})"
        schema = {"type": "string", "pattern": f"^{pattern}$"}
        return schema, " ".join(_in_words(converter))
    if isinstance(converter, FloatConverter):
        return {"type": "number", **limits}, "Written with a decimal point: 1.0, not 1."
    kind = "integer" if isinstance(converter, IntegerConverter) else "number"
    return {"type": kind, **limits}, ""


def _limits(converter: NumberConverter) -> dict[str, Any]:
    lowest = converter.min
    if not converter.signed:
        lowest = 0 if lowest is None else max(lowest, 0)
    limits = {"minimum": lowest, "maximum": converter.max}
    return {key: value for key, value in limits.items() if value is not None}


def _in_words(converter: NumberConverter) -> list[str]:
    words = []
    if converter.min is not None:
        words.append(f"At least {converter.min}.")
    if converter.max is not None:
        words.append(f"At most {converter.max}.")
    return words


def _lengths(regex: str) -> dict[str, int]:
    match = _LENGTHS.fullmatch(regex)
    if match is None:
        return {}
    lowest, open_ended, highest = match.groups()
    if not open_ended:
        highest = lowest
    lengths = {"minLength": int(lowest)} if int(lowest) > 1 else {}
    return {**lengths, "maxLength": int(highest)} if highest else lengths
