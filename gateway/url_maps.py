"""The routes of an application, read from the application itself (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fastapi.routing import iter_route_contexts
from flask import Flask
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute


def routes_of(app: Any) -> Iterator[tuple[Iterable[str], str, str]]:
    """An application's routes as (methods, template, name).

    Methods are `WEBSOCKET` for a WebSocket, `*` where they are not known. What cannot be looked
    into is one route, `/*`.
    """
    if isinstance(app, Flask):
        for rule in app.url_map.iter_rules():
            yield rule.methods or (), rule.rule, rule.endpoint
    elif isinstance(app, Starlette):
        yield from _starlette_routes(app.routes)
    else:
        yield ("*",), "/*", ""


def _starlette_routes(
    routes: Sequence[BaseRoute], prefix: str = ""
) -> Iterator[tuple[Iterable[str], str, str]]:
    # FastAPI keeps included routers whole; its own iterator gives their routes as they take effect.
    for route in iter_route_contexts(routes):
        template, name = f"{prefix}{route.path}", route.name or ""
        if isinstance(route.original_route, Mount):
            if route.routes:
                yield from _starlette_routes(route.routes, template)
            else:
                yield ("*",), f"{template}/*", name
        elif isinstance(route.original_route, WebSocketRoute):
            yield ("WEBSOCKET",), template, name
        elif isinstance(route.original_route, Route):
            yield route.methods or ("*",), template, name
