"""Two answers to what differs between them, after SWITCH's rules (pure).

JSON is compared as documents, never as bytes; headers by an allow-list and by what they mean;
cookies by name and attributes; text with all white space alike. What may differ besides is named by
a rule, and each rule's use is told.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from gateway.switch.comparing.differences import MISSING, Difference, Findings, Kind, pair
from gateway.switch.comparing.documents import compare_documents
from gateway.switch.comparing.headers import (
    ALLOWED,
    compare_cookies,
    compare_headers,
    is_json,
    media_type,
)
from gateway.switch.comparing.reading import NotJson, read_json
from gateway.switch.comparing.rules import JsonRule, Places, RuleKind, places_of

__all__ = [
    "ALLOWED",
    "MISSING",
    "Answer",
    "Comparison",
    "Difference",
    "JsonRule",
    "Kind",
    "Outcome",
    "RuleKind",
    "Rules",
    "compare",
]

Outcome = Literal["match", "match by rule", "mismatch"]

_PARTIAL_CONTENT = 206
_ERROR = 400
_TEXT = frozenset(
    {"application/xml", "application/javascript", "application/x-www-form-urlencoded"}
)
# Of a text, so much is shown around the first place where it differs.
_EXCERPT = 80
_READABLE = frozenset(
    {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1", "windows-1252"}
)


@dataclass(frozen=True)
class Answer:
    """What a service answered.

    Attributes:
        status: Of the answer.
        headers: Names, in any case, and values.
        body: All of it, decoded from any `Content-Encoding`; None where it is not there to compare.
        absent: Why the body is not there, in words.
        url: What was asked, so that a `Location` can be understood; empty for unknown.
        prefix: The path under which the service is, so that places below it compare with the
            other's.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = b""
    absent: str = ""
    url: str = ""
    prefix: str = ""


