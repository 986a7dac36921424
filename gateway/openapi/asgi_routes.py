"""Starlette's routes, and FastAPI's own schema, as OpenAPI documents (pure)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.applications import Starlette
from starlette.convertors import (
    Convertor,
    FloatConvertor,
    IntegerConvertor,
    PathConvertor,
    UUIDConvertor,
)
from starlette.routing import Mount, Route, compile_path

from gateway.openapi.nodes import Node, plain
from gateway.openapi.versions import VERSION, as_3_1
from gateway.openapi.views import described

_TYPED = re.compile(r"\{(\w+):\w+\}")
_CLASS_METHODS = ("delete", "get", "options", "patch", "post", "put", "trace")


def asgi_documents(app: Starlette, prefix: str = "") -> Iterator[tuple[str, Node]]:
    """The documents of an app and of those that it mounts, each with the prefix of its paths."""
    if isinstance(app, FastAPI):
        yield prefix, as_3_1(plain(app.openapi()))
    paths: Node = {}
    yield from _mounted(app.routes, prefix, paths)
    if paths:
        yield "", {"openapi": VERSION, "paths": paths}


def _mounted(routes: Any, prefix: str, paths: Node) -> Iterator[tuple[str, Node]]:
    """The documents of mounted apps; routes of Starlette's own are added to the paths."""
    for context in iter_route_contexts(routes):
        route = context.original_route
        template = prefix + _TYPED.sub(r"{\1}", context.path or "")
        if isinstance(route, Mount):
            app = _inside(route.app)
            if isinstance(app, Starlette):
                yield from asgi_documents(app, template)
            elif route.routes:
                yield from _mounted(route.routes, template, paths)
        elif type(route) is Route and route.include_in_schema:
            # Of two routes for the same the first answers.
            paths[template] = {**_item(route, prefix), **paths.get(template, {})}


def _inside(app: Any) -> Any:
    """The app behind the middleware that a mount was given."""
    seen = 0
    while not isinstance(app, Starlette) and hasattr(app, "app") and seen < 100:  # noqa: PLR2004
        app, seen = app.app, seen + 1
    return app


def _item(route: Route, prefix: str) -> Node:
    """The Path Item Object of a route."""
    endpoint = route.endpoint
    methods = {method.lower() for method in route.methods or ()}
    if inspect.isclass(endpoint):
        methods = {method for method in _CLASS_METHODS if hasattr(endpoint, method)}
    if "get" in methods:
        methods.discard("head")
    parameters = [
        _parameter(name, convertor) for name, convertor in _convertors(route, prefix).items()
    ]
    item: Node = {}
    for method in sorted(methods):
        view = getattr(endpoint, method) if inspect.isclass(endpoint) else endpoint
        summary, description = described(view, method.upper(), route.name)
        item[method] = {
            "summary": summary,
            "operationId": f"{route.name}.{method}",
            "responses": {"default": {"description": "The route does not say what it answers."}},
        }
        if description:
            item[method]["description"] = description
        if parameters:
            item[method]["parameters"] = parameters
    return item


def _convertors(route: Route, prefix: str) -> dict[str, Convertor[Any]]:
    """Those of the mounts around the route are texts here: their types stand in the mounts."""
    _, _, outer = compile_path(prefix)
    return {**outer, **route.param_convertors}


def _parameter(name: str, convertor: Convertor[Any]) -> Node:
    schema: Node = {"type": "string"}
    match convertor:
        case IntegerConvertor():
            schema = {"type": "integer", "minimum": 0}
        case FloatConvertor():
            schema = {"type": "number", "minimum": 0}
        case UUIDConvertor():
            schema = {"type": "string", "format": "uuid"}
    found: Node = {"name": name, "in": "path", "required": True, "schema": schema}
    if isinstance(convertor, PathConvertor):
        found["description"] = "May have slashes in it."
    return found
