"""What a service says of itself, wherever it says it (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gateway.openapi.nodes import Node, resolved

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
VARIABLE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    Attributes:
        path: The template, `/items/{item_id}`.
        method: In lower case.
        content: The Operation Object.
        host: The host that it is for, its variables in braces; empty for any.
    """

    path: str
    method: str
    content: Node
    host: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What OpenAPI tells operations apart by."""
        return shape_of(self.path), self.method


@dataclass(frozen=True)
class Description:
    """Operations, and what they refer to; the objects are OpenAPI 3.1.

    Attributes:
        operations: In the service's own order.
        components: The Components Object.
        tags: The Tag Objects.
        webhooks: By name.
        info: The Info Object, where there is one.
    """

    operations: list[Operation]
    components: Node = field(default_factory=dict)
    tags: list[Node] = field(default_factory=list)
    webhooks: Node = field(default_factory=dict)
    info: Node = field(default_factory=dict)


def description_of(document: Node, prefix: str = "") -> Description:
    """What a document says.

    Args:
        document: OpenAPI 3.1.
        prefix: Of its paths.
    """
    # Some write null for nothing.
    document = {key: value for key, value in document.items() if value is not None}
    components = document.get("components", {})
    return Description(
        list(_operations(document, prefix)),
        {name: section for name, section in components.items() if isinstance(section, dict)},
        document.get("tags", []),
        document.get("webhooks", {}),
        document.get("info", {}),
    )


def shape_of(path: str) -> str:
    """The path without the names of its parameters, which OpenAPI does not tell paths apart by."""
    return VARIABLE.sub("{}", path)


def _operations(document: Node, prefix: str) -> Iterator[Operation]:
    """The operations, each with what is said for all of its path, or for the whole document."""
    for path, found in document.get("paths", {}).items():
        item = resolved(found, document)
        shared = {key: item[key] for key in ("summary", "description") if key in item}
        if "security" in document:
            shared["security"] = document["security"]
        for method in METHODS:
            if method not in item:
                continue
            content = {**shared, **item[method]}
            parameters = [*content.get("parameters", []), *item.get("parameters", [])]
            if parameters:
                content["parameters"] = _distinct(resolved(one, document) for one in parameters)
            yield Operation(prefix + path, method, content)


def _distinct(parameters: Iterable[Node]) -> list[Node]:
    """Of two parameters of the same name and place the first, which is the operation's own."""
    found: dict[tuple[str, str], Node] = {}
    for one in parameters:
        found.setdefault((str(one.get("in")), str(one.get("name"))), one)
    return list(found.values())
