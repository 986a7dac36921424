"""One OpenAPI document out of all services (pure).

FastAPI's own schemas, Flask's `url_map`, and what Flask services carry already, in one: each under
its mount's prefix, with everything that has a name told apart by the mount's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Flask
from starlette.applications import Starlette

from gateway import __version__
from gateway.loading import Service
from gateway.openapi.asgi_routes import asgi_documents
from gateway.openapi.carried import carried_documents
from gateway.openapi.components import SHARED_SESSION, Place, placed
from gateway.openapi.descriptions import Description, Operation, description_of, shape_of
from gateway.openapi.flask_routes import flask_path, flask_routes
from gateway.openapi.nodes import Node, references
from gateway.openapi.paths import paths_of, with_distinct_names
from gateway.openapi.servers import located
from gateway.openapi.versions import VERSION, without_3_2

__all__ = ["document", "flask_path", "located", "service_document", "shape_of"]

logger = logging.getLogger("gateway.openapi")

_ADMIN = "/_gateway"


def document(
    services: Sequence[Service],
    *,
    cookie: str | None,
    admin_prefix: str = _ADMIN,
    only: str | None = None,
) -> Node:
    """The OpenAPI 3.1 document of all services.

    A service whose description cannot be had is left out, with a line in the log: it costs the
    others nothing.

    Args:
        services: In mount order.
        cookie: The name of the shared session's cookie; None where no session is shared.
        admin_prefix: What belongs to the gateway itself; a service's routes below it are never
            reached.
        only: The name of the one mount to describe; None for all. What it says does not depend on
            this.
    """
    parts = [_part(service, cookie) for service in services if only in (None, service.name)]
    operations = [
        operation
        for part in parts
        for operation in part.operations
        if _is_reached(operation, part.service, services, admin_prefix)
    ]
    operations = with_distinct_names(operations)
    components: Node = {}
    for part in parts:
        for section, named in part.components.items():
            components.setdefault(section, {}).update(named)
    whole: Node = {
        "openapi": VERSION,
        "info": {
            "title": "Gateway",
            "version": __version__,
            "description": _overview([part.service for part in parts]),
        },
        "paths": paths_of(operations, components),
    }
    if cookie is not None:
        components.setdefault("securitySchemes", {})[SHARED_SESSION] = {
            "type": "apiKey",
            "in": "cookie",
            "name": cookie,
            "description": "The session that all services share. A browser that has signed in to "
            "one of them sends it by itself.",
        }
        # Whether an operation needs it is the service's to say; where it does not, either holds.
        whole["security"] = [{}, {SHARED_SESSION: []}]
    if webhooks := {name: item for part in parts for name, item in part.webhooks.items()}:
        whole["webhooks"] = webhooks
    used = {tag for operation in operations for tag in operation.content.get("tags", ())}
    whole["tags"] = [tag for part in parts for tag in part.tags if tag["name"] in used]
    whole["x-tagGroups"] = [
        {"name": f"{part.service.name} ({part.service.stack})", "tags": names}
        for part in parts
        if (names := [tag["name"] for tag in part.tags if tag["name"] in used])
    ]
    return without_3_2({**whole, "components": components} if components else whole)


def service_document(
    service: Service, services: Sequence[Service] = (), *, cookie: str | None, **options: Any
) -> Node:
    """The part of one service, as it is in the whole.

    Args:
        service: The service.
        services: All services: routes that another one takes away are left out.
        cookie: As for `document`.
        options: As for `document`.
    """
    return document(services or [service], cookie=cookie, only=service.name, **options)


@dataclass
class _Part:
    """What one service gives to the whole."""

    service: Service
    operations: list[Operation] = field(default_factory=list)
    components: Node = field(default_factory=dict)
    webhooks: Node = field(default_factory=dict)
    tags: list[Node] = field(default_factory=list)

    def add(self, description: Description) -> None:
        """Take in one of the service's descriptions."""
        self.operations += description.operations
        for section, named in description.components.items():
            self.components.setdefault(section, {}).update(named)
        self.webhooks.update(description.webhooks)
        self.tags += description.tags


def _part(service: Service, cookie: str | None) -> _Part:
    part = _Part(service)
    where = service.mount
    info: Node = {}
    try:
        for number, one in enumerate(_descriptions(service)):
            # A service may have several, which know nothing of each other's names.
            namespace = where.name if number == 0 else f"{where.name}.{number + 1}"
            prefix = where.prefix.rstrip("/")
            part.add(placed(one, Place(where.name, prefix, namespace, cookie, where.host)))
            info = info or one.info
    except Exception:
        logger.exception("the service of mount %s cannot be described", service.name)
        part = _Part(service)
    own: Node = {"name": service.name}
    if texts := [text for key in ("title", "summary", "description") if (text := info.get(key))]:
        own["description"] = "\n\n".join(texts)
    used = [{"name": tag} for operation in part.operations for tag in operation.content["tags"]]
    declared: dict[str, Node] = {}
    for tag in [own, *part.tags, *used]:
        declared.setdefault(tag["name"], tag)
    part.tags = list(declared.values())
    return part


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


def _is_reached(
    operation: Operation, service: Service, services: Sequence[Service], admin_prefix: str
) -> bool:
    """Whether no longer prefix takes the path away, the gateway's own or another service's."""
    here = service.mount
    taking = [admin_prefix]
    taking += [
        other.mount.prefix
        for other in services
        if other.mount.host == here.host and len(other.mount.prefix) > len(here.prefix)
    ]
    return not any(f"{operation.path}/".startswith(f"{prefix}/") for prefix in taking)


def _overview(services: Sequence[Service]) -> str:
    lines = ["| mount | stack | at |", "|---|---|---|"]
    lines += [f"| {s.name} | {s.stack} | `{s.mount.host}{s.mount.prefix}` |" for s in services]
    return "\n".join(lines)