@dataclass(frozen=True)
class Rules:
    """What is compared, and what may differ.

    Attributes:
        statuses: Sets of statuses, each of which may stand for the others of its set.
        headers: The headers that count.
        cookies: Whether cookies count.
        json: What may differ in JSON documents.
        bodies: Whether bodies count; streams and ranges are compared without.
    """

    statuses: tuple[frozenset[int], ...] = ()
    headers: tuple[str, ...] = ALLOWED
    cookies: bool = True
    json: tuple[JsonRule, ...] = ()
    bodies: bool = True

    @functools.cached_property
    def places(self) -> Places:
        """Where the rules for JSON lead."""
        return places_of(self.json)

    def equivalence(self, first: int, second: int) -> str:
        """The name of the rule by which two statuses stand for each other; empty for none."""
        for statuses in self.statuses:
            if {first, second} <= statuses:
                return f"status {' = '.join(str(status) for status in sorted(statuses))}"
        return ""


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes:
        outcome: "match by rule" where only rules made it one.
        differences: What no rule excuses, in an order that does not depend on the sides.
        hits: How many differences each rule has excused, by the rule's name.
        signature: The same for mismatches that are alike whatever their values; empty for none.
        not_compared: Why the bodies were not compared; empty where they were.
        left_out: How many differences more there are than are listed.
    """

    outcome: Outcome
    differences: tuple[Difference, ...] = ()
    hits: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    signature: str = ""
    not_compared: str = ""
    left_out: int = 0


def compare(first: Answer, second: Answer, rules: Rules | None = None) -> Comparison:
    """What differs between two answers to one request.

    Never raises, whatever the answers hold, and takes time that grows with their size.

    Args:
        first: An answer.
        second: Another.
        rules: What may differ; by default nothing that counts.
    """
    rules = rules or Rules()
    findings = Findings()
    if first.status != second.status:
        rule = rules.equivalence(first.status, second.status)
        if rule:
            findings.excuse(rule)
        else:
            findings.add(_difference_of_status(first.status, second.status))
    addresses = (first.url, first.prefix), (second.url, second.prefix)
    compare_headers(first.headers, second.headers, rules.headers, addresses, findings)
    if rules.cookies:
        compare_cookies(first.headers, second.headers, addresses, findings)
    not_compared = _reason_not_to(first, second, rules, failed=bool(findings.differences))
    if not not_compared:
        _compare_bodies(first, second, rules, findings)
    if findings.differences:
        outcome: Outcome = "mismatch"
    else:
        outcome = "match by rule" if findings.hits else "match"
    return Comparison(
        outcome,
        tuple(findings.differences),
        MappingProxyType(findings.hits),
        _signature(findings.differences),
        not_compared,
        findings.left_out,
    )


def _difference_of_status(first: int, second: int) -> Difference:
    alike = f"status {pair((str(first), str(second)))}"
    return Difference("status", "", (first, second), "two statuses", alike)


def _reason_not_to(first: Answer, second: Answer, rules: Rules, *, failed: bool) -> str:
    """Why the bodies are not compared."""
    if not rules.bodies:
        return "the rule is for status and headers only"
    for answer in (first, second):
        if answer.body is None:
            return answer.absent or "a body is not known"
    if _PARTIAL_CONTENT in {first.status, second.status}:
        return "a range: status and headers only"
    if "text/event-stream" in {media_type(first.headers)[0], media_type(second.headers)[0]}:
        return "a stream of events: status and headers only"
    if failed and (first.status < _ERROR) != (second.status < _ERROR):
        # Nobody learns from an item's members against those of an error.
        return "one is an error and the other is not"
    return ""


def _compare_bodies(first: Answer, second: Answer, rules: Rules, findings: Findings) -> None:
    bodies = first.body or b"", second.body or b""
    types = media_type(first.headers), media_type(second.headers)
    if bodies[0] == bodies[1] and types[0] == types[1]:
        return
    if any(is_json(kind) for kind, _ in types):
        try:
            documents = read_json(bodies[0]), read_json(bodies[1])
        except NotJson:
            pass  # then they are compared as what they are, whatever they say they are
        else:
            compare_documents(*documents, rules.places, findings)
            return
    if all(_is_text(kind) for kind, _ in types):
        texts = [_words(body, charset) for body, (_, charset) in zip(bodies, types, strict=True)]
        _compare_texts(texts[0], texts[1], findings)
    elif bodies[0] != bodies[1]:
        shown = tuple(f"{len(body)} bytes" for body in bodies)
        why = "two bodies that are no text, byte by byte"
        findings.add(Difference("text", "", (shown[0], shown[1]), why, "bytes"))


def _is_text(kind: str) -> bool:
    return not kind or kind.startswith("text/") or kind in _TEXT or kind.endswith(("json", "+xml"))


def _words(body: bytes, charset: str) -> str:
    """A text with all white space alike. What it cannot be read as is told by the bytes."""
    text = body.decode(charset if charset in _READABLE else "utf-8", "backslashreplace")
    return " ".join(text.split())


def _compare_texts(first: str, second: str, findings: Findings) -> None:
    if first == second:
        return
    at = _first_difference(first, second)
    begin = max(at - _EXCERPT // 2, 0)
    values = tuple(_excerpt(text, begin) for text in (first, second))
    why = f"two texts: from character {at} on, white space aside"
    findings.add(Difference("text", "", (values[0], values[1]), why, "text"))


def _first_difference(first: str, second: str) -> int:
    """Where two texts that are not the same begin to differ."""
    low, high = 0, min(len(first), len(second))
    # What is the same up to the middle need not be looked at again: comparing is quick, counting
    # characters in Python is not.
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _excerpt(text: str, begin: int) -> str:
    end = begin + _EXCERPT
    return f"{'…' * (begin > 0)}{text[begin:end]}{'…' * (end < len(text))}"


def _signature(differences: Iterable[Difference]) -> str:
    sorts = sorted({f"{each.kind} {each.alike}" for each in differences})
    if not sorts:
        return ""
    # A name in a document may hold half a character.
    text = "\n".join(sorts).encode("utf-8", "backslashreplace")
    return hashlib.sha256(text).hexdigest()[:16]
