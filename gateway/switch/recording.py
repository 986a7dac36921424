"""Recorded requests, read from HAR or JSON lines (pure)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

# HTTP Archive 1.2: http://www.softwareishard.com/blog/har-12-spec/
_HAR_ROOT: Final = "log"
_NOT_REPEATED: Final = frozenset(
    {
        "accept-encoding",  # what is compared is not compressed
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# RFC 3986 but for what has a meaning in a target.
_AS_IT_IS: Final = "/?:@!$&'()*+,;=-._~%[]"


class BadRecording(Exception):
    """It holds no requests; the text says where and why."""


@dataclass(frozen=True)
class Recorded:
    """One request.

    Attributes:
        method: In capitals.
        target: Path and query, percent-encoded.
        headers: Names and values, less what belongs to a connection.
        body: Empty for none.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def path(self) -> str:
        """Without the query, still encoded."""
        return self.target.partition("?")[0]


def read_recording(text: str) -> list[Recorded]:
    """The requests of a recording, in its order.

    Args:
        text: A HAR file, or a JSON object a line: `method` ("GET" where it is left out), `url` or
            `target`, `headers` (an object, or pairs) and `body` (text, or JSON).

    Raises:
        BadRecording: It is neither.
    """
    if not text.strip():
        raise BadRecording("The file is empty.")
    try:
        whole = json.loads(text.removeprefix("\ufeff"))
    except ValueError:
        return _read_lines(text)
    if isinstance(whole, dict) and _HAR_ROOT in whole:
        return _read_har(whole[_HAR_ROOT])
    return _read_lines(text)


def _read_lines(text: str) -> list[Recorded]:
    found = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if not line.strip():
            continue
        where = f"line {number}"
        try:
            value = json.loads(line)
        except ValueError as error:
            raise BadRecording(
                f"{where}: no JSON ({error}). A recording is a HAR file, or a JSON object a line."
            ) from None
        if not isinstance(value, dict):
            raise BadRecording(f"{where}: {_kind(value)} where an object is expected.")
        found.append(_request(where, value, _body_of_line(where, value)))
    return found


def _read_har(log: Any) -> list[Recorded]:
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(entries, list):
        raise BadRecording("HAR: log.entries is no list.")
    found = []
    for number, entry in enumerate(entries, 1):
        where = f"HAR entry {number}"
        value = entry.get("request") if isinstance(entry, dict) else None
        if not isinstance(value, dict):
            raise BadRecording(f"{where}: it has no request.")
        found.append(_request(where, value, _body_of_har(where, value.get("postData"))))
    return found


def _request(where: str, value: Mapping[str, Any], body: bytes) -> Recorded:
    method = value.get("method", "GET")
    if not isinstance(method, str) or not (method.isascii() and method.isalpha()):
        raise BadRecording(f"{where}: the method is {_shown(method)}.")
    return Recorded(method.upper(), _target(where, value), _headers(where, value), body)


def _target(where: str, value: Mapping[str, Any]) -> str:
    url = value.get("target", value.get("url"))
    if url is None:
        raise BadRecording(f'{where}: neither "url" nor "target" says what was asked.')
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        parts = None
    if parts is None or not (parts.path.startswith("/") or (parts.netloc and not parts.path)):
        raise BadRecording(f"{where}: {_shown(url)} is no URL and no path.")
    query = f"?{parts.query}" if parts.query else ""
    return quote(f"{parts.path or '/'}{query}", safe=_AS_IT_IS)


def _headers(where: str, value: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    headers = value.get("headers") or []
    if isinstance(headers, dict):
        pairs: list[Any] = list(headers.items())
    elif isinstance(headers, list):
        pairs = [
            (one.get("name"), one.get("value")) if isinstance(one, dict) else one for one in headers
        ]
    else:
        raise BadRecording(f"{where}: the headers are {_kind(headers)}.")
    for pair in pairs:
        if not _is_header(pair):
            raise BadRecording(f"{where}: {_shown(pair)} is no header.")
    return tuple(
        (name, text)
        for name, text in pairs
        if name.lower() not in _NOT_REPEATED and not name.startswith(":")
    )


def _is_header(pair: Any) -> bool:
    if not (isinstance(pair, list | tuple) and len(pair) == 2):  # noqa: PLR2004
        return False
    name, text = pair
    if not (isinstance(name, str) and isinstance(text, str) and name and name.isascii()):
        return False
    return name.isprintable() and " " not in name and not {"\r", "\n", "\0"} & set(text)


def _body_of_line(where: str, value: Mapping[str, Any]) -> bytes:
    body = value.get("body")
    if body is None:
        return b""
    text = body if isinstance(body, str) else json.dumps(body)
    return _encoded(where, text)


def _body_of_har(where: str, data: Any) -> bytes:
    if data is None:
        return b""
    text = data.get("text", "") if isinstance(data, dict) else None
    if not isinstance(text, str):
        raise BadRecording(f"{where}: postData has no text.")
    if data.get("encoding") != "base64":
        return _encoded(where, text)
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise BadRecording(f"{where}: postData is not the base64 that it says it is.") from None


def _encoded(where: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise BadRecording(f"{where}: the body has half a character.") from None


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a text", dict: "an object", type(None): "null"}
    return names.get(type(value), "a number or a boolean")


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:79]}…"  # noqa: PLR2004
