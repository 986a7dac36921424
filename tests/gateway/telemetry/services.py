"""A gateway over two small services, for whoever watches its exchanges."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from flask import Flask, request
from starlette.types import ASGIApp

from gateway.app import create_app
from gateway.config import Settings
from gateway.health import Health
from gateway.loading import Service

MOUNTS = (
    {"name": "web", "prefix": "/web", "app": "of:flask"},
    {"name": "api", "prefix": "/api", "app": "of:fastapi"},
)


def flask_service() -> Flask:
    app = Flask("of_the_test")

    @app.get("/items/<int:item_id>")
    def item(item_id: int) -> dict[str, Any]:
        logging.getLogger("of.flask").warning("item %d", item_id)
        return {"traceparent": request.headers.get("traceparent", "")}

    @app.post("/upload")
    def upload() -> str:
        return str(len(request.get_data()))

    @app.get("/fails")
    def fails() -> str:
        raise RuntimeError("of the test")

    return app


def fastapi_service() -> FastAPI:
    app = FastAPI()

    @app.get("/items/{item_id}")
    async def item(item_id: int, request: Request) -> dict[str, Any]:
        logging.getLogger("of.fastapi").warning("item %d", item_id)
        return {"traceparent": request.headers.get("traceparent", "")}

    @app.get("/fails")
    async def fails() -> None:
        raise RuntimeError("of the test")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter([b"a" * 1000, b"b" * 1000]))

    return app


def observed_gateway(**settings: Mapping[str, Any]) -> ASGIApp:
    """The gateway with both services and the given sections of settings."""
    sound = Settings.model_validate({"mounts": MOUNTS, **settings})
    apps: list[tuple[Any, Any]] = [(flask_service(), "wsgi"), (fastapi_service(), "asgi")]
    services = [
        Service(mount, app, interface)
        for mount, (app, interface) in zip(sound.mounts, apps, strict=True)
    ]
    return create_app(sound, services, Health())
