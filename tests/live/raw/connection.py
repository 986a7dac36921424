"""Several requests on one connection."""

from __future__ import annotations

from tests.live.raw.case import CL, SIZE, SMUGGLED, Group, get, hosts, in_order, named, post

GROUP = Group("connection")
_add = GROUP.add

_add(
    "two at once",
    named(b"one") + named(b"two"),
    (200, 200),
    True,
    "RFC 9112 9.3.2",
    check=in_order("one", "two"),
)
_add(
    "twenty at once",
    b"".join(named(b"r%d" % n) for n in range(20)),
    (200,) * 20,
    True,
    "RFC 9112 9.3.2",
    check=in_order(*(f"r{n}" for n in range(20))),
)
_add(
    "the slow one first",
    named(b"slow", b"/fastapi/async") + named(b"fast"),
    (200, 200),
    True,
    "RFC 9112 9.3.2",
    check=in_order("slow", "fast"),
)
_add(
    "both services in turn",
    named(b"one", b"/flask/hello") + named(b"two") + named(b"three", b"/flask/hello"),
    (200, 200, 200),
    True,
    "RFC 9112 9.3.2",
    check=in_order("one", "two", "three"),
)
_add(
    "a body, then a request",
    post(CL + SIZE) + named(b"two"),
    (200, 200),
    True,
    "RFC 9112 9.3.2",
)
_add(
    "a request, then garbage",
    named(b"one") + b"garbage\r\n\r\n",
    (200, 400),
    False,
    "RFC 9112 9.3.2",
    "Answers come in the order of requests, a refusal too.",
    check=in_order("one"),
)
_add(
    "a slow request, then garbage",
    (named(b"slow", b"/fastapi/async"), b"garbage\r\n\r\n"),
    (200, 400),
    False,
    "RFC 9112 9.3.2",
    "As above.",
    check=in_order("slow"),
)
_add(
    "a slow request, then a target that is too long",
    named(b"slow", b"/fastapi/async") + get(b"/" + b"a" * 20_000),
    (200, 414),
    False,
    "RFC 9112 9.3.2",
    "As above.",
    check=in_order("slow"),
)
_add(
    "a slow request, then two hosts",
    named(b"slow", b"/fastapi/async") + hosts(b"a", b"b"),
    (200, 400),
    False,
    "RFC 9112 9.3.2",
    "As above.",
    check=in_order("slow"),
)
_add(
    "a stream, then garbage",
    (named(b"one", b"/flask/export.csv"), b"garbage\r\n\r\n"),
    (200, 400),
    False,
    "RFC 9112 9.3.2",
    "As above.",
    check=in_order("one"),
)
_add("close", get(b"/fastapi/", b"Connection: close"), 200, False, "RFC 9112 9.6")
_add(
    "close, other case, in a list",
    get(b"/fastapi/", b"Connection: x, CLOSE"),
    200,
    False,
    "RFC 9112 9.6; RFC 9110 7.6.1",
)
_add(
    "close, then a request",
    named(b"one", b"/fastapi/", b"Connection: close") + SMUGGLED,
    200,
    False,
    "RFC 9112 9.6",
    "Nothing after the closing request is processed.",
    check=in_order("one"),
)
_add(
    "close and a slow answer, then a request",
    named(b"slow", b"/fastapi/async", b"Connection: close") + SMUGGLED,
    200,
    False,
    "RFC 9112 9.6",
    check=in_order("slow"),
)
_add(
    "HTTP/1.0, then a request",
    get(version=b"HTTP/1.0") + SMUGGLED,
    200,
    False,
    "RFC 9112 9.3",
)
_add(
    "HTTP/1.0 and keep-alive",
    get(b"/fastapi/", b"Connection: keep-alive", version=b"HTTP/1.0"),
    200,
    None,
    "RFC 9112 9.3",
    "May be kept.",
)
_add(
    "HTTP/1.0 and keep-alive, then a request",
    get(b"/fastapi/", b"Connection: keep-alive", version=b"HTTP/1.0") + named(b"two"),
    200,
    None,
    "RFC 9112 9.3.2",
    "HTTP/1.0 has no pipelining; this server does not keep it.",
)
_add("keep-alive", get(b"/fastapi/", b"Connection: keep-alive"), 200, True, "RFC 9112 9.3")
