"""The portal's pages in a real server, over seeded facts and a seeded API."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from gateway.portal.pages import page_routes
from tests.live.portal.facts import SeededFacts, routes

PREFIX = "/_gateway"
RUNS = {
    "times": 200,
    "seconds": [
        [0.0020 + 0.000013 * ((step * 37) % 200) for step in range(200)],
        [0.0005 + 0.000007 * ((step * 53) % 200) for step in range(199)] + [0.021],
    ],
    "medians": [0.0033, 0.0012],
    "ratio": 0.3636,
    "spread": [0.351, 0.379],
}


@dataclass
class SeededPortal:
    """Pages and an API in place of the gateway's.

    Attributes:
        facts: What the pages show.
        asked: The bodies of the comparisons that were asked for.
        bodies: What both answer, where it is not the item.
        url: Where it answers, with the prefix.
    """

    facts: SeededFacts = field(default_factory=SeededFacts)
    asked: list[dict[str, Any]] = field(default_factory=list)
    bodies: tuple[str, str] | None = None
    url: str = ""

    def app(self) -> Starlette:
        """The application."""
        pages = page_routes(self.facts, admin_prefix=PREFIX, signed_in_by_token=True)
        api = [
            Route("/api/overview/stream", self.stream),
            Route("/api/routes", self.routes),
            Route("/api/compare", self.compare, methods=["POST"]),
            Route("/openapi.json", self.document),
        ]
        return Starlette(routes=[Mount(PREFIX, routes=[*pages, *api])])

    async def stream(self, request: Request) -> Response:
        """Server-sent events, faster than the gateway's."""

        async def events() -> AsyncIterator[str]:
            while not await request.is_disconnected():
                yield f"event: overview\ndata: {json.dumps(self.facts.current)}\n\n"
                await asyncio.sleep(0.1)

        return StreamingResponse(events(), media_type="text/event-stream")

    async def routes(self, request: Request) -> Response:
        """The routes."""
        return JSONResponse(routes())

    async def document(self, request: Request) -> Response:
        """An OpenAPI document of what the pairs need."""
        item = {
            "type": "object",
            "properties": {
                "name": {"type": "string", "examples": ["A lamp"]},
                "price": {"type": "number", "exclusiveMinimum": 0},
                "tags": {"type": "array", "items": {"$ref": "#/components/schemas/Tag"}},
            },
        }
        identifier = {
            "name": "item_id",
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 1},
        }
        body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}}
        limit = {
            "name": "limit",
            "in": "query",
            "required": True,
            "schema": {"type": "integer", "default": 20},
        }
        return JSONResponse(
            {
                "openapi": "3.1.0",
                "paths": {
                    "/fastapi/items/{id}": {"get": {"parameters": [identifier]}},
                    "/fastapi/items": {
                        "get": {"parameters": [limit]},
                        "post": {"requestBody": body},
                    },
                },
                "components": {
                    "schemas": {"Item": item, "Tag": {"type": "string", "enum": ["new", "old"]}}
                },
            }
        )

    async def compare(self, request: Request) -> Response:
        """Two answers that differ in a header and in a price, unless nothing is asked of them."""
        question = await request.json()
        self.asked.append(question)
        if question["target"] == "/refused":
            detail = "POST is not safe, and repeat_unsafe is not set."
            return JSONResponse({"detail": detail}, 422, media_type="application/problem+json")
        first, second = question["mounts"]
        answers = [answer(first, question, "1.10"), answer(second, question, 1.1)]
        for shown, body in zip(answers, self.bodies or (), strict=False):
            shown["body"] = body
        return JSONResponse(
            {
                "answers": answers,
                "equal": False,
                "differences": [
                    {
                        "kind": "header",
                        "where": "content-type",
                        "values": ["application/json; charset=utf-8", "application/json"],
                        "why": "the values differ",
                    },
                    {
                        "kind": "json",
                        "where": "/price",
                        "values": ['"1.10"', "1.1"],
                        "why": "a string and a number",
                    },
                ],
                "runs": RUNS if question["times"] > 1 else None,
                "notes": ["There is 1 difference more than is listed."],
                "curl": [
                    f"curl -i 'http://127.0.0.1:8000/{one}/items/1'" for one in (first, second)
                ],
            }
        )


def answer(mount: str, question: dict[str, Any], price: object) -> dict[str, Any]:
    """The answer of one mount."""
    content_type = "application/json; charset=utf-8" if mount == "flask" else "application/json"
    item = {
        "id": 1,
        "name": "A <b>lamp</b>",
        "price": price,
        "tags": ["new", "brass"],
        "note": None,
    }
    return {
        "mount": mount,
        "url": f"/{mount}{question['target']}",
        "status": 200,
        "headers": [["content-type", content_type], ["x-request-id", "7d3c2a"]],
        "body": json.dumps(item),
        "truncated": False,
        "seconds": 0.0023 if mount == "flask" else 0.0011,
    }


@contextmanager
def serving(portal: SeededPortal) -> Iterator[SeededPortal]:
    """Serve in a thread, on a free port, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        portal.app(), log_level="error", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    portal.url = f"http://127.0.0.1:{listener.getsockname()[1]}{PREFIX}"
    try:
        yield portal
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
