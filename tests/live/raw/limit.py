"""Each limit: one request that just keeps it, one that just does not, and what exactly is said."""

from __future__ import annotations

from tests.live.raw.case import (
    BODY,
    CL,
    FIELDS,
    HEADER_BYTES,
    HEX,
    HOST,
    PIPELINED,
    TARGET_BYTES,
    Group,
    chunked,
    get,
    hosts,
    named,
    post,
    refused_as,
)
from tests.live.raw.wire import AwaitContinue, HalfClose

GROUP = Group("limit")
_add = GROUP.add

_HEAD = f"At most {FIELDS} header fields of {HEADER_BYTES} bytes in all."
_EACH = 4  # what stands between names and values: a colon, a space and a line end


def _target(size: int) -> bytes:
    return get(b"/fastapi/?" + b"a" * (size - 10))


def _fields(count: int) -> bytes:
    return get(b"/fastapi/", *[b"X-%d: 1" % n for n in range(count - 1)])


def _bytes(size: int, parts: int, space: bytes = b" ") -> bytes:
    """Fields of a size in all, in so many parts after `Host`."""
    rest = size - (len(HOST) - len(b": \r\n") + _EACH)
    each = rest // parts
    sizes = [each] * (parts - 1) + [rest - each * (parts - 1)]
    return get(b"/fastapi/", *[b"X:" + space + b"a" * (size - 1 - _EACH) for size in sizes])


def _trailers(*lines: bytes) -> bytes:
    return chunked(HEX + b"\r\n" + BODY + b"\r\n0\r\n" + b"\r\n".join(lines) + b"\r\n\r\n")


_add("target of 8,192 bytes", _target(TARGET_BYTES), 200, True, "RFC 9110 15.5.15")
_add(
    "target of 8,193 bytes",
    _target(TARGET_BYTES + 1),
    414,
    False,
    "RFC 9110 15.5.15",
    check=refused_as(f"At most {TARGET_BYTES} bytes of target."),
)
_add("100 fields", _fields(FIELDS), 200, True, "RFC 6585 5")
_add("101 fields", _fields(FIELDS + 1), 431, False, "RFC 6585 5", check=refused_as(_HEAD))
for _parts in (1, 90):
    _add(
        f"65,536 bytes of fields in {_parts}",
        _bytes(HEADER_BYTES, _parts),
        200,
        True,
        "RFC 6585 5",
    )
    _add(
        f"65,537 bytes of fields in {_parts}",
        _bytes(HEADER_BYTES + 1, _parts),
        431,
        False,
        "RFC 6585 5",
        check=refused_as(_HEAD),
    )
_add(
    "65,537 bytes of fields in 90, without spaces",
    _bytes(HEADER_BYTES + 1, 90, b""),
    431,
    False,
    "RFC 6585 5",
    "White space counts as one byte, wherever it is left out.",
    check=refused_as(_HEAD),
)
_add(
    "100 trailers",
    _trailers(*[b"X-%d: 1" % n for n in range(FIELDS)]),
    200,
    True,
    "RFC 6585 5; RFC 9110 6.5.1",
)
_add(
    "101 trailers",
    _trailers(*[b"X-%d: 1" % n for n in range(FIELDS + 1)]),
    431,
    False,
    "RFC 6585 5; RFC 9110 6.5.1",
    check=refused_as(_HEAD),
)
_add(
    "65,536 bytes of trailers",
    _trailers(b"X: " + b"a" * (HEADER_BYTES - 1 - _EACH)),
    200,
    True,
    "RFC 6585 5; RFC 9110 6.5.1",
)
_add(
    "65,537 bytes of trailers",
    _trailers(b"X: " + b"a" * (HEADER_BYTES - _EACH)),
    431,
    False,
    "RFC 6585 5; RFC 9110 6.5.1",
    check=refused_as(_HEAD),
)
_add(
    "many small chunks, then a trailer of 300,000 bytes",
    chunked(b"1\r\n \r\n" * 100_000 + b"0\r\nX: " + b"a" * 300_000),
    431,
    False,
    "RFC 6585 5",
    "What frames a chunk is no credit for a line that does not end.",
)
_add("host of 255 characters", hosts(b"a" * 255), 200, True, "RFC 3986 3.2.2")
_add(
    "host of 256 characters",
    hosts(b"a" * 256),
    400,
    False,
    "RFC 3986 3.2.2",
    check=refused_as("The Host is not a name or address with a port."),
)
_add("port 65535", hosts(b"localhost:65535"), 200, True, "RFC 3986 3.2.3")
_add(
    "port 65536",
    hosts(b"localhost:65536"),
    400,
    False,
    "RFC 3986 3.2.3",
    check=refused_as("The Host is not a name or address with a port."),
)
_add(
    "64 requests wait for one",
    named(b"slow", b"/fastapi/async") + get() * PIPELINED,
    (200,) * (1 + PIPELINED),
    True,
    "RFC 9112 9.3.2",
)
_add(
    "65 requests wait for one",
    named(b"slow", b"/fastapi/async") + get() * (PIPELINED + 1),
    (200,) * (1 + PIPELINED) + (429,),
    False,
    "RFC 6585 4; RFC 9112 9.3.2",
    check=refused_as("Too many requests at once."),
)
# The mount's limit, and that of the service itself.
for _stack, _most in {b"flask": 1024**3, b"fastapi": 64 * 1024}.items():
    _add(
        f"body as large as may be, {_stack.decode()}",
        (
            post(b"Expect: 100-continue\r\n" + CL + b"%d" % _most, b"").replace(
                b"/fastapi", b"/" + _stack
            ),
            AwaitContinue(),
            HalfClose(),
        ),
        (),
        False,
        "RFC 9110 10.1.1, 15.5.14",
        "It may be sent.",
        interim=(100,),
    )
    _add(
        f"body of a byte more, {_stack.decode()}",
        post(b"Expect: 100-continue\r\n" + CL + b"%d" % (_most + 1), b"").replace(
            b"/fastapi", b"/" + _stack
        ),
        413,
        None,
        "RFC 9110 10.1.1, 15.5.14",
        "Before it is sent.",
    )
