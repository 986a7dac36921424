"""One OpenAPI document out of all services (pure).

FastAPI's own schemas, Flask's `url_map`, and what Flask services carry already, in one: each under
its mount's prefix, with everything that has a name told apart by the mount's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gateway import __version__
from gateway.loading import Service
from gateway.openapi.components import SHARED_SESSION
from gateway.openapi.descriptions import Operation, shape_of
from gateway.openapi.flask_routes import flask_path
from gateway.openapi.nodes import Node
from gateway.openapi.parts import Part, missing, part_of
from gateway.openapi.paths import paths_of, with_distinct_names
from gateway.openapi.servers import located
from gateway.openapi.versions import VERSION, without_3_2

__all__ = [
    "MISSING",
    "document",
    "flask_path",
    "located",
    "service_document",
    "shape_of",
    "written",
]

# Where the document has the names of the mounts that it could not describe.
MISSING = "x-missing"

_ADMIN = "/_gateway"


def document(
    services: Sequence[Service],
    *,
    cookie: str | None,
    admin_prefix: str = _ADMIN,
    only: str | None = None,
) -> Node:
    """The OpenAPI 3.1 document of all services.

    A service that cannot be described is left out: it costs the others nothing. The log has the
    reason, the document's description names it, and so does `x-missing`.

    Args:
        services: In mount order.
        cookie: The name of the shared session's cookie; None where no session is shared.
        admin_prefix: What belongs to the gateway itself; a service's routes below it are never
            reached.
        only: The name of the one mount to describe; None for all. What it says does not depend on
            this.
    """
    admin = admin_prefix
    parts = [part_of(service, cookie) for service in services if only in (None, service.name)]
    try:
        return _checked(parts, services, cookie, admin)
    except Exception:  # noqa: BLE001
        return _checked(_fitting(parts, services, cookie, admin), services, cookie, admin)


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


def written(whole: Node) -> str:
    """The document as JSON that every reader takes (RFC 8259), its letters as they are."""
    return json.dumps(whole, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _fitting(
    parts: Sequence[Part], services: Sequence[Service], cookie: str | None, admin_prefix: str
) -> list[Part]:
    """The parts, those with a fault in place of each that cannot be had alone or with the others.

    What is not as OpenAPI has it may show only where paths are put together.
    """
    found: list[Part] = []
    for part in parts:
        try:
            _checked([part], services, cookie, admin_prefix)
            _checked([*found, part], services, cookie, admin_prefix)
        except Exception as error:  # noqa: BLE001
            found.append(missing(part.service, error))
        else:
            found.append(part)
    return found


def _checked(
    parts: Sequence[Part], services: Sequence[Service], cookie: str | None, admin_prefix: str
) -> Node:
    """The document of these parts; an error if it could not be sent."""
    whole = _assembled(parts, services, cookie, admin_prefix)
    written(whole).encode()
    return whole


def _assembled(
    parts: Sequence[Part], services: Sequence[Service], cookie: str | None, admin_prefix: str
) -> Node:
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
            "description": _overview(parts),
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
    if names := [part.service.name for part in parts if part.fault]:
        whole[MISSING] = names
    return without_3_2({**whole, "components": components} if components else whole)


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


def _overview(parts: Sequence[Part]) -> str:
    services = [part.service for part in parts]
    lines = ["| mount | stack | at |", "|---|---|---|"]
    lines += [f"| {s.name} | {s.stack} | `{s.mount.host}{s.mount.prefix}` |" for s in services]
    for part in parts:
        if part.fault:
            what = f"**The service of mount `{part.service.name}` is missing:** "
            lines += ["", f"{what}it cannot be described (`{part.fault}`); the log says more."]
    return "\n".join(lines)
