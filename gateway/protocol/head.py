"""What a request's head may look like (pure): RFC 9110 and RFC 9112, the strict reading."""

from __future__ import annotations

import functools
import ipaddress
import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

_VERSIONS: Final = frozenset({"1.0", "1.1"})
_HOST: Final = re.compile(rb"([A-Za-z0-9._~-]{1,255}|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?")
_is_origin_form: Final = re.compile(rb'/[^?#"<>\\]*(?:\?[^#]*)?').fullmatch
_ABSOLUTE_FORM: Final = re.compile(
    rb'(https?)://([^/?#@"<>\\]+)(/[^?#"<>\\]*)?(\?[^#]*)?', re.IGNORECASE
)
_METHOD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# The parser knows them from other protocols.
_NOT_HERE: Final = frozenset(
    b"CONNECT PRI SOURCE DESCRIBE ANNOUNCE SETUP PLAY PAUSE TEARDOWN GET_PARAMETER SET_PARAMETER "
    b"REDIRECT RECORD FLUSH".split()
)
_HIGHEST_PORT: Final = 65535
_LONGEST_HOST: Final = 262  # 255, a colon, and a port
# Not a secret: an ID only has to be unique.
_random_bits: Final = random.Random().getrandbits  # noqa: S311
# RFC 9110, section 6.5.1: they decide how the message was read.
NEVER_TRAILERS: Final = frozenset({b"host", b"transfer-encoding", b"content-length"})


@dataclass(frozen=True)
class RequestLimits:
    """What one process takes from clients.

    Attributes:
        header_seconds: From the connection, or a request's first byte, to the end of its head; also
            for what is left of a body whose request was answered without it.
        header_fields: Fields of a head, or of its trailers.
        header_bytes: Their names and values, with four bytes each for what stands between.
        target_bytes: The request's target.
        connections: Connections at a time, WebSockets included.
        pipelined: Requests of one connection that may wait for the one before.
        linger_seconds: How long a refused client may still send, so that it reads the refusal.
        write_seconds: How long a client may take nothing of its answer.
    """

    header_seconds: float = 10.0
    header_fields: int = 100
    header_bytes: int = 64 * 1024
    target_bytes: int = 8 * 1024
    connections: int = 1000
    pipelined: int = 64
    linger_seconds: float = 1.0
    write_seconds: float = 60.0


class BadRequest(Exception):
    """The connection's own refusal: it comes before there is a request for the edge to refuse.

    Args:
        status: The answer's status.
        detail: What is wrong, for the client.

    Attributes:
        request_id: The ID under which the answer and the log have it. The client's own is not
            looked at: its request is not one.
    """

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.request_id = f"{_random_bits(128):032x}"

    def encode(self, headers: list[tuple[bytes, bytes]], *, body: bool) -> bytes:
        """The whole answer (RFC 9457)."""
        lines = [STATUS_LINE[self.status], *(b"%s: %s\r\n" % header for header in headers)]
        if self.status == HTTPStatus.NO_CONTENT:
            lines.append(b"allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n")
            document = b""
        else:
            document = self.document
            lines.append(b"content-type: application/problem+json\r\n")
            lines.append(b"content-length: %d\r\n" % len(document))
        if self.status == HTTPStatus.SERVICE_UNAVAILABLE:
            lines.append(b"retry-after: 1\r\n")
        lines.append(b"x-request-id: %s\r\n" % self.request_id.encode())
        lines.append(b"connection: close\r\n\r\n")
        return b"".join(lines) + (document if body else b"")

    @property
    def document(self) -> bytes:
        """The answer's body."""
        return json.dumps(
            {
                "type": "about:blank",
                "title": self.status.phrase,
                "status": int(self.status),
                "detail": self.detail,
                "request_id": self.request_id,
            }
        ).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as an ASGI application, in the place of a service."""
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", b"%d" % len(self.document)),
            (b"x-request-id", self.request_id.encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": int(self.status), "headers": headers})
        await send({"type": "http.response.body", "body": self.document})


def too_large(limits: RequestLimits) -> BadRequest:
    """The refusal of a head that is too large."""
    return BadRequest(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        f"At most {limits.header_fields} header fields of {limits.header_bytes} bytes in all.",
    )


def wrong_version() -> BadRequest:
    """The refusal of another version."""
    return BadRequest(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "This server speaks HTTP/1.1.")


def unknown_method() -> BadRequest:
    """The refusal of a method that no service here has."""
    return BadRequest(HTTPStatus.NOT_IMPLEMENTED, "The method is not known here.")


def is_method(word: bytes) -> bool:
    """Whether it could be one: a token."""
    return _METHOD.fullmatch(word) is not None


def check_line(version: str, method: bytes) -> None:
    """Refuse other versions, and methods of other protocols.

    Raises:
        BadRequest: It is one.
    """
    if version not in _VERSIONS:
        raise wrong_version()
    if method in _NOT_HERE:
        raise unknown_method()


def check_hosts(hosts: Sequence[bytes], version: str) -> None:
    """Refuse a request without exactly one sound Host (RFC 9112, section 3.2).

    Raises:
        BadRequest: There is none, or more than one, or it is none.
    """
    if len(hosts) == 1:
        if not is_host(hosts[0]):
            raise BadRequest(
                HTTPStatus.BAD_REQUEST, "The Host is not a name or address with a port."
            )
    elif hosts or version == "1.1":
        raise BadRequest(HTTPStatus.BAD_REQUEST, "Exactly one Host is required.")


def origin_form(target: bytes, method: bytes, scheme: str, hosts: Sequence[bytes]) -> bytes:
    """The target as path and query (RFC 9112, section 3.2).

    Raises:
        BadRequest: It is no target for this server; with status 204 where it asks for the server
            itself (`OPTIONS *`).
    """
    if _is_origin_form(target):
        return target
    if target == b"*" and method == b"OPTIONS":
        raise BadRequest(HTTPStatus.NO_CONTENT, "")
    absolute = _ABSOLUTE_FORM.fullmatch(target)
    if absolute is None:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "The target is not a path on this host.")
    named, authority, path, query = absolute.groups(b"")
    if named.lower().decode() != scheme:
        raise BadRequest(HTTPStatus.MISDIRECTED_REQUEST, "Not over this kind of connection.")
    if not is_host(authority) or [authority.lower()] != [host.lower() for host in hosts]:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "The target's host is not the Host.")
    return (path or b"/") + query


def check_codings(codings: Sequence[bytes], version: str) -> None:
    """Refuse transfer codings but a single chunked (RFC 9112, sections 6.1 and 7).

    Raises:
        BadRequest: There is another.
    """
    if version == "1.0":
        raise BadRequest(HTTPStatus.BAD_REQUEST, "HTTP/1.0 has no transfer codings.")
    if len(codings) != 1 or codings[0].lower() != b"chunked":
        raise BadRequest(HTTPStatus.NOT_IMPLEMENTED, "The only transfer coding is chunked.")


def is_host(value: bytes) -> bool:
    """Whether a `Host` is a name or an address, and a port if there is a colon."""
    # Before anything is remembered of it: a stranger's may be long.
    return len(value) <= _LONGEST_HOST and _is_host(value)


@functools.lru_cache(1024)
def _is_host(value: bytes) -> bool:
    found = _HOST.fullmatch(value)
    if found is None or int(found[2] or 0) > _HIGHEST_PORT:
        return False
    if value.startswith(b"["):
        try:
            ipaddress.IPv6Address(found[1][1:-1].decode())
        except ValueError:
            return False
    return True
