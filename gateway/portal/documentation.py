"""The one OpenAPI document, and the two pages that show it; nothing comes from outside."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import fastapi_offline
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from gateway.loading import Service
from gateway.openapi import MISSING, document, located, written

# Both programs write their styles into the page; ReDoc searches in a worker that it makes itself.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# For how long a document stands in which a service is missing: each ask costs the whole of it.
AGAIN_SECONDS = 5.0
_FILES = Path(fastapi_offline.__file__).parent / "static"
_REDOC = "redoc.standalone.js"
# The one thing that ReDoc fetches from elsewhere, and what stands in its place: nothing to see.
_LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
_NO_LOGO = b"data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
{head}
<main id="page"><noscript>This page needs JavaScript; the document itself is
<a href="openapi.json">openapi.json</a>.</noscript></main>
<script src="{script}"></script>
<script src="{start}"></script>
</html>
"""
_SWAGGER = _PAGE.format(
    title="Gateway: all services",
    head='<link rel="stylesheet" href="docs/swagger-ui.css">',
    script="docs/swagger-ui-bundle.js",
    start="docs/start.js",
)
# The validator is a public service: nobody else is to be told of the document.
_START_SWAGGER = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  deepLinking: true,
  docExpansion: "list",
  filter: true,
  showExtensions: false,
  tryItOutEnabled: true,
  validatorUrl: null,
});
"""
_REDOC_PAGE = _PAGE.format(
    title="Gateway: all services",
    head="<style>body { margin: 0 }</style>",
    script=f"redoc/{_REDOC}",
    start="redoc/start.js",
)
# Descriptions are the services' own, and so are scripts of this origin, which the policy lets run:
# not even a frame is taken from what they say. Swagger UI takes none by itself.
_START_REDOC = """Redoc.init("openapi.json", {sanitize: true}, document.getElementById("page"));
"""


def documentation_routes(
    services: Sequence[Service], cookie: str | None, admin_prefix: str
) -> list[Route]:
    """`/openapi.json`, `/docs` and `/redoc`, with the files of both pages.

    Args:
        services: In mount order.
        cookie: The name of the shared session's cookie; None where no session is shared.
        admin_prefix: Where the gateway's own endpoints are.
    """
    answers = _Answers(services, cookie, admin_prefix)
    return [
        Route("/openapi.json", answers.document),
        Route("/docs", _page(_SWAGGER)),
        Route("/docs/start.js", _script(_START_SWAGGER)),
        Route("/docs/swagger-ui.css", _file("swagger-ui.css")),
        Route("/docs/swagger-ui-bundle.js", _file("swagger-ui-bundle.js")),
        Route("/redoc", _page(_REDOC_PAGE)),
        Route("/redoc/start.js", _script(_START_REDOC)),
        Route(f"/redoc/{_REDOC}", answers.redoc),
    ]


@dataclass(frozen=True)
class _Sent:
    """A body with its entity tag."""

    body: bytes
    tag: str

    @classmethod
    def of(cls, body: bytes) -> _Sent:
        return cls(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


class _Answers:
    """What has to be made once: on the first ask, in a thread.

    A document in which a service is missing is made again after a while: it may be better by then.
    """

    def __init__(self, services: Sequence[Service], cookie: str | None, admin_prefix: str) -> None:
        self._services = services
        self._cookie = cookie
        self._admin_prefix = admin_prefix
        self._lock = asyncio.Lock()
        self._whole: dict[str, Any] = {}
        self._made = 0.0
        self._redoc: _Sent | None = None
        # The last one alone: whoever comes by another address is the exception.
        self._placed: tuple[tuple[str, int | None], _Sent] | None = None

    async def document(self, request: Request) -> Response:
        """The document, as somebody reads it who came by this address."""
        where = (self._root_path(request), request.url.port)
        async with self._lock:
            if self._is_due():
                self._whole = await to_thread.run_sync(self._make)
                self._made, self._placed = time.monotonic(), None
            if self._placed is None or self._placed[0] != where:
                self._placed = where, await to_thread.run_sync(_written, self._whole, *where)
            sent = self._placed[1]
        return _answer(request, sent, "application/json")

    async def redoc(self, request: Request) -> Response:
        """ReDoc's script, less what it fetches from elsewhere."""
        async with self._lock:
            if self._redoc is None:
                self._redoc = await to_thread.run_sync(_own_redoc)
            sent = self._redoc
        return _answer(request, sent, "text/javascript")

    def _is_due(self) -> bool:
        if not self._whole:
            return True
        return MISSING in self._whole and time.monotonic() - self._made >= AGAIN_SECONDS

    def _make(self) -> dict[str, Any]:
        return document(self._services, cookie=self._cookie, admin_prefix=self._admin_prefix)

    def _root_path(self, request: Request) -> str:
        """The public prefix of the whole gateway."""
        own: str = request.scope.get("root_path", "")
        return own.removesuffix(self._admin_prefix)


def _written(whole: dict[str, Any], root_path: str, port: int | None) -> _Sent:
    return _Sent.of(written(located(whole, root_path, port)).encode())


def _own_redoc() -> _Sent:
    return _Sent.of((_FILES / _REDOC).read_bytes().replace(_LOGO, _NO_LOGO))


def _answer(request: Request, sent: _Sent, media_type: str) -> Response:
    """What was asked for, or that it has not changed (RFC 9110, section 13.1.2)."""
    headers = {"ETag": sent.tag, "Cache-Control": "private, no-cache"}
    known = request.headers.get("if-none-match", "")
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    if sent.tag in tags or "*" in tags:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(sent.body, headers=headers, media_type=media_type)


def _page(text: str) -> Any:
    headers = {"Cache-Control": "private, no-cache", "Content-Security-Policy": POLICY}

    async def page(request: Request) -> Response:
        return HTMLResponse(text, headers=headers)

    return page


def _script(text: str) -> Any:
    sent = _Sent.of(text.encode())

    async def script(request: Request) -> Response:
        return _answer(request, sent, "text/javascript")

    return script


def _file(name: str) -> Any:
    async def file(request: Request) -> Response:
        return FileResponse(_FILES / name, headers={"Cache-Control": "private, max-age=3600"})

    return file
