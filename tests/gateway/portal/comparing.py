"""A gateway over two services that differ, and the portal's question put to both."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from flask import Flask, redirect, request, session, url_for
from flask import Response as FlaskResponse
from starlette.routing import Mount, Router

from gateway.app import Gateway
from gateway.config import Settings
from gateway.edge.proxies import TrustedProxies
from gateway.exchange import ExchangeMiddleware
from gateway.loading import Service
from gateway.portal.side_by_side import Patience, compare_route
from gateway.problems import ProblemsMiddleware
from tests.gateway.edge.driving import KEY, Answer, Front, front, service

WHEN = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)


@dataclass
class Two:
    """Two services that answer the same routes, each in its way.

    Attributes:
        calls: How often each was asked to write, by its name.
        order: Which was asked, in order.
        end: Ends what hangs.
    """

    calls: Counter[str] = field(default_factory=Counter)
    order: list[str] = field(default_factory=list)
    end: threading.Event = field(default_factory=threading.Event)

    def services(self, **mounts: dict[str, Any]) -> list[Service]:
        return [
            service(self.flask(), "flask", "wsgi", **mounts.get("flask", {})),
            service(self.fastapi(), "fastapi", **mounts.get("fastapi", {})),
        ]

    def flask(self) -> Flask:
        app = Flask("of_the_test")
        app.secret_key = KEY
        self._add_answers_of_flask(app)
        self._add_trouble_of_flask(app)

        @app.post("/write")
        def write() -> dict[str, Any]:
            self.calls["flask"] += 1
            return {"length": len(request.get_data()), "type": request.content_type}

        @app.get("/seen")
        def seen() -> dict[str, Any]:
            return {
                "headers": {name.lower(): value for name, value in request.headers},
                "client": request.remote_addr,
                "link": url_for("same", _external=True),
                "user": session.get("user", ""),
            }

        @app.get("/sign-in")
        def sign_in() -> str:
            session["user"] = "ada"
            return ""

        return app

    def _add_answers_of_flask(self, app: Flask) -> None:
        @app.get("/same")
        def same() -> dict[str, Any]:
            self.order.append("flask")
            return {"name": "ä", "list": [1, 2], "a": None}

        @app.get("/value")
        def value() -> dict[str, Any]:
            return {"price": "1.10", "name": "one", "at": WHEN}

        @app.get("/status")
        def status() -> Any:
            return {"ok": True}, 404

        @app.get("/header")
        def header() -> Any:
            return {"ok": True}, 200, {"Cache-Control": "no-store"}

        @app.get("/html")
        def html() -> str:
            return "<p>\n  one\n</p>"

        @app.get("/turn")
        def turn() -> Any:
            return redirect(url_for("same"), 302)

    def _add_trouble_of_flask(self, app: Flask) -> None:
        @app.get("/fails")
        def fails() -> str:
            raise RuntimeError("of the test")

        @app.get("/hangs")
        def hangs() -> str:
            self.end.wait(30)
            return ""

        @app.get("/large/<int:size>")
        def large(size: int) -> FlaskResponse:
            return FlaskResponse("x" * size, mimetype="text/plain")

        @app.get("/endless")
        def endless() -> FlaskResponse:
            def forever() -> Iterator[bytes]:
                while not self.end.is_set():
                    yield b"x" * 65536

            return FlaskResponse(forever(), mimetype="text/plain")

    def fastapi(self) -> FastAPI:
        app = FastAPI()
        self._add_answers_of_fastapi(app)
        self._add_trouble_of_fastapi(app)
        self._add_streams_of_fastapi(app)

        @app.post("/write")
        async def write(request: Request) -> dict[str, Any]:
            self.calls["fastapi"] += 1
            return {
                "length": len(await request.body()),
                "type": request.headers.get("content-type"),
            }

        @app.get("/seen")
        async def seen(request: Request) -> dict[str, Any]:
            return {
                "headers": dict(request.headers),
                "client": request.client.host if request.client else None,
                "link": str(request.url_for("same")),
                "user": request.session.get("user", ""),
            }

        return app

    def _add_answers_of_fastapi(self, app: FastAPI) -> None:
        @app.get("/same", name="same")
        async def same() -> dict[str, Any]:
            self.order.append("fastapi")
            return {"list": [1, 2], "name": "ä", "a": None}

        @app.get("/value")
        async def value() -> dict[str, Any]:
            return {"name": "two", "price": 1.1, "at": WHEN}

        @app.get("/status")
        async def status() -> dict[str, Any]:
            return {"ok": True}

        @app.get("/header")
        async def header() -> dict[str, Any]:
            return {"ok": True}

        @app.get("/html")
        async def html() -> HTMLResponse:
            return HTMLResponse("<p> one </p>")

        @app.get("/turn")
        async def turn(request: Request) -> RedirectResponse:
            return RedirectResponse(request.url_for("same"), 302)

    def _add_trouble_of_fastapi(self, app: FastAPI) -> None:
        @app.get("/fails")
        async def fails() -> None:
            raise RuntimeError("of the test")

        @app.get("/hangs")
        async def hangs() -> str:
            return ""

        @app.get("/large/{size}")
        async def large(size: int) -> Response:
            return Response("x" * size, media_type="text/plain")

        @app.get("/stubborn")
        async def stubborn() -> None:
            while not self.end.is_set():
                try:
                    await asyncio.sleep(0.05)
                except asyncio.CancelledError:
                    continue

    def _add_streams_of_fastapi(self, app: FastAPI) -> None:
        @app.get("/endless")
        async def endless() -> StreamingResponse:
            async def forever() -> AsyncIterator[bytes]:
                while True:
                    yield b"x" * 65536
                    await asyncio.sleep(0)

            return StreamingResponse(forever(), media_type="text/plain")

        @app.get("/breaks")
        async def breaks() -> StreamingResponse:
            async def some() -> AsyncIterator[bytes]:
                yield b"x"
                raise RuntimeError("of the test")

            return StreamingResponse(some(), media_type="text/plain")

        @app.get("/events")
        async def events() -> StreamingResponse:
            async def forever() -> AsyncIterator[str]:
                await asyncio.Event().wait()
                yield ""

            return StreamingResponse(forever(), media_type="text/event-stream")


@dataclass
class Portal:
    """The portal of a running gateway.

    Attributes:
        front: The endpoint, as the admin reaches it.
        gateway: What it compares.
        two: The services.
    """

    front: Front
    gateway: Front
    two: Two

    async def ask(
        self, target: str = "/same", headers: dict[str, str] | None = None, **question: Any
    ) -> Answer:
        """Ask for a comparison.

        Args:
            target: Below the mounts' prefixes.
            headers: Of the admin's own request.
            question: The other keys; `named` for the headers of the requests that are compared.
        """
        named = question.pop("named", {})
        document = {
            "method": "GET",
            "mounts": ["flask", "fastapi"],
            "target": target,
            "headers": named,
            **question,
        }
        return await self.post(json.dumps(document).encode(), headers)

    async def post(self, body: bytes, headers: dict[str, str] | None = None) -> Answer:
        given = {"Content-Type": "application/json", **(headers or {})}
        return await self.front.ask("POST", "/_gateway/api/compare", given, body)

    async def compare(self, target: str = "/same", **question: Any) -> dict[str, Any]:
        """The result of a comparison."""
        answer = await self.ask(target, **question)
        assert answer.status == 200, answer.text
        document: dict[str, Any] = answer.json
        return document


@asynccontextmanager
async def portal(
    patience: Patience | None = None,
    mounts: dict[str, dict[str, Any]] | None = None,
    edge: dict[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Portal]:
    """A running gateway over two services that differ.

    Args:
        patience: Of the comparison.
        mounts: Settings of the mounts, by name.
        edge: Settings of the edge.
        settings: Other tables.
    """
    two = Two()
    services = two.services(**(mounts or {}))
    checked = Settings(
        edge=edge or {}, mounts=[one.mount.model_dump() for one in services], **settings
    )
    try:
        async with front(*services, edge=edge, **settings) as gateway:
            route = compare_route(gateway.app, checked, gateway.health, patience)
            router = Router([Mount(checked.admin.prefix, routes=[route])])
            proxies = TrustedProxies(router, checked.edge.trusted_proxies, checked.server.root_path)
            app = ExchangeMiddleware(ProblemsMiddleware(proxies))
            yield Portal(Front(cast(Gateway, app), gateway.health), gateway, two)
            two.end.set()
    finally:
        two.end.set()
