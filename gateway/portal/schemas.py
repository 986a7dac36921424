"""Pieces of the OpenAPI document of the portal's API (pure)."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number", "minimum": 0}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
SECONDS: Schema = {"type": ["number", "null"], "minimum": 0, "description": "null: nothing ended"}
TIME: Schema = {"type": "string", "format": "date-time"}
FLAG: Schema = {"type": "boolean"}


def get_of(name: str, summary: str, schema: str) -> Schema:
    """A GET that answers with a document.

    Args:
        name: The operation's.
        summary: What it answers, in a sentence.
        schema: The name of the document's schema.
    """
    responses = {"200": answer_of(schema), "4XX": refusal()}
    return {"get": {"operationId": name, "summary": summary, "responses": responses}}


def answer_of(schema: str) -> Schema:
    """An answer that is a document of a schema, by its name."""
    content = {"application/json": {"schema": reference(schema)}}
    return {"description": schema, "content": content}


def refusal(why: str = "Not for whoever asks.") -> Schema:
    """A problem document, and when it is answered."""
    content = {"application/problem+json": {"schema": reference("Problem")}}
    return {"description": why, "content": content}


def reference(schema: str) -> Schema:
    """A schema of the document, by its name."""
    return {"$ref": f"#/components/schemas/{schema}"}


def list_of(of: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": of}


def object_of(**properties: Schema) -> Schema:
    """An object that has all of these, and nothing that is not said."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
