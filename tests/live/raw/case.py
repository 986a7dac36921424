"""What a case is, and what the requests of many cases are made of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from tests.live.raw.wire import Answer, Segment

# What the server is started with; the others are its defaults.
HEADER_SECONDS: Final = 3.0
FIELDS: Final = 100
HEADER_BYTES: Final = 64 * 1024
TARGET_BYTES: Final = 8 * 1024
PIPELINED: Final = 64

Status = int | frozenset[int]
Check = Callable[[Sequence[Answer]], None]


@dataclass(frozen=True)
class Case:
    """One connection's requests.

    Attributes:
        group: What it is about.
        name: What is sent, unique in its group.
        segments: The bytes, in the pieces in which they are to arrive.
        expect: The status of each final answer; a set where several are right.
        stays: Whether the connection stays usable; None where both are right.
        source: The section that says so.
        why: The reasoning where the section leaves a choice.
        methods: The requests' methods, in order, where one is HEAD.
        interim: The interim answers.
        check: Raises `AssertionError` unless the answers are right in some other way.
        stands: Why this is not so, where it cannot be mended and harms nobody.
    """

    group: str
    name: str
    segments: tuple[Segment, ...]
    expect: tuple[Status, ...]
    stays: bool | None
    source: str
    why: str = ""
    methods: tuple[bytes, ...] = ()
    interim: tuple[int, ...] = ()
    check: Check | None = None
    stands: str = ""

    @property
    def id(self) -> str:
        """Its name among all cases."""
        return f"{self.group}: {self.name}"


class Group:
    """Cases about one thing.

    Args:
        name: What they are about.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.cases: list[Case] = []

    def add(  # noqa: PLR0917 (the columns of a table)
        self,
        name: str,
        data: Segment | tuple[Segment, ...],
        expect: Status | tuple[Status, ...],
        stays: bool | None,
        source: str,
        why: str = "",
        *,
        methods: tuple[bytes, ...] = (),
        interim: tuple[int, ...] = (),
        check: Check | None = None,
        stands: str = "",
    ) -> None:
        """Add a case; see there."""
        self.cases.append(
            Case(
                self.name,
                name,
                data if isinstance(data, tuple) else (data,),
                expect if isinstance(expect, tuple) else (expect,),
                stays,
                source,
                why,
                methods,
                interim,
                check,
                stands,
            )
        )


HOST: Final = b"Host: localhost\r\n"
JSON: Final = b"Content-Type: application/json\r\n"
CL: Final = b"Content-Length: "
TE: Final = b"Transfer-Encoding: "
BODY: Final = b'{"username":"demo","password":"demo-password"}'
SIZE: Final = b"%d" % len(BODY)
HEX: Final = b"%x" % len(BODY)
WRONG: Final = b'{"username":"demo","password":"not-this-one"}'
WHOLE: Final = HEX + b"\r\n" + BODY + b"\r\n0\r\n\r\n"
# A request within another's body, which nobody may answer.
SMUGGLED: Final = (
    b"GET /fastapi/ HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: smuggled\r\nX-Pad: " + b"x" * 30
) + b"\r\n\r\n"
HIDES: Final = b"0\r\n\r\n" + SMUGGLED
ANY: Final = frozenset({400, 501})


def get(
    target: bytes = b"/fastapi/",
    *fields: bytes,
    method: bytes = b"GET",
    version: bytes = b"HTTP/1.1",
    host: bytes = HOST,
) -> bytes:
    """A request without a body."""
    lines = b"".join(field + b"\r\n" for field in fields)
    return method + b" " + target + b" " + version + b"\r\n" + host + lines + b"\r\n"


def named(name: bytes, target: bytes = b"/fastapi/", *fields: bytes) -> bytes:
    """A request whose answer can be told from others."""
    return get(target, b"X-Request-ID: " + name, *fields)


def hosts(*values: bytes, version: bytes = b"HTTP/1.1", target: bytes = b"/fastapi/") -> bytes:
    """A request with these hosts."""
    return get(target, version=version, host=b"".join(b"Host: %s\r\n" % v for v in values))


def post(framing: bytes, body: bytes = BODY, version: bytes = b"HTTP/1.1") -> bytes:
    """A sign-in: 200 only where the service has the body whole and nothing but the body."""
    return b"POST /fastapi/login " + version + b"\r\n" + HOST + JSON + framing + b"\r\n\r\n" + body


def chunked(body: bytes, framing: bytes = b"Transfer-Encoding: chunked") -> bytes:
    """A sign-in in chunks."""
    return post(framing, body)


def either(*statuses: int) -> frozenset[int]:
    """Several statuses that are right."""
    return frozenset(statuses)


def in_order(*names: str) -> Check:
    """A check: the first answers are those to `named` requests, in this order."""

    def check(answers: Sequence[Answer]) -> None:
        found = [answer.request_id for answer in answers[: len(names)]]
        assert found == list(names), f"answered in the order {found}"

    return check


def refused_as(detail: str) -> Check:
    """A check: the last answer is a refusal of the connection's own, in these words."""

    def check(answers: Sequence[Answer]) -> None:
        answer = answers[-1]
        document = json.loads(answer.body)
        identifier = answer.request_id
        assert re.fullmatch("[0-9a-f]{32}", identifier), f"no ID: {identifier!r}"
        assert document == {
            "type": "about:blank",
            "title": HTTPStatus(answer.status).phrase,
            "status": answer.status,
            "detail": detail,
            "request_id": identifier,
        }
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["connection"] == "close"

    return check
