"""Chunks, their extensions and trailers."""

from __future__ import annotations

from collections.abc import Sequence

from tests.live.raw.case import BODY, HEX, SMUGGLED, WRONG, Group, chunked, either, get
from tests.live.raw.wire import Answer, HalfClose

GROUP = Group("chunk")
_add = GROUP.add

_END = b"\r\n0\r\n\r\n"


def _size_line(line: bytes) -> bytes:
    return chunked(line + b"\r\n" + BODY + _END)


_add("size in upper case", _size_line(HEX.upper()), 200, True, "RFC 9112 7.1")
_add("size with leading zeros", _size_line(b"0000" + HEX), 200, True, "RFC 9112 7.1")
_add(
    "last size of several zeros",
    chunked(HEX + b"\r\n" + BODY + b"\r\n0000\r\n\r\n"),
    200,
    True,
    "RFC 9112 7.1",
)
_add(
    "one byte each",
    chunked(b"".join(b"1\r\n%c\r\n" % c for c in BODY) + b"0\r\n\r\n"),
    200,
    True,
    "RFC 9112 7.1",
)
_add(
    "in many segments",
    (chunked(b""), HEX, b"\r", b"\n" + BODY[:9], BODY[9:] + b"\r", b"\n0\r\n", b"\r\n"),
    200,
    True,
    "RFC 9112 7.1",
)
_add("extension", _size_line(HEX + b";name=value"), 200, True, "RFC 9112 7.1.1")
_add("extension without a value", _size_line(HEX + b";name"), 200, True, "RFC 9112 7.1.1")
_add(
    "extension with a quoted value",
    _size_line(HEX + b';name="a;b"'),
    200,
    True,
    "RFC 9112 7.1.1",
)
_add(
    "extension with white space",
    _size_line(HEX + b" ; name = value"),
    either(200, 400),
    None,
    "RFC 9112 7.1.1; RFC 9110 5.6.3",
    "Bad white space: to be understood, never to be sent. A refusal harms nobody.",
)
for _name, _line in {
    "not hexadecimal": b"xyz",
    "0x before": b"0x" + HEX,
    "negative": b"-" + HEX,
    "plus sign": b"+" + HEX,
    "empty": b"",
    "extension alone": b";name",
    "space before": b" " + HEX,
    "space after": HEX + b" ",
    "tab after": HEX + b"\t",
    "hash after": HEX + b"#",
    "NUL after": HEX + b"\x00",
    "comma after": HEX + b",",
    "underscore within": b"2_e",
}.items():
    _add(f"size: {_name}", _size_line(_line), 400, False, "RFC 9112 7.1")
_add(
    "size of 17 digits, wraps to the right one",
    _size_line(b"10000000000000000"[:-2] + HEX),
    either(400, 413),
    False,
    "RFC 9112 7.1",
    "Integer overflow is to be anticipated.",
)
_add(
    "size of 16 digits",
    _size_line(b"f" * 16),
    either(400, 413),
    False,
    "RFC 9112 7.1",
    "No limit admits it.",
    stands="The parser does not tell a chunk's size. What arrives of it is counted, and timed.",
)
_add(
    "size with 300,000 zeros",
    _size_line(b"0" * 300_000 + HEX),
    either(400, 413, 431),
    False,
    "RFC 9112 7.1",
    "As an extension that is too long: bytes that nobody counts.",
)
_add(
    "no CRLF after the data",
    chunked(HEX + b"\r\n" + BODY + b"0\r\n\r\n"),
    400,
    False,
    "RFC 9112 7.1",
)
_add(
    "bare LF after the size",
    chunked(HEX + b"\n" + BODY + _END),
    400,
    False,
    "RFC 9112 2.2, 7.1",
    "The leave to accept a bare LF is for the head, not for chunks.",
)
_add(
    "bare LF after the data",
    chunked(HEX + b"\r\n" + BODY + b"\n0\r\n\r\n"),
    400,
    False,
    "RFC 9112 7.1",
)
_add(
    "bare CR after the size",
    chunked(HEX + b"\r" + BODY + _END),
    400,
    False,
    "RFC 9112 2.2, 7.1",
)
_add(
    "bare LF at the end",
    chunked(HEX + b"\r\n" + BODY + b"\r\n0\n\n"),
    400,
    False,
    "RFC 9112 7.1",
)
_add(
    "bare LF in an extension",
    _size_line(HEX + b";a\nb"),
    400,
    False,
    "RFC 9112 7.1.1",
    "Two readings of where the size line ends.",
)
_add("bare CR in an extension", _size_line(HEX + b";a\rb"), 400, False, "RFC 9112 7.1.1")
_add("NUL in an extension", _size_line(HEX + b";a\x00b"), 400, False, "RFC 9112 7.1.1")
_add("bare LF in a quoted extension", _size_line(HEX + b';a="\n"'), 400, False, "RFC 9112 7.1.1")
_add("data longer than the size", chunked(b"5\r\n" + BODY + _END), 400, False, "RFC 9112 7.1")
_add(
    "data cut short",
    (chunked(HEX + b"\r\n" + BODY[:9]), HalfClose()),
    (),
    False,
    "RFC 9112 8",
    "The client is gone: no service may see this body as a whole one.",
)
_add(
    "no last chunk",
    (chunked(HEX + b"\r\n" + BODY + b"\r\n"), HalfClose()),
    (),
    False,
    "RFC 9112 8",
)
_add(
    "no empty line at the end",
    chunked(HEX + b"\r\n" + BODY + b"\r\n0\r\n" + SMUGGLED),
    400,
    False,
    "RFC 9112 7.1",
    "The request line that follows is no trailer field.",
)
_add(
    "extension of 300,000 bytes",
    _size_line(HEX + b";" + b"a" * 300_000),
    either(400, 413, 431),
    False,
    "RFC 9112 7.1.1",
    "A server ought to limit them, with a 4xx; they cost and mean nothing.",
)
_add(
    "extensions of 5,000 bytes on every byte",
    chunked(b"".join(b"1;%s\r\n%c\r\n" % (b"a" * 5_000, c) for c in BODY) + b"0\r\n\r\n"),
    either(400, 413, 431),
    False,
    "RFC 9112 7.1.1",
    "The limit is on their total.",
)


