"""Values that are called like secrets, masked: in headers, URLs, JSON, forms and HTML (pure)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote_plus

from gateway.switch.compare import Answer
from gateway.switch.comparing.differences import MISSING
from gateway.switch.comparing.reading import NotJson, read_json

MASK = "********"

# So much of a text that is no JSON is looked at: more than is kept.
_LOOKED_AT = 64 * 1024
_DEEPEST = 60
_MOST_HEADERS = 40

_QUOTES = "\"'"
_HEADERS = frozenset({"authorization", "proxy-authorization"})
_COOKIES = frozenset({"cookie", "set-cookie"})
_ADDRESSES = frozenset({"location", "content-location", "referer", "link", "refresh"})
_SCHEMES = frozenset({"basic", "bearer", "digest", "negotiate", "token", "apikey"})

_PARTS = (
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "token",
    "secret",
    "apikey",
    "credential",
    "authorization",
    "signature",
    "csrf",
    "sessionid",
)
_WORDS = frozenset(
    {"auth", "jwt", "key", "keys", "otp", "pass", "pin", "pwd", "session", "sid", "sig"}
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_MEMBER = re.compile(r'"((?:[^"\\]|\\.){1,80})"(\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s,\]}]+)')
_PAIR = re.compile(r"(?<![^\s&?;,\"'<>])([^\s&?;=,\"'<>]{1,80})=([^\s&;\"'<>]+)")
_FIELD = re.compile(r'(name="([^"\r\n]{1,80})"[^\r\n]*(?:\r?\n[^\r\n]+){0,5}\r?\n\r?\n)([^\r\n]*)')
_TAG = re.compile(r"<(?:input|meta)\b[^<>]*>", re.IGNORECASE)
_TAG_NAME = re.compile(r"""\bname\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)
_TAG_VALUE = re.compile(
    r"""\b((?:value|content)\s*=\s*)("[^"]*"|'[^']*'|[^"'\s>]+)""", re.IGNORECASE
)
_USER = re.compile(r"(?<=://)[^/@\s]+@")
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}|<(?:[^<>:]+:)?(\w+)>")

Headers = Iterable[tuple[str, str]]


def is_secret(name: str) -> bool:
    """Whether a value of this name is one that nobody should read: `api_key`, `newPassword`."""
    words = [word.lower() for word in _WORD.findall(name)]
    whole = "".join(words)
    return any(part in whole for part in _PARTS) or not _WORDS.isdisjoint(words)


