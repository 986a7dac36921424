"""Expect."""

from __future__ import annotations

from tests.live.raw.case import BODY, CL, SIZE, SMUGGLED, WHOLE, Group, chunked, get, post
from tests.live.raw.wire import AwaitContinue

GROUP = Group("expect")
_add = GROUP.add

_EXPECT = b"Expect: 100-continue\r\n"
_add(
    "100-continue, the body waits",
    (post(_EXPECT + CL + SIZE, b""), AwaitContinue(), BODY),
    200,
    True,
    "RFC 9110 10.1.1",
    interim=(100,),
)
_add(
    "100-continue, chunked, to Flask",
    (
        chunked(b"", _EXPECT + b"Transfer-Encoding: chunked").replace(b"/fastapi", b"/flask"),
        AwaitContinue(),
        WHOLE,
    ),
    200,
    True,
    "RFC 9110 10.1.1",
    interim=(100,),
)
_add(
    "100-Continue in other case",
    (post(b"Expect: 100-Continue\r\n" + CL + SIZE, b""), AwaitContinue(), BODY),
    200,
    True,
    "RFC 9110 10.1.1",
    interim=(100,),
)
_add(
    "100-continue, no body",
    get(b"/fastapi/", b"Expect: 100-continue"),
    200,
    True,
    "RFC 9110 10.1.1",
)
_add(
    "100-continue, HTTP/1.0",
    post(_EXPECT + CL + SIZE, BODY, b"HTTP/1.0"),
    200,
    False,
    "RFC 9110 10.1.1",
    "To be ignored in HTTP/1.0: no interim answer.",
)
_UNMET = "A server may answer 417; what it does not know it cannot fulfil."
_add(
    "something else",
    get(b"/fastapi/", b"Expect: something"),
    417,
    None,
    "RFC 9110 10.1.1",
    _UNMET,
)
_add(
    "100-continue and something else",
    get(b"/fastapi/", b"Expect: 100-continue, something"),
    417,
    None,
    "RFC 9110 10.1.1",
    _UNMET,
)
_add(
    "something else, with a body",
    post(b"Expect: 200-ok\r\n" + CL + b"%d" % len(SMUGGLED), SMUGGLED),
    417,
    None,
    "RFC 9110 10.1.1",
    _UNMET,
)
