"""How many header fields there may be, and how large."""

from __future__ import annotations

from tests.live.raw.case import FIELDS, HOST, Group, either, get

GROUP = Group("field")
_add = GROUP.add

_COUNT = "The limit is 100 fields."
_MANY = [b"X-%d: 1" % n for n in range(40_000)]
_add("100", get(b"/fastapi/", *_MANY[: FIELDS - 1]), 200, True, "RFC 6585 5", _COUNT)
_add("101", get(b"/fastapi/", *_MANY[:FIELDS]), 431, False, "RFC 6585 5", _COUNT)
_add(
    "101 of one name",
    get(b"/flask/hello", *[b"X: 1"] * FIELDS),
    431,
    False,
    "RFC 6585 5",
    _COUNT,
)
_add("1,000", get(b"/fastapi/", *_MANY[:1_000]), 431, False, "RFC 6585 5", _COUNT)
_add("40,000", get(b"/flask/hello", *_MANY), 431, False, "RFC 6585 5", _COUNT)
_add(
    "200 and no end",
    b"GET /fastapi/ HTTP/1.1\r\n" + b"\r\n".join(_MANY[:200]),
    431,
    False,
    "RFC 6585 5",
    "At once.",
)
_TOTAL = "The limit is 64 KiB for all names and values with what stands between them."
_add(
    "60,000 bytes in 60",
    get(b"/fastapi/", *[b"X-%02d: " % n + b"a" * 990 for n in range(60)]),
    200,
    True,
    "RFC 6585 5",
    _TOTAL,
)
_add(
    "value of 60,000 bytes",
    get(b"/fastapi/", b"X: " + b"a" * 60_000),
    200,
    True,
    "RFC 6585 5",
    _TOTAL,
)
_add(
    "90,000 bytes in 90",
    get(b"/fastapi/", *[b"X-%02d: " % n + b"a" * 992 for n in range(90)]),
    431,
    False,
    "RFC 6585 5",
    _TOTAL,
)
_add(
    "value of 70,000 bytes",
    get(b"/fastapi/", b"X: " + b"a" * 70_000),
    431,
    False,
    "RFC 6585 5",
    _TOTAL,
)
_add(
    "name of 70,000 bytes",
    get(b"/fastapi/", b"X" * 70_000 + b": a"),
    431,
    False,
    "RFC 6585 5",
    _TOTAL,
)
_add(
    "value of 1 MB",
    get(b"/fastapi/", b"X: " + b"a" * 1_000_000),
    431,
    False,
    "RFC 6585 5",
    _TOTAL,
)
_add(
    "value of 1 MB, no end",
    b"GET /fastapi/ HTTP/1.1\r\nX: " + b"a" * 1_000_000,
    431,
    False,
    "RFC 6585 5",
    "At once: nothing may grow without bound while it waits for its line end.",
)
_add(
    "name of 1 MB, no end",
    b"GET /fastapi/ HTTP/1.1\r\n" + b"X" * 1_000_000,
    431,
    False,
    "RFC 6585 5",
    "As above.",
)
_add(
    "value of 300,000 bytes in pieces",
    (b"GET /fastapi/ HTTP/1.1\r\n" + HOST + b"X: ", *[b"a" * 30_000] * 10),
    431,
    False,
    "RFC 6585 5",
    "As above.",
)
_add(
    "white space of 300,000 bytes before the value",
    get(b"/fastapi/", b"X:" + b" " * 300_000),
    431,
    False,
    "RFC 6585 5",
    "It is dropped, and counted all the same.",
)
_add(
    "70,000 empty lines first",
    b"\r\n" * 70_000 + get(),
    either(200, 400, 431),
    None,
    "RFC 9112 2.2",
    "Ignored or refused.",
)
