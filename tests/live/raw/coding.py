"""Transfer-Encoding: chunked, alone, or nothing."""

from __future__ import annotations

from tests.live.raw.case import ANY, CL, HIDES, TE, WHOLE, Group, chunked, either, get, post

GROUP = Group("coding")
_add = GROUP.add

_add("chunked", chunked(WHOLE), 200, True, "RFC 9112 7.1")
_add(
    "chunked, to Flask",
    chunked(WHOLE).replace(b"/fastapi", b"/flask"),
    200,
    True,
    "RFC 9112 7.1",
)
_add("upper case", chunked(WHOLE, TE + b"CHUNKED"), 200, True, "RFC 9112 7")
_add(
    "white space around",
    chunked(WHOLE, b"Transfer-Encoding:\t chunked  "),
    200,
    True,
    "RFC 9110 5.5",
)
_add(
    "tab after",
    chunked(WHOLE, b"Transfer-Encoding: chunked\t"),
    either(200, 400),
    None,
    "RFC 9110 5.5",
    "Legal, but nobody sends it in good faith: a refusal harms nobody.",
)
_add(
    "chunked, on GET",
    get(b"/fastapi/", TE + b"chunked") + WHOLE,
    200,
    True,
    "RFC 9110 9.3.1",
)
_UNKNOWN = "The coding is not understood (501), and chunked is not the last one (400)."
for _name, _value in {
    "gzip": b"gzip",
    "identity": b"identity",
    "xchunked": b"xchunked",
    "chunkedx": b"chunkedx",
    "chunked in quotes": b'"chunked"',
    "chunked with a parameter": b"chunked;q=1",
    "c hunked": b"c hunked",
    "empty": b"",
}.items():
    _add(_name, chunked(HIDES, TE + _value), ANY, False, "RFC 9112 6.1; 6.3, 4", _UNKNOWN)
_add("chunked, gzip", chunked(HIDES, TE + b"chunked, gzip"), ANY, False, "RFC 9112 6.3, 4")
_add(
    "chunked, identity",
    chunked(HIDES, TE + b"chunked, identity"),
    ANY,
    False,
    "RFC 9112 6.3, 4",
)
_add(
    "gzip, chunked",
    chunked(WHOLE, TE + b"gzip, chunked"),
    501,
    False,
    "RFC 9112 6.1",
    "Nothing here decodes gzip, and a service must not take compressed bytes for the body.",
)
_add(
    "identity, chunked",
    chunked(WHOLE, TE + b"identity, chunked"),
    ANY,
    False,
    "RFC 9112 6.1",
)
_add(
    "chunked, chunked",
    chunked(WHOLE, TE + b"chunked, chunked"),
    ANY,
    False,
    "RFC 9112 6.1",
    "Chunked must not be applied twice.",
)
for _name, (_one, _two) in {
    "chunked and chunked": (b"chunked", b"chunked"),
    "chunked and identity": (b"chunked", b"identity"),
    "chunked and gzip": (b"chunked", b"gzip"),
    "gzip and chunked": (b"gzip", b"chunked"),
    "identity and chunked": (b"identity", b"chunked"),
    "chunked and nothing": (b"chunked", b""),
}.items():
    _add(
        f"two lines, {_name}",
        chunked(WHOLE, TE + _one + b"\r\n" + TE + _two),
        ANY,
        False,
        "RFC 9112 6.1; 6.3, 4",
        "Two lines are one list; no client has a need for it.",
    )
_add(
    "chunked, with HTTP/1.0",
    post(TE + b"chunked", WHOLE, b"HTTP/1.0"),
    400,
    False,
    "RFC 9112 6.1",
    "The framing must be treated as faulty.",
)
for _name, _line in {
    "space before the colon": b"Transfer-Encoding : chunked",
    "tab before the colon": b"Transfer-Encoding\t: chunked",
    "vertical tab before the value": b"Transfer-Encoding:\x0bchunked",
    "vertical tab after the value": b"Transfer-Encoding: chunked\x0b",
    "NUL in the value": b"Transfer-Encoding: chu\x00nked",
    "NUL in the name": b"Transfer\x00-Encoding: chunked",
    "folded": b"Transfer-Encoding:\r\n chunked",
    "behind a bare CR": b"X: y\rTransfer-Encoding: chunked",
    "behind a bare LF": b"X: y\nTransfer-Encoding: chunked",
    "no colon": b"Transfer-Encoding chunked",
}.items():
    _add(
        _name,
        chunked(HIDES, _line),
        400,
        False,
        "RFC 9112 5.1, 5.2, 2.2; RFC 9110 5.5",
        "Whoever stands before or behind reads it otherwise: refused.",
    )
_BOTH = "May be processed by the coding alone; it is how requests are smuggled: refused."
_add(
    "and a length",
    post(TE + b"chunked\r\n" + CL + b"5", HIDES),
    400,
    False,
    "RFC 9112 6.1; 6.3, 3",
    _BOTH,
)
_add(
    "after a length",
    post(CL + b"5\r\n" + TE + b"chunked", HIDES),
    400,
    False,
    "RFC 9112 6.1; 6.3, 3",
    _BOTH,
)
_add(
    "and a length that covers it",
    post(CL + b"%d\r\n" % len(HIDES) + TE + b"chunked", HIDES),
    400,
    False,
    "RFC 9112 6.1; 6.3, 3",
    _BOTH,
)
_add(
    "unknown, and a length",
    post(TE + b"xchunked\r\n" + CL + b"5", HIDES),
    ANY,
    False,
    "RFC 9112 6.1; 6.3, 3",
    _BOTH,
)
_add(
    "and a length, HTTP/1.0",
    post(TE + b"chunked\r\n" + CL + b"5", HIDES, b"HTTP/1.0"),
    400,
    False,
    "RFC 9112 6.1",
)
