"""Refuses requests that two readers could read in two ways, before anything is decided by them."""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Final, Literal
from urllib.parse import quote, unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.exchange import exchange_of
from gateway.problems import Refusal, refuse

_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# A backslash is a slash to some.
_SEPARATOR: Final = re.compile(rb"[/\\]")
_ENCODED_SLASH: Final = re.compile(rb"%2f", re.IGNORECASE)
_DOTS: Final = frozenset({b".", b".."})
# What it becomes in CGI is what clients there take for their proxy (CVE-2016-5385).
_PROXY: Final = b"proxy"
# RFC 9110, section 7.2, and RFC 3986, section 3.2.2, less what nobody's host name has.
_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+;=%-]*(:[0-9]{0,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{0,5})?")


_LONGEST_HOST: Final = 262  # 255, a colon, and a port


class AmbiguousPath(Refusal):
    """The path can be read in two ways.

    Args:
        detail: Why.
    """

    status = HTTPStatus.BAD_REQUEST

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class AmbiguousHost(Refusal):
    """There is not exactly one sound Host header."""

    status = HTTPStatus.BAD_REQUEST
    detail = "The request needs exactly one Host header with a host name and, maybe, a port."


class AmbiguousHeader(Refusal):
    """A header's name has an underscore."""

    status = HTTPStatus.BAD_REQUEST
    detail = "A header's name has an underscore, which WSGI cannot tell from a hyphen."


def path_fault(raw_path: bytes) -> str:
    """Why a path is refused before anything is decided by it; empty for one that is well.

    Args:
        raw_path: As it was sent, without the query, from its first slash.
    """
    escaped = b"%" in raw_path
    # Most paths have none of these; a search for a few bytes is quick.
    if not (escaped or b"/." in raw_path or b"\\" in raw_path or b"\0" in raw_path):
        return ""
    if escaped and _BAD_ESCAPE.search(raw_path):
        return "The path has a percent sign that begins no escape."
    path = unquote_to_bytes(raw_path)
    if b"\0" in path:
        return "The path has a NUL."
    if not _DOTS.isdisjoint(_SEPARATOR.split(path)):
        return "The path has dot segments. Send the path that is meant."
    return ""


def hides_slash(raw_path: bytes, decisive: int) -> bool:
    """Whether one of the segments that decide where a request goes has an encoded slash.

    It would be a slash to some, and a part of a name to others: no rule for a prefix may be passed
    by so.

    Args:
        raw_path: As it was sent, without the query, from its first slash.
        decisive: How many segments, from the first, decide.
    """
    deciding = b"/".join(raw_path.split(b"/", decisive + 1)[: decisive + 1])
    return _ENCODED_SLASH.search(deciding) is not None


class RequestHygiene:
    """Answers 400 to ambiguous paths, doubtful hosts and, if so set, underscores in header names.

    A `Proxy` header is dropped, which no client sends in good faith.

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
        # Optional in ASGI; without it, nobody can tell what was escaped.
        raw_path = scope.get("raw_path") or quote(scope["path"]).encode()
        fault = path_fault(raw_path)
        if fault:
            return refuse(AmbiguousPath(fault), scope, receive, send)
        exchange = exchange_of(scope)
        fields = exchange.fields
        headers = scope["headers"]
        host = fields.get(b"host")
        if host is None:
            # RFC 9112, section 3.2: HTTP/1.0 had none; HTTP/2 has another place for it.
            if scope.get("http_version") == "1.1":
                return refuse(AmbiguousHost(), scope, receive, send)
        elif not _is_host(host) or (exchange.repeats and _count(headers, b"host") > 1):
            return refuse(AmbiguousHost(), scope, receive, send)
        underscores = b"_" in b"".join(fields)
        if underscores and self._refuses:
            return refuse(AmbiguousHeader(), scope, receive, send)
        if underscores or _PROXY in fields:
            scope["headers"] = [
                header for header in headers if b"_" not in header[0] and header[0] != _PROXY
            ]
        return self.app(scope, receive, send)


def _is_host(value: bytes) -> bool:
    # Before anything is remembered of it: a stranger's may be long.
    return len(value) <= _LONGEST_HOST and _is_short_host(value)


@functools.lru_cache(1024)
def _is_short_host(value: bytes) -> bool:
    # Remembered: most requests are for the same few.
    return _HOST.fullmatch(value) is not None


def _count(headers: list[tuple[bytes, bytes]], wanted: bytes) -> int:
    return sum(name == wanted for name, _ in headers)
