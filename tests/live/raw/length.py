"""Content-Length: which bytes are the body."""

from __future__ import annotations

from tests.live.raw.case import BODY, CL, SIZE, SMUGGLED, Group, either, get, post
from tests.live.raw.wire import HalfClose

GROUP = Group("length")
_add = GROUP.add

_TWICE = "A recipient may repair equal values; who sends them tests for a disagreement: refused."
_add("exact", post(CL + SIZE), 200, True, "RFC 9112 6.2")
_add("zero, on GET", get(b"/fastapi/", CL + b"0"), 200, True, "RFC 9110 8.6")
_add(
    "none, on POST",
    post(b"X-None: 1", b""),
    422,
    True,
    "RFC 9112 6.3, 7",
    "Without either framing field the body is empty; the service says what it lacks.",
)
_add(
    "white space around",
    post(b"Content-Length: \t " + SIZE + b" \t"),
    200,
    True,
    "RFC 9110 5.5",
)
_add(
    "leading zeros",
    post(CL + b"00000" + SIZE),
    200,
    True,
    "RFC 9110 8.6",
    "1*DIGIT; there is one way to read it.",
)
_add(
    "twice, equal",
    post(CL + SIZE + b"\r\n" + CL + SIZE),
    400,
    False,
    "RFC 9110 8.6",
    _TWICE,
)
_add("twice, different", post(CL + SIZE + b"\r\n" + CL + b"5"), 400, False, "RFC 9112 6.3, 5")
_add(
    "twice, the first zero",
    post(CL + b"0\r\n" + CL + b"%d" % len(SMUGGLED), SMUGGLED),
    400,
    False,
    "RFC 9112 6.3, 5",
)
_add("list, equal", post(CL + SIZE + b", " + SIZE), 400, False, "RFC 9110 8.6", _TWICE)
_add("list, different", post(CL + SIZE + b", 5"), 400, False, "RFC 9112 6.3, 5")
_BAD_LENGTHS: dict[str, bytes] = {
    "negative": b"-" + SIZE,
    "minus zero": b"-0",
    "plus sign": b"+" + SIZE,
    "hexadecimal": b"0x2e",
    "hexadecimal digits": b"2e",
    "space within": b"4 6",
    "tab within": b"4\t6",
    "letters after": SIZE + b"a",
    "semicolon after": SIZE + b";",
    "comma after": SIZE + b",",
    "decimal point": SIZE + b".0",
    "exponent": b"46e0",
    "underscore within": b"4_6",
    "quoted": b'"' + SIZE + b'"',
    "empty": b"",
    "a superscript two in Latin-1": b"4\xb2",
    "Arabic-Indic digits in UTF-8": "\u0664\u0666".encode(),
    "vertical tab before": b"\x0b" + SIZE,
    "NUL after": SIZE + b"\x00",
}
for _name, _value in _BAD_LENGTHS.items():
    _add(_name, post(CL + _value), 400, False, "RFC 9112 6.3, 5; RFC 9110 8.6")
_add(
    "2 to the power of 64 and more",
    post(CL + b"18446744073709551662"),
    either(400, 413),
    False,
    "RFC 9110 8.6",
    "It must not wrap around to 46; not a number here, or too large.",
)
_add("500 digits", post(CL + b"9" * 500), either(400, 413), False, "RFC 9110 8.6")
_add(
    "2 to the power of 63, FastAPI",
    post(CL + b"9223372036854775807"),
    413,
    False,
    "RFC 9110 15.5.14",
    "What no limit admits is refused at once; waiting for it helps nobody.",
)
_add(
    "2 to the power of 63, Flask",
    post(CL + b"9223372036854775807").replace(b"/fastapi", b"/flask"),
    413,
    None,
    "RFC 9110 15.5.14",
)
_add("space before the colon", post(b"Content-Length : " + SIZE), 400, False, "RFC 9112 5.1")
_add(
    "folded",
    post(b"Content-Length:\r\n " + SIZE),
    400,
    False,
    "RFC 9112 5.2",
    "A server may refuse a fold or replace it; nobody sends one in good faith.",
)
_add(
    "body cut short",
    (post(CL + b"%d" % (len(BODY) + 5)), HalfClose()),
    (),
    False,
    "RFC 9112 8",
    "The client is gone: no service may see this body as a whole one.",
)
_add(
    "bytes after the body",
    post(CL + SIZE, BODY + b"garbage\r\n\r\n"),
    (200, 400),
    False,
    "RFC 9112 2.2",
    "What follows is the next request, and none.",
)
_add(
    "a request in the body of GET",
    get(b"/fastapi/", CL + b"%d" % len(SMUGGLED)) + SMUGGLED,
    200,
    True,
    "RFC 9110 9.3.1",
    "A body without a meaning is a body all the same.",
)
_add(
    "a request in the body of GET, sent later",
    (get(b"/fastapi/", CL + b"%d" % len(SMUGGLED)), SMUGGLED),
    200,
    None,
    "RFC 9112 9.3",
    "Answered before the body is there: the rest is read and dropped, or the connection closed.",
)
_add(
    "a request in the body of a route that is not there",
    (get(b"/nowhere", CL + b"%d" % len(SMUGGLED), method=b"POST"), SMUGGLED),
    404,
    None,
    "RFC 9112 9.3",
)
