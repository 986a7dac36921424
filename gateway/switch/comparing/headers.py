"""Headers of two answers by what they mean, cookies by what is asked of the client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urljoin, urlsplit, urlunsplit

from werkzeug.http import parse_options_header

from gateway.switch.comparing.differences import MISSING, Difference, Findings

# What a client acts upon. Others are of the moment (Date), of the server, or follow from the body.
ALLOWED: Final = (
    "Content-Type",
    "Location",
    "Allow",
    "Vary",
    "Cache-Control",
    "WWW-Authenticate",
)
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
# Cookies are few, and answers that say otherwise are not to cost more.
_MOST_COOKIES = 200

Headers = Sequence[tuple[str, str]]


def compare_headers(
    first: Headers,
    second: Headers,
    names: Iterable[str],
    addresses: tuple[tuple[str, str], tuple[str, str]],
    findings: Findings,
) -> None:
    """Find what differs.

    Args:
        first: An answer's headers.
        second: Another's.
        names: Which of them count.
        addresses: For each answer the URL that was asked, and the path under which its service is.
            A place below it is the same place below the other's.
        findings: What is found goes there.
    """
    for name in names:
        values = _values(first, name), _values(second, name)
        means = _MEANING.get(name.lower(), _as_text)
        meant = [means(value, *address) for value, address in zip(values, addresses, strict=True)]
        if meant[0] != meant[1]:
            shown = [", ".join(value) if value else MISSING for value in values]
            _tell(name, (shown[0], shown[1]), name.lower(), findings)


def compare_cookies(
    first: Headers,
    second: Headers,
    addresses: tuple[tuple[str, str], tuple[str, str]],
    findings: Findings,
) -> None:
    """Find the cookies that differ by name or attributes; their values are nobody's to compare."""
    one, other = (
        _cookies(headers, prefix)
        for headers, (_, prefix) in zip((first, second), addresses, strict=True)
    )
    for name in sorted(one.keys() | other.keys()):
        attributes = one.get(name), other.get(name)
        if attributes[0] != attributes[1]:
            shown = tuple(
                MISSING if each is None else "; ".join([f"{name}=…", *_written(each)])
                for each in attributes
            )
            _tell("Set-Cookie", (shown[0], shown[1]), f"set-cookie {name}", findings)


def _tell(name: str, values: tuple[object, object], alike: str, findings: Findings) -> None:
    sides = [
        side for side, value in zip(("first", "second"), values, strict=True) if value is MISSING
    ]
    why = f"the {sides[0]} answer has none" if sides else "two values"
    sort = "missing" if sides else "two values"
    findings.add(Difference("header", name, (values[0], values[1]), why, f"{alike} {sort}"))


def _values(headers: Headers, name: str) -> list[str]:
    return [value for each, value in headers if each.lower() == name.lower()]


def _as_text(values: Sequence[str], url: str, prefix: str) -> object:
    return [" ".join(value.split()) for value in values]


def _as_list(values: Sequence[str], url: str, prefix: str) -> object:
    """Members in any order and case (RFC 9110, section 5.6.1)."""
    members = {part.strip().lower() for value in values for part in value.split(",")} - {""}
    return members if values else None


def _as_type(values: Sequence[str], url: str, prefix: str) -> object:
    """A media type (RFC 9110, section 8.3.1); JSON has no charset (RFC 8259, section 11)."""
    if len(values) != 1:
        return values
    kind, parameters = parse_options_header(values[0])
    kind = kind.lower()
    parameters = {name.lower(): value for name, value in parameters.items()}
    charset = parameters.pop("charset", "").lower()
    if charset and not (is_json(kind) and charset in {"utf-8", "utf8"}):
        parameters["charset"] = charset
    return kind, parameters


def _as_place(values: Sequence[str], url: str, prefix: str) -> object:
    """Where a reference leads (RFC 9110, section 10.2.2), seen from where its service is."""
    if len(values) != 1 or not url:
        return values
    try:
        parts = urlsplit(urljoin(url, values[0]))
        if (parts.scheme, parts.netloc) != urlsplit(url)[:2]:
            return values
    except ValueError:
        return values
    return urlunsplit(("", "", _below(parts.path, prefix), parts.query, parts.fragment))


def _below(path: str, prefix: str) -> str:
    """A path below a prefix of whole segments; marked, so that it is none that is not below."""
    inside = prefix and (path == prefix or path.startswith(f"{prefix}/"))
    return f"~{path.removeprefix(prefix)}" if inside else path


_MEANING: Mapping[str, Callable[[Sequence[str], str, str], object]] = {
    "content-type": _as_type,
    "location": _as_place,
    "allow": _as_list,
    "vary": _as_list,
    "cache-control": _as_list,
}


def is_json(media_type: str) -> bool:
    """Whether a media type is JSON's or made of it (RFC 6839, section 3.1)."""
    return media_type == "application/json" or media_type.endswith("+json")


def media_type(headers: Headers) -> tuple[str, str]:
    """The type of a body, lower case, and its charset; each empty where it is not told."""
    values = _values(headers, "content-type")
    kind, parameters = parse_options_header(values[0] if values else "")
    return kind.lower(), parameters.get("charset", "").lower()


def _cookies(headers: Headers, prefix: str) -> dict[str, dict[str, str]]:
    """The attributes of each cookie; of two of one name the last counts (RFC 6265, 5.3)."""
    found: dict[str, dict[str, str]] = {}
    for line in _values(headers, "set-cookie")[:_MOST_COOKIES]:
        pair, *rest = line.split(";")
        attributes: dict[str, str] = {}
        for part in rest:
            key, _, value = part.partition("=")
            attributes[key.strip().lower()] = value.strip()
        attributes.pop("", None)
        if "path" in attributes:
            attributes["path"] = _below(attributes["path"], prefix)
        if "samesite" in attributes:
            attributes["samesite"] = attributes["samesite"].lower()
        expires = attributes.pop("expires", None)
        age = attributes.get("max-age")
        # Max-Age wins over Expires, which moves with the clock; of both, only whether the cookie is
        # kept or removed is the same a second later.
        if age is not None and age.lstrip("-").isdigit():
            if age.startswith("-") or not age.strip("0"):
                attributes["max-age"] = "0"
        elif expires is not None:
            attributes["max-age" if _is_past(expires) else "expires"] = "0"
        found[pair.partition("=")[0].strip()] = attributes
    return found


def _is_past(expires: str) -> bool:
    """Whether it removes a cookie, as everybody writes that: a date long ago."""
    try:
        when = parsedate_to_datetime(expires)
    except (ValueError, TypeError, IndexError, OverflowError):
        return False
    return (when if when.tzinfo else when.replace(tzinfo=UTC)) < _LONG_AGO


def _written(attributes: Mapping[str, str]) -> list[str]:
    return [
        key if not value else f"{key}={value.removeprefix('~') or '/'}"
        for key, value in sorted(attributes.items())
    ]
