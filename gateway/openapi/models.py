"""The types of views as bodies, parameters and answers of their operations (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from gateway.openapi.nodes import Node, resolved
from gateway.openapi.views import ViewTypes

_REFERENCE = "#/components/schemas/{model}"
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class Models:
    """The types of all views of a service.

    Their schemas are made at once: two models of one name are told apart then.
    """

    def __init__(self) -> None:
        self._wanted: list[tuple[Node, str, ViewTypes]] = []

    def add(self, operation: Node, method: str, types: ViewTypes) -> None:
        """Remember an operation and what goes in and out of it."""
        self._wanted.append((operation, method, types))

    def fill(self) -> Node:
        """Complete the operations; return the schemas that they refer to."""
        inputs: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = []
        for number, (_, _, types) in enumerate(self._wanted):
            for kind, adapter in types.bodies.items():
                inputs.append((f"{number} {kind}", "validation", adapter))
            if types.query is not None:
                inputs.append((f"{number} query", "validation", types.query))
            for status, (_, adapter) in types.answers.items():
                inputs.append((f"{number} {status}", "serialization", adapter))
        made, shared = TypeAdapter.json_schemas(inputs, ref_template=_REFERENCE)
        schemas: Node = shared.get("$defs", {})
        by_key = {key: schema for (key, _), schema in made.items()}
        for number, (operation, method, types) in enumerate(self._wanted):
            if types.query is not None:
                query = list(_query(by_key[f"{number} query"], schemas))
                operation.setdefault("parameters", []).extend(query)
            bodies = {kind: by_key[f"{number} {kind}"] for kind in types.bodies}
            if body := _body(bodies, method):
                operation["requestBody"] = body
            answers = {status: by_key[f"{number} {status}"] for status in types.answers}
            operation["responses"] = _responses(types, answers)
        return schemas


def _body(schemas: Node, method: str) -> Node:
    if schemas:
        content = {kind: {"schema": schema} for kind, schema in schemas.items()}
        return {"required": True, "content": content}
    if method not in _WITH_BODY:
        return {}
    # The view does not say what it takes; whoever tries it out can send something all the same.
    return {
        "content": {
            "application/json": {"schema": {}},
            "application/x-www-form-urlencoded": {"schema": {"type": "object"}},
        }
    }


def _responses(types: ViewTypes, schemas: dict[int, Any]) -> Node:
    if not types.answers:
        return {"default": {"description": "The view does not say what it answers."}}
    return {
        str(status): {
            "description": "The answer.",
            "content": {media_type: {"schema": schemas[status]}},
        }
        for status, (media_type, _) in types.answers.items()
    }


def _query(schema: Node, schemas: Node) -> Iterator[Node]:
    model = resolved(schema, {"components": {"schemas": schemas}})
    for name, inner in model.get("properties", {}).items():
        found: Node = {"name": name, "in": "query", "schema": inner}
        if name in model.get("required", ()):
            found["required"] = True
        yield found
