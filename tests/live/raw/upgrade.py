"""Upgrade, and handshakes of WebSockets."""

from __future__ import annotations

from tests.live.raw.case import (
    BODY,
    CL,
    HOST,
    SIZE,
    SMUGGLED,
    WHOLE,
    Group,
    chunked,
    either,
    get,
    in_order,
    named,
    post,
)

GROUP = Group("upgrade")
_add = GROUP.add

_H2C = (
    b"Connection: Upgrade, HTTP2-Settings",
    b"Upgrade: h2c",
    b"HTTP2-Settings: AAMAAABkAAQAAP__",
)
WS = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
_IGNORED = "A server may ignore Upgrade; the request is then one like any other."
_add("h2c", get(b"/fastapi/", *_H2C), 200, True, "RFC 9110 7.8", _IGNORED)
_add(
    "h2c, then a request",
    named(b"one", b"/fastapi/", *_H2C) + named(b"two"),
    (200, 200),
    True,
    "RFC 9110 7.8",
    _IGNORED,
    check=in_order("one", "two"),
)
_add(
    "h2c with a body",
    post(b"\r\n".join(_H2C) + b"\r\n" + CL + SIZE),
    200,
    True,
    "RFC 9110 7.8",
    _IGNORED,
)
_add(
    "h2c with a body, sent later",
    (post(b"\r\n".join(_H2C) + b"\r\n" + CL + SIZE, b""), BODY),
    200,
    True,
    "RFC 9110 7.8",
    _IGNORED,
)
_add(
    "h2c with chunks",
    chunked(WHOLE, b"\r\n".join(_H2C) + b"\r\nTransfer-Encoding: chunked"),
    200,
    True,
    "RFC 9110 7.8",
    _IGNORED,
)
_add(
    "h2c, a request in the body",
    (post(b"\r\n".join(_H2C) + b"\r\n" + CL + b"%d" % len(SMUGGLED), b""), SMUGGLED),
    422,
    True,
    "RFC 9110 7.8; RFC 9112 6.3",
    "The body is the body, whatever Upgrade says.",
)
_add(
    "h2c, a request in the body of GET",
    (get(b"/fastapi/async", *_H2C, CL + b"%d" % len(SMUGGLED)), SMUGGLED),
    200,
    None,
    "RFC 9110 7.8; RFC 9112 6.3",
    "As above.",
)
_add(
    "something unknown",
    get(b"/fastapi/", b"Connection: upgrade", b"Upgrade: x/1"),
    200,
    True,
    "RFC 9110 7.8",
    _IGNORED,
)
_add(
    "not named by Connection",
    get(b"/fastapi/", b"Upgrade: websocket"),
    200,
    True,
    "RFC 9110 7.8",
    _IGNORED,
)
_add("websocket, no key", get(b"/fastapi/events/ws", *WS[:3]), 400, False, "RFC 6455 4.2.1")
_add(
    "websocket, no version",
    get(b"/fastapi/events/ws", *WS[:2], WS[3]),
    either(400, 426),
    False,
    "RFC 6455 4.2.1, 4.4",
)
_add(
    "websocket, version 8",
    get(b"/fastapi/events/ws", *WS[:2], WS[3], b"Sec-WebSocket-Version: 8"),
    either(400, 426),
    False,
    "RFC 6455 4.4",
)
_add(
    "websocket, a key that is none",
    get(b"/fastapi/events/ws", *WS[:3], b"Sec-WebSocket-Key: short"),
    400,
    False,
    "RFC 6455 4.2.1",
)
_add(
    "websocket, POST",
    get(b"/fastapi/events/ws", *WS, method=b"POST"),
    either(400, 405),
    None,
    "RFC 6455 4.1",
    "The method must be GET.",
)
_add(
    "websocket, HTTP/1.0",
    get(b"/fastapi/", *WS, version=b"HTTP/1.0"),
    200,
    None,
    "RFC 9110 7.8",
    "Upgrade must be ignored in an HTTP/1.0 request.",
)
_add("websocket, to Flask", get(b"/flask/", *WS), 403, False, "RFC 6455 4.2.2")
_add("websocket, nowhere", get(b"/nowhere", *WS), either(403, 404), False, "RFC 6455 4.2.2")
_add(
    "websocket, a body",
    get(b"/fastapi/events/ws", *WS, CL + b"%d" % len(SMUGGLED)) + SMUGGLED,
    400,
    False,
    "RFC 6455 4.1",
    "A handshake has no body; what follows it is a frame to one reader, a body to another.",
)
_add(
    "websocket, two hosts",
    get(b"/fastapi/events/ws", *WS, host=HOST + b"Host: b\r\n"),
    400,
    False,
    "RFC 9112 3.2",
)
_add(
    "websocket, a target that is too long",
    get(b"/fastapi/events/ws?" + b"a" * 20_000, *WS),
    414,
    False,
    "RFC 9110 15.5.15",
)
_add(
    "websocket behind a slow request",
    named(b"slow", b"/fastapi/async") + get(b"/fastapi/events/ws", *WS),
    (200, 400),
    False,
    "RFC 9112 9.3.2; RFC 6455 4.1",
    "A client waits for its handshake; two protocols on one connection are one too many.",
    check=in_order("slow"),
)
