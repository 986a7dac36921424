"""Two operations that are one to OpenAPI: the same path but for names, and the same method (pure).

A URL has one operation there, whatever the service's router tells apart: `/items/<int:number>` and
`/items/<name>` are both `/items/{}`. What either takes the merged one takes, what either answers it
answers, and both descriptions stay.
"""

from __future__ import annotations

import json
from typing import Any

from gateway.openapi.nodes import Node


def merged(first: Node, second: Node) -> Node:
    """Both in one; the operation ID is the first's.

    Args:
        first: An operation; its parameters, body and answers are no references.
        second: Another, likewise, with the same names of path parameters.
    """
    whole = {**second, **first}
    whole["summary"] = _joined(first.get("summary"), second.get("summary"), " / ")
    whole["description"] = _joined(_text(first), _text(second), "\n\n")
    whole["parameters"] = _parameters(first.get("parameters", []), second.get("parameters", []))
    whole["responses"] = _each(first.get("responses", {}), second.get("responses", {}), _answer)
    bodies = [operation.get("requestBody") for operation in (first, second)]
    if body := _request(bodies):
        whole["requestBody"] = body
    tags = [*first.get("tags", []), *second.get("tags", [])]
    if tags:
        whole["tags"] = list(dict.fromkeys(tags))
    if not (first.get("deprecated") and second.get("deprecated")):
        whole.pop("deprecated", None)
    if ("security" in first) != ("security" in second):
        whole.pop("security")  # either way in: what the document says of all holds
    elif "security" in first:
        whole["security"] = _distinct([*first["security"], *second["security"]])
    also = [*first.get("x-also", []), second.get("operationId"), *second.get("x-also", [])]
    if also := [name for name in also if name]:
        whole["x-also"] = also
    return {key: value for key, value in whole.items() if value not in ("", [])}


def _text(operation: Node) -> str:
    """What an operation says, under its own heading once there are two."""
    summary, description = operation.get("summary", ""), operation.get("description", "")
    if "x-also" in operation:
        return str(description)
    return f"**{summary}**\n\n{description}".strip() if description else ""


def _joined(first: Any, second: Any, by: str) -> str:
    return by.join(dict.fromkeys(text for text in (first, second) if text))


def _parameters(first: list[Node], second: list[Node]) -> list[Node]:
    ours = {(p.get("in"), p.get("name")): p for p in first}
    theirs = {(p.get("in"), p.get("name")): p for p in second}
    found = []
    for key in {**ours, **theirs}:
        if key in ours and key in theirs:
            found.append(_parameter(ours[key], theirs[key]))
            continue
        one = dict(ours.get(key) or theirs[key])
        if one.get("in") != "path":
            one.pop("required", None)
        found.append(one)
    return found


def _parameter(first: Node, second: Node) -> Node:
    whole = {**second, **first}
    if description := _joined(first.get("description"), second.get("description"), " Or: "):
        whole["description"] = description
    if "schema" in first and "schema" in second:
        whole["schema"] = _either(first["schema"], second["schema"])
    if not (first.get("required") and second.get("required")):
        whole.pop("required", None)
    return whole


def _request(bodies: list[Any]) -> Node:
    given = [body for body in bodies if body]
    if len(given) < len(bodies):
        return {key: value for key, value in given[0].items() if key != "required"} if given else {}
    first, second = given
    whole = {**second, **first}
    whole["content"] = _each(first.get("content", {}), second.get("content", {}), _media)
    if not (first.get("required") and second.get("required")):
        whole.pop("required", None)
    return whole


def _answer(first: Node, second: Node) -> Node:
    if first == second:
        return first
    whole = {**second, **first}
    whole["description"] = _joined(first.get("description"), second.get("description"), " Or: ")
    if content := _each(first.get("content", {}), second.get("content", {}), _media):
        whole["content"] = content
    if headers := {**second.get("headers", {}), **first.get("headers", {})}:
        whole["headers"] = headers
    return whole


def _media(first: Node, second: Node) -> Node:
    whole = {**second, **first}
    if "schema" in first and "schema" in second:
        whole["schema"] = _either(first["schema"], second["schema"])
    else:
        whole.pop("schema", None)  # one of them takes anything
    return whole


def _either(first: Any, second: Any) -> Any:
    """A schema that both fit."""
    if first == second:
        return first
    alternatives = [*_alternatives(first), *_alternatives(second)]
    return {"anyOf": _distinct(alternatives)}


def _alternatives(schema: Any) -> list[Any]:
    if isinstance(schema, dict) and schema.keys() == {"anyOf"}:
        return list(schema["anyOf"])
    return [schema]


def _each(first: Node, second: Node, both: Any) -> Node:
    return {
        key: both(first[key], second[key])
        if key in first and key in second
        else first.get(key, second.get(key))
        for key in {**first, **second}
    }


def _distinct(values: list[Any]) -> list[Any]:
    return list({json.dumps(value, sort_keys=True): value for value in values}.values())
