"""The portal's static files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class StaticFiles:
    """Answers with the files of a folder, read once.

    Args:
        folder: Where they are.
        headers: Of each answer.
    """

    def __init__(self, folder: Path, headers: Mapping[str, str]) -> None:
        self._headers = headers
        contents = {file.name: file.read_bytes() for file in folder.iterdir()}
        self._files = {
            name: (content, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
            for name, content in contents.items()
        }

    async def answer(self, request: Request) -> Response:
        """Answer one request, named `file` by the route."""
        name = request.path_params["file"]
        if name not in self._files:
            return Response(
                "There is no such file.", HTTPStatus.NOT_FOUND, self._headers, "text/plain"
            )
        content, tag = self._files[name]
        # Asked for each time, and seldom sent: a new version's page never meets an old script.
        headers = {**self._headers, "Cache-Control": "no-cache", "ETag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(None, HTTPStatus.NOT_MODIFIED, headers)
        return Response(content, headers=headers, media_type=_MEDIA_TYPES[Path(name).suffix])
