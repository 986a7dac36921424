"""Walks OpenAPI documents: every object in them, and none of the data that they quote (pure)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Node = dict[str, Any]

SCHEMAS = "#/components/schemas/"

# Below these stand names of somebody's choice: "default" is a status there, "example" a property.
_NAMED = frozenset(
    {
        "$defs",
        "callbacks",
        "content",
        "definitions",
        "dependentSchemas",
        "encoding",
        "examples",
        "headers",
        "links",
        "parameters",
        "pathItems",
        "paths",
        "patternProperties",
        "properties",
        "requestBodies",
        "responses",
        "schemas",
        "securitySchemes",
        "webhooks",
    }
)
# What looks like a reference in here is a value of the service's own.
_QUOTED = frozenset({"const", "default", "enum", "example", "value"})


def plain(document: Any) -> Node:
    """A document as it can be sent: keys are texts, and nothing is shared with its service.

    What JSON does not know is said as near as may be: infinite numbers and those that are none are
    null, and half a surrogate pair, which no UTF-8 has, is the replacement character.
    """
    text = json.dumps(document, default=str, ensure_ascii=False)
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    found: Node = json.loads(text, parse_constant=lambda _: None)
    return found


def rewritten(node: Any, visit: Callable[[Node], Node]) -> Any:
    """A copy of a document, or a part of one, in which every object is what `visit` makes of it.

    Args:
        node: What to copy; data that it quotes is shared, not copied.
        visit: Given each object, a copy of its own whose inner objects are rewritten already.
    """
    if isinstance(node, list):
        return [rewritten(inner, visit) for inner in node]
    if not isinstance(node, dict):
        return node
    copy: Node = {}
    for key, value in node.items():
        if key in _NAMED and isinstance(value, dict):
            copy[key] = {name: rewritten(inner, visit) for name, inner in value.items()}
        elif key in _QUOTED or key == "examples" or key.startswith("x-"):
            copy[key] = value
        else:
            copy[key] = rewritten(value, visit)
    return visit(copy)


def resolved(node: Any, document: Node) -> Any:
    """What a local reference leads to; the node itself where it is none, or leads nowhere."""
    seen: set[str] = set()
    while isinstance(node, dict) and isinstance(reference := node.get("$ref"), str):
        if not reference.startswith("#/") or reference in seen:
            break
        seen.add(reference)
        found: Any = document
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
        if found is None:
            break
        node = found
    return node


def references(node: Any) -> set[str]:
    """The names of the schemas that a part of a document refers to."""
    found: set[str] = set()

    def note(inner: Node) -> Node:
        reference = inner.get("$ref")
        if isinstance(reference, str) and reference.startswith(SCHEMAS):
            found.add(reference.removeprefix(SCHEMAS))
        return inner

    rewritten(node, note)
    return found