class Masking:
    """Masks what is called like a secret, and remembers it.

    Args:
        secrets: What was masked is added, as keys, in order.
    """

    def __init__(self, secrets: dict[str, None]) -> None:
        self._secrets = secrets

    def answer(self, answer: Answer) -> dict[str, Any]:
        """An answer."""
        return {
            "status": answer.status,
            "headers": self.headers(answer.headers),
            "body": self.body(answer.body),
        }

    def headers(self, headers: Headers) -> list[list[str]]:
        """Headers, the first of them."""
        return [[name, self.header(name, value)] for name, value in list(headers)[:_MOST_HEADERS]]

    def header(self, name: str, value: str) -> str:
        """A header's value."""
        lower = name.lower()
        if lower in _COOKIES:
            return self._cookies(value, attributes=lower == "set-cookie")
        if lower in _HEADERS:
            scheme, space, rest = value.strip().partition(" ")
            if space and scheme.lower() in _SCHEMES:
                return f"{scheme} {self._mask(rest.strip())}"
            return self._mask(value)
        if lower in _ADDRESSES:
            return self.target(value)
        return self._mask(value) if is_secret(name) else value

    def target(self, target: str, template: str = "") -> str:
        """A path with its query, or a whole URL."""
        path, mark, query = target.partition("?")
        path = _USER.sub(lambda user: f"{self._mask(user[0][:-1])}@", path)
        return self._path(path, template) + mark + self._pairs(query)

    def body(self, body: bytes | None) -> str | None:
        """A body as text, the beginning of it; None where there is none to show."""
        if body is None:
            return None
        try:
            document = read_json(body)
        except NotJson:
            return self.text(body[:_LOOKED_AT].decode("utf-8", "replace"))
        if not isinstance(document, dict | list):
            return self.text(body[:_LOOKED_AT].decode("utf-8", "replace"))
        return json.dumps(self.document(document), ensure_ascii=False, default=str)

    def text(self, text: str) -> str:
        """A text that may be a form, HTML, or broken JSON."""
        text = _FIELD.sub(lambda m: m[1] + self._named(m[2], m[3]), text)
        text = _TAG.sub(lambda m: self._tag(m[0]), text)
        text = _MEMBER.sub(lambda m: f'"{m[1]}"{m[2]}{self._quoted(m[1], m[3])}', text)
        return self._pairs(text)

    def document(self, value: Any, depth: int = 0) -> Any:
        """A JSON document."""
        if depth > _DEEPEST:
            return "…"
        if isinstance(value, list):
            return [self.document(one, depth + 1) for one in value]
        if isinstance(value, str):
            return self._pairs(value)
        if not isinstance(value, dict):
            return value
        of_secret = _is_fault_of_secret(value)
        return {
            name: self._mask_all(one)
            if is_secret(name) or (of_secret and name in {"input", "ctx"})
            else self.document(one, depth + 1)
            for name, one in value.items()
        }

    def value(self, kind: str, place: str, value: Any) -> Any:
        """One side of a difference; None for what is not there."""
        if value is MISSING:
            return None
        if kind == "header":
            return self.header(place, value) if isinstance(value, str) else value
        if kind == "json":
            steps = place.split("/")
            if any(is_secret(step) for step in steps) or _is_repeated_input(steps):
                return self._mask_all(value)
            return self.document(value)
        return self.text(value) if isinstance(value, str) else value

    def _mask(self, value: str) -> str:
        if not value:
            return value
        self._secrets.update(dict.fromkeys((value, unquote_plus(value))))
        return MASK

    def _mask_all(self, value: Any) -> Any:
        """Anything in the place of a secret. What is no more than yes, no or nothing stays."""
        pending = [value]
        while pending:
            one = pending.pop()
            if isinstance(one, dict):
                pending += [*one.keys(), *one.values()]
            elif isinstance(one, list):
                pending += one
            elif one is not None and not isinstance(one, bool):
                self._mask(str(one))
        return value if value is None or isinstance(value, bool) or value == "" else MASK

    def _named(self, name: str, value: str) -> str:
        return self._mask(value) if is_secret(unquote_plus(name)) else value

    def _quoted(self, name: str, value: str) -> str:
        if not is_secret(name):
            return value
        self._mask(value.strip('"'))
        return f'"{MASK}"'

    def _pairs(self, text: str) -> str:
        return _PAIR.sub(lambda m: f"{m[1]}={self._named(m[1], m[2])}", text)

    def _tag(self, tag: str) -> str:
        name = _TAG_NAME.search(tag)
        if name is None or not is_secret(name[1]):
            return tag
        return _TAG_VALUE.sub(lambda m: f'{m[1]}"{self._mask(m[2].strip(_QUOTES))}"', tag)

    def _cookies(self, line: str, *, attributes: bool) -> str:
        first, *rest = line.split(";")
        cookies, told = ([first], rest) if attributes else ([first, *rest], [])
        masked = []
        for cookie in cookies:
            name, sign, value = cookie.partition("=")
            masked.append(f"{name}={self._mask(value.strip())}" if sign else self._mask(cookie))
        return ";".join([*masked, *told])

    def _path(self, path: str, template: str) -> str:
        steps, wanted = path.split("/"), template.split("/")
        for back in range(1, min(len(steps), len(wanted)) + 1):
            found = _PARAMETER.fullmatch(wanted[-back])
            if found and is_secret(found[1] or found[2]):
                steps[-back] = self._mask(steps[-back])
        return "/".join(steps)


def _is_fault_of_secret(value: Mapping[str, Any]) -> bool:
    """Whether it is one of the faults that a 422 of FastAPI's lists, and of a secret's value."""
    where = value.get("loc")
    return isinstance(where, list) and any(
        isinstance(step, str) and is_secret(step) for step in where
    )


def _is_repeated_input(steps: Sequence[str]) -> bool:
    """Whether a place is what a 422 of FastAPI's repeats; what it was called is told elsewhere."""
    return steps[1:2] == ["detail"] and "input" in steps[2:]


def masked_place(place: str) -> str:
    """A place without what is below a secret: names of members may be secrets there."""
    steps = place.split("/")
    for index, step in enumerate(steps):
        if is_secret(step) and index + 1 < len(steps):
            return "/".join([*steps[: index + 1], MASK])
    return place
