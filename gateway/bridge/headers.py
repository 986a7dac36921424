"""An application's status and headers -> ASGI's: PEP 3333, "The start_response() Callable"."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

logger = logging.getLogger("gateway.bridge")

Headers = list[tuple[bytes, bytes]]

# RFC 9110, section 15. Interim answers (1xx) are the server's to give; what is beyond 599 is no
# status, and no server sends it.
_STATUS = re.compile(r"[2-5][0-9]{2}( .*)?")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2: token
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110, section 5.5, with tabs allowed
# RFC 9110, section 7.6.1: they belong to the connection, which is the server's.
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# RFC 9110, section 6.6.1: there is one, and the server sends it with every answer.
_SERVERS = frozenset({b"date"})
# Their values change from one answer to the next, so that they would only fill what is remembered;
# and a session's cookie is better forgotten.
_CHANGING = frozenset(
    {b"content-length", b"etag", b"expires", b"last-modified", b"location", b"set-cookie"}
)
# An application chooses its headers; what is remembered of them has a bound.
_NAMES_KEPT = 1024
_VALUE_KEPT = 64


class HeaderEncoder:
    """Turns the headers of an application into ASGI's, dropping what belongs to the connection.

    Args:
        mount: For messages; each is logged once.
    """

    def __init__(self, mount: str) -> None:
        self._mount = mount
        # Most answers of an application have the same few headers; both memories are bounded.
        self._pairs: dict[tuple[str, str], tuple[bytes, bytes]] = {}
        self._names: dict[str, bytes] = {}
        self._statuses: dict[str, int] = {}
        self._reported: set[bytes] = set()

    def encode(self, headers: Iterable[tuple[str, str]]) -> Headers:
        """Check and encode.

        Raises:
            ValueError: A name or a value cannot be sent.
            TypeError: Something is no string.
        """
        encoded: Headers = []
        pairs = self._pairs
        for header in headers:
            # A list in a tuple's place is against PEP 3333, and harmless.
            pair = pairs.get(header) if type(header) is tuple else None
            if pair is None:
                name, value = header
                key = self._names.get(name)
                if key is None:
                    key = self._name(name)
                if not key:
                    continue
                text = value.encode("latin-1")
                if _FORBIDDEN.search(text):
                    raise ValueError(f"the header {name!r} has a control character in its value")
                pair = (key, text)
                if len(text) < _VALUE_KEPT and len(pairs) < _NAMES_KEPT and key not in _CHANGING:
                    pairs[name, value] = pair
            encoded.append(pair)
        return encoded

    def status(self, status: str) -> int:
        """The code of a status; a reason phrase may be missing.

        Raises:
            ValueError: It is no status.
        """
        code = self._statuses.get(status)
        if code is None:
            if not isinstance(status, str) or not _STATUS.fullmatch(status):
                raise ValueError(f"{status!r} is no final status")
            code = int(status[:3])
            if len(self._statuses) < _NAMES_KEPT:
                self._statuses[status] = code
        return code

    def _name(self, name: str) -> bytes:
        key = name.encode("latin-1").lower()
        if not _NAME.fullmatch(key):
            raise ValueError(f"{name!r} is no header name")
        if key in _HOP_BY_HOP:
            if key not in self._reported:
                self._reported.add(key)
                logger.warning('mount "%s": dropped the header %s of an answer', self._mount, name)
            key = b""
        elif key in _SERVERS:
            key = b""
        if len(self._names) < _NAMES_KEPT:
            self._names[name] = key
        return key
