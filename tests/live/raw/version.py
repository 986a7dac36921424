"""Versions, and other protocols."""

from __future__ import annotations

from tests.live.raw.case import ANY, HOST, Group, either, get

GROUP = Group("version")
_add = GROUP.add


def _version(version: bytes) -> bytes:
    return get(version=version)


_add("1.1", _version(b"HTTP/1.1"), 200, True, "RFC 9112 2.3")
_add("1.0", _version(b"HTTP/1.0"), 200, False, "RFC 9112 9.3")
_add(
    "1.2",
    _version(b"HTTP/1.2"),
    either(200, 505),
    None,
    "RFC 9110 6.2, 15.6.6",
    "Should be taken for 1.1; it does not exist, so a refusal harms nobody.",
)
for _name, _value in {
    "2.0": b"HTTP/2.0",
    "3.0": b"HTTP/3.0",
    "0.9": b"HTTP/0.9",
    "2.1": b"HTTP/2.1",
    "9.9": b"HTTP/9.9",
}.items():
    _add(_name, _version(_value), 505, False, "RFC 9110 15.6.6")
_add(
    "none (HTTP/0.9)",
    b"GET /fastapi/\r\n\r\n",
    either(400, 505),
    False,
    "RFC 9112 3",
    "HTTP/0.9 is no longer spoken.",
)
_add(
    "none, with fields",
    b"GET /fastapi/\r\n" + HOST + b"\r\n",
    either(400, 505),
    False,
    "RFC 9112 3",
)
for _name, _value in {
    "no minor version": b"HTTP/1",
    "no digit after the dot": b"HTTP/1.",
    "two digits before the dot": b"HTTP/11.1",
    "two digits after the dot": b"HTTP/1.10",
    "a leading zero": b"HTTP/01.1",
    "a comma": b"HTTP/1,1",
    "a letter": b"HTTP/1.x",
    "text after": b"HTTP/1.1x",
    "a space after": b"HTTP/1.1 ",
    "a fourth word": b"HTTP/1.1 x",
    "lower case": b"http/1.1",
    "a space before the slash": b"HTTP /1.1",
    "a space after the slash": b"HTTP/ 1.1",
    "HTTPS": b"HTTPS/1.1",
    "another protocol": b"ABCD/1.1",
    "NUL after": b"HTTP/1.1\x00",
    "empty": b"",
}.items():
    _add(_name, _version(_value), 400, False, "RFC 9112 2.3, 3")
_add(
    "RTSP",
    _version(b"RTSP/1.0"),
    400,
    False,
    "RFC 9112 2.3",
    "Another protocol.",
    stands="The parser takes it for HTTP/1.0 and does not tell: answered, and closed.",
)
_add(
    "ICE, with SOURCE",
    get(method=b"SOURCE", version=b"ICE/1.0"),
    ANY,
    False,
    "RFC 9112 2.3",
    "Another protocol.",
)
_add(
    "RTSP, with DESCRIBE",
    get(method=b"DESCRIBE", version=b"RTSP/1.0"),
    ANY,
    False,
    "RFC 9112 2.3",
    "Another protocol.",
)
_add(
    "HTTP/2 preface",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 9,
    either(400, 505),
    False,
    "RFC 9113 3.4; RFC 9110 15.6.6",
)
_add(
    "a TLS hello",
    b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\x07" * 154,
    400,
    False,
    "RFC 9112 2.2",
)
