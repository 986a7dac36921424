"""What each service gives to the document, made and checked alone (pure)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Flask
from starlette.applications import Starlette

from gateway.loading import Service
from gateway.openapi.asgi_routes import asgi_documents
from gateway.openapi.carried import carried_documents
from gateway.openapi.components import Place, placed
from gateway.openapi.descriptions import Description, Operation, description_of
from gateway.openapi.flask_routes import flask_routes
from gateway.openapi.nodes import Node, plain, references

logger = logging.getLogger("gateway.openapi")


@dataclass
class Part:
    """What one service gives to the whole.

    Attributes:
        service: The service.
        operations: Under their public paths.
        components: What they refer to, named apart.
        webhooks: By name.
        tags: Those of the service, its own first.
        fault: Why the service is not described; empty where it is. It quotes nothing of the
            service's, which may have secrets in its messages.
    """

    service: Service
    operations: list[Operation] = field(default_factory=list)
    components: Node = field(default_factory=dict)
    webhooks: Node = field(default_factory=dict)
    tags: list[Node] = field(default_factory=list)
    fault: str = ""

    def add(self, description: Description) -> None:
        """Take in one of the service's descriptions."""
        self.operations += description.operations
        for section, named in description.components.items():
            self.components.setdefault(section, {}).update(named)
        self.webhooks.update(description.webhooks)
        self.tags += description.tags


def part_of(service: Service, cookie: str | None) -> Part:
    """The part of a service; one with a fault where it cannot be described.

    Args:
        service: The service.
        cookie: The name of the shared session's cookie; None where no session is shared.
    """
    try:
        return _part(service, cookie)
    except Exception as error:  # noqa: BLE001
        return missing(service, error)


def missing(service: Service, error: Exception) -> Part:
    """The part of a service that cannot be described, for this reason."""
    logger.warning(
        "the service of mount %s cannot be described, and is missing from the document",
        service.name,
        exc_info=error,
    )
    return Part(service, fault=type(error).__name__)


def _part(service: Service, cookie: str | None) -> Part:
    part = Part(service)
    where = service.mount
    info: Node = {}
    for number, one in enumerate(_descriptions(service)):
        # A service may have several, which know nothing of each other's names.
        namespace = where.name if number == 0 else f"{where.name}.{number + 1}"
        prefix = where.prefix.rstrip("/")
        sound = _sound(one)
        part.add(placed(sound, Place(where.name, prefix, namespace, cookie, where.host)))
        info = info or sound.info
    own: Node = {"name": service.name}
    if texts := [text for key in ("title", "summary", "description") if (text := info.get(key))]:
        own["description"] = "\n\n".join(texts)
    used = [{"name": tag} for operation in part.operations for tag in operation.content["tags"]]
    declared: dict[str, Node] = {}
    for tag in [own, *part.tags, *used]:
        declared.setdefault(tag["name"], tag)
    part.tags = list(declared.values())
    return part


def _sound(description: Description) -> Description:
    """The description as it can be sent: routes are read from code, which says what it likes."""
    one = plain(
        {
            "operations": [[o.path, o.method, o.content, o.host] for o in description.operations],
            "components": description.components,
            "tags": description.tags,
            "webhooks": description.webhooks,
            "info": description.info,
        }
    )
    operations = [Operation(*parts) for parts in one.pop("operations")]
    return Description(operations, **one)


def _descriptions(service: Service) -> Iterator[Description]:
    if isinstance(service.app, Flask):
        yield from _of_flask(service.app)
    elif isinstance(service.app, Starlette):
        for prefix, content in asgi_documents(service.app):
            yield description_of(content, prefix)


def _of_flask(app: Flask) -> Iterator[Description]:
    """What the app carries, completed from its routes; then its routes that are not in there."""
    routes = flask_routes(app)
    known = {one.key: one for one in routes.operations}
    said: set[tuple[str, str]] = set()
    for content in carried_documents(app, frozenset(shape for shape, _ in known)):
        carried = description_of(content)
        operations = [_completed(one, known.get(one.key)) for one in carried.operations]
        yield replace(carried, operations=operations)
        said.update(one.key for one in operations)
    rest = [one for one in routes.operations if one.key not in said]
    if rest:
        yield replace(routes, operations=rest, components=_needed(rest, routes.components))


def _completed(operation: Operation, route: Operation | None) -> Operation:
    """A carried operation with the host of its route, and with the route's ID where it has none."""
    if route is None:
        return operation
    identifier = operation.content.get("operationId") or route.content["operationId"]
    return replace(
        operation, host=route.host, content={**operation.content, "operationId": identifier}
    )


def _needed(operations: Sequence[Operation], components: Node) -> Node:
    """The schemas that these operations refer to, and those that they refer to in turn."""
    schemas: Node = components.get("schemas", {})
    found: Node = {}
    waiting: list[Any] = [operation.content for operation in operations]
    while waiting:
        for name in references(waiting.pop()):
            if name in schemas and name not in found:
                found[name] = schemas[name]
                waiting.append(schemas[name])
    return {"schemas": {name: found[name] for name in schemas if name in found}}