def _not_from_trailer(answers: Sequence[Answer]) -> None:
    assert all(answer.request_id != "from-trailer" for answer in answers), "merged into the head"


def _json(answers: Sequence[Answer]) -> None:
    assert "json" in answers[0].headers["content-type"], "merged into the head"


def _trailed(trailer: bytes, body: bytes = BODY) -> bytes:
    return chunked(b"%x\r\n" % len(body) + body + b"\r\n0\r\n" + trailer + b"\r\n")


_MERGED = "Accepted and dropped: nothing says that the field may be merged into the head."
_add("trailer", _trailed(b"X-Checksum: 1\r\n"), 200, True, "RFC 9110 6.5.1", _MERGED)
_add(
    "trailer X-Request-ID",
    _trailed(b"X-Request-ID: from-trailer\r\n"),
    200,
    True,
    "RFC 9110 6.5.1",
    _MERGED,
    check=_not_from_trailer,
)
_add(
    "trailer X-Request-ID, sent later",
    (chunked(HEX + b"\r\n" + BODY), b"\r\n0\r\nX-Request-ID: from-trailer\r\n\r\n"),
    200,
    True,
    "RFC 9110 6.5.1",
    _MERGED,
    check=_not_from_trailer,
)
_add(
    "trailer Accept",
    _trailed(b"Accept: text/html\r\n", WRONG).replace(b"/fastapi", b"/flask"),
    401,
    True,
    "RFC 9110 6.5.1",
    _MERGED,
    check=_json,
)
_add(
    "trailers, then a request",
    _trailed(b"A: 1\r\nX-Request-ID: from-trailer\r\n") + get(),
    (200, 200),
    True,
    "RFC 9110 6.5.1",
    check=_not_from_trailer,
)
_FRAMES = "A sender must not send it there; it frames or routes, so this is an attack: refused."
for _name, _line in {
    "Content-Length": b"Content-Length: 5",
    "Transfer-Encoding": b"Transfer-Encoding: chunked",
    "Host": b"Host: other",
}.items():
    _add(f"trailer {_name}", _trailed(_line + b"\r\n"), 400, False, "RFC 9110 6.5.1", _FRAMES)
_add("trailer without a colon", _trailed(b"nothing\r\n"), 400, False, "RFC 9112 7.1.2")
_add("trailer folded", _trailed(b"A: 1\r\n 2\r\n"), 400, False, "RFC 9112 5.2")
_add("trailer with NUL", _trailed(b"A: 1\x002\r\n"), 400, False, "RFC 9110 5.5")
_add(
    "200 trailers",
    _trailed(b"".join(b"A%d: 1\r\n" % n for n in range(200))),
    431,
    False,
    "RFC 6585 5",
    "The limits of the head hold for trailers too.",
)
_add(
    "trailers of 100,000 bytes",
    _trailed(b"A: " + b"a" * 100_000 + b"\r\n"),
    431,
    False,
    "RFC 6585 5",
    "As above.",
)
