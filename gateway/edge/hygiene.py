"""Refuses requests that two readers could read in two ways, before anything is decided by them."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Literal

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.exchange import exchange_of
from gateway.problems import Refusal, refuse

# After decoding, so that %2e counts. A backslash is a slash to some.
_DOT_SEGMENT = re.compile(r"(?:^|[/\\])\.{1,2}(?:[/\\]|$)")
# RFC 9110, section 7.2, and RFC 3986, section 3.2.2, less what nobody's host name has.
_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+;=%-]*(:[0-9]{0,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{0,5})?")


class AmbiguousPath(Refusal):
    """The path has dot segments."""

    status = HTTPStatus.BAD_REQUEST
    detail = "The path has dot segments, or a control character. Send the path that is meant."


class AmbiguousHost(Refusal):
    """There is not exactly one sound Host header."""

    status = HTTPStatus.BAD_REQUEST
    detail = "The request needs exactly one Host header with a host name and, maybe, a port."


class AmbiguousHeader(Refusal):
    """A header's name has an underscore."""

    status = HTTPStatus.BAD_REQUEST
    detail = "A header's name has an underscore, which WSGI cannot tell from a hyphen."


class RequestHygiene:
    """Answers 400 to dot segments, doubtful hosts and, if so set, underscores in header names.

    Args:
        app: What the request goes to.
        underscores: "drop" headers with an underscore in their name, or "refuse" the request.
    """

    def __init__(self, app: ASGIApp, underscores: Literal["drop", "refuse"] = "drop") -> None:
        self.app = app
        self._refuses = underscores == "refuse"

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass on what is clear."""
        if scope["type"] == "lifespan":
            return self.app(scope, receive, send)
        path: str = scope["path"]
        # Most paths have neither; a search for one character is quick.
        if ("." in path and _DOT_SEGMENT.search(path)) or "\0" in path:
            return refuse(AmbiguousPath(), scope, receive, send)
        fields = exchange_of(scope).fields
        headers = scope["headers"]
        host = fields.get(b"host")
        if host is None:
            # RFC 9112, section 3.2: HTTP/1.0 had none; HTTP/2 has another place for it.
            if scope.get("http_version") == "1.1":
                return refuse(AmbiguousHost(), scope, receive, send)
        elif not _HOST.fullmatch(host) or _count(headers, b"host") > 1:
            return refuse(AmbiguousHost(), scope, receive, send)
        if b"_" in b"".join(fields):
            if self._refuses:
                return refuse(AmbiguousHeader(), scope, receive, send)
            scope["headers"] = [header for header in headers if b"_" not in header[0]]
        return self.app(scope, receive, send)


def _count(headers: list[tuple[bytes, bytes]], wanted: bytes) -> int:
    return sum(name == wanted for name, _ in headers)
