"""Applications as services of a gateway, and the document that is made of them."""

from __future__ import annotations

import json
from typing import Any

from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.config import MountSettings
from gateway.loading import Service
from gateway.openapi import document

Node = dict[str, Any]


def service_of(app: Any, name: str = "web", prefix: str = "/web", host: str = "") -> Service:
    """An application at its mount."""
    mount = MountSettings(name=name, prefix=prefix, app="module:app", host=host)
    return Service(mount, app, "wsgi" if isinstance(app, Flask) else "asgi")


def described(*services: Service | Any, cookie: str | None = None, **options: Any) -> Node:
    """The document of services or applications, as it is sent; it is valid OpenAPI 3.1."""
    given = [one if isinstance(one, Service) else service_of(one) for one in services]
    whole = document(given, cookie=cookie, **options)
    sent: Node = json.loads(json.dumps(whole))
    OpenAPIV31SpecValidator(sent).validate()
    return sent


def operations(whole: Node) -> dict[str, Node]:
    """`GET /path` to its operation."""
    return {
        f"{method.upper()} {path}": operation
        for path, item in whole["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict) and not method.startswith("x-")
    }


def identifiers(whole: Node) -> list[str]:
    """All operation IDs."""
    return [operation["operationId"] for operation in operations(whole).values()]
