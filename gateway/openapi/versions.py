"""What a service describes in OpenAPI 3.0 or 3.2, said in 3.1 (pure)."""

from __future__ import annotations

from gateway.openapi.nodes import Node, rewritten

VERSION = "3.1.0"

_OF_3_2 = frozenset({"itemEncoding", "itemSchema", "prefixEncoding"})


def is_understood(document: Node) -> bool:
    """Whether it is OpenAPI 3; Swagger 2.0 is another format."""
    return str(document.get("openapi", "")).startswith("3.")


def as_3_1(document: Node) -> Node:
    """The document with its schemas in JSON Schema 2020-12, as OpenAPI 3.1 has them."""
    if not str(document.get("openapi", "")).startswith("3.0"):
        return document
    upgraded: Node = rewritten(document, _schema_3_1)
    return {**upgraded, "openapi": VERSION}


def without_3_2(document: Node) -> Node:
    """The document with what OpenAPI 3.2 has added as extensions.

    FastAPI says in this way, in documents of 3.1 as well, what each event of a stream is.
    """
    extended: Node = rewritten(document, _extended)
    return extended


def _extended(node: Node) -> Node:
    for key in _OF_3_2 & node.keys():
        node[f"x-{key}"] = node.pop(key)
    return node


def _schema_3_1(node: Node) -> Node:
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        match node.get(exclusive):
            case True if bound in node:
                node[exclusive] = node.pop(bound)
            case bool():
                del node[exclusive]
    if not isinstance(node.get("nullable"), bool):
        return node
    nullable = node.pop("nullable")
    if not nullable:
        return node
    if isinstance(node.get("type"), str):
        node["type"] = [node["type"], "null"]
        if "enum" in node and None not in node["enum"]:
            node["enum"] = [*node["enum"], None]
        return node
    if node.keys() & {"$ref", "allOf", "anyOf", "oneOf"}:
        return {"anyOf": [node, {"type": "null"}]}
    return node
