"""Header fields: names, values, line ends."""

from __future__ import annotations

from tests.live.raw.case import BODY, HOST, SIZE, Group, either, get, in_order

GROUP = Group("field")
_add = GROUP.add

for _name, _line in {
    "ordinary": b"X-Test: value",
    "no white space": b"X-Test:value",
    "white space around": b"X-Test:\t value \t",
    "tab within": b"X-Test: a\tb",
    "empty": b"X-Test:",
    "bytes that are not ASCII": b"X-Test: caf\xe9 \xff",
    "every character of a token": b"!#$%&'*+-.^`|~09Az: value",
}.items():
    _add(_name, get(b"/fastapi/", _line), 200, True, "RFC 9110 5.1, 5.5")
    if b"\xff" in _line:
        _add(f"{_name}, to Flask", get(b"/flask/hello", _line), 200, True, "RFC 9110 5.5")
_add(
    "white space around an ID",
    get(b"/fastapi/", b"X-Request-ID: \t one \t"),
    200,
    True,
    "RFC 9110 5.5",
    "No part of the value: a service must not see it.",
    check=in_order("one"),
)
_add(
    "names in other case",
    get(host=b"hOST: localhost\r\ncONNECTION: CLOSE\r\n"),
    200,
    False,
    "RFC 9110 5.1",
)
for _name, _line in {
    "folded with a space": b"X-Test: a\r\n b",
    "folded with a tab": b"X-Test: a\r\n\tb",
    "folded, only white space": b"X-Test: a\r\n \r\nX-More: b",
    "space before the colon": b"X-Test : a",
    "tab before the colon": b"X-Test\t: a",
    "no colon": b"X-Test",
    "no name": b": a",
    "colon alone": b":",
    "space in the name": b"X Test: a",
    "NUL in the name": b"X\x00Test: a",
    "CR in the name": b"X\rTest: a",
    "a control character in the name": b"X\x01Test: a",
    "an at sign in the name": b"X@Test: a",
    "a slash in the name": b"X/Test: a",
    "quotation marks around the name": b'"X-Test": a',
    "parentheses in the name": b"X(Test): a",
    "bytes that are not ASCII in the name": b"X\xe9Test: a",
    "NUL in the value": b"X-Test: a\x00b",
    "bare CR in the value": b"X-Test: a\rb",
    "bare CR before CR LF": b"X-Test: a\r",
    "bare LF in the value": b"X-Test: a\nX-More: b",
    "vertical tab in the value": b"X-Test: a\x0bb",
    "form feed in the value": b"X-Test: a\x0cb",
    "escape in the value": b"X-Test: a\x1bb",
    "DEL in the value": b"X-Test: a\x7fb",
    "a control character in the value": b"X-Test: a\x01b",
}.items():
    _add(
        _name,
        get(b"/fastapi/", _line),
        400,
        False,
        "RFC 9110 5.1, 5.5; RFC 9112 5",
        "Control characters other than NUL, CR and LF may be kept; nobody needs them: refused."
        if "value" in _name
        else "",
    )
_add(
    "bare LF line ends",
    get().replace(b"\r\n", b"\n"),
    400,
    False,
    "RFC 9112 2.2",
    "A recipient may accept them; whoever stands before us may not: refused.",
)
_add(
    "bare LF after the request line",
    get().replace(b"\r\n", b"\n", 1),
    400,
    False,
    "RFC 9112 2.2",
    "As above.",
)
_add("bare LF as the empty line", get()[:-2] + b"\n", 400, False, "RFC 9112 2.2", "As above.")
_add("bare CR line ends", get().replace(b"\r\n", b"\r"), 400, False, "RFC 9112 2.2")
_add(
    "an empty line first",
    b"\r\n" + get(),
    200,
    True,
    "RFC 9112 2.2",
    "At least one is to be ignored.",
)
_add(
    "an empty line between two requests",
    get() + b"\r\n" + get(),
    (200, 200),
    True,
    "RFC 9112 2.2",
)
_add("garbage first", b"\x00" + get(), 400, False, "RFC 9112 2.2")
_add("a byte order mark first", b"\xef\xbb\xbf" + get(), 400, False, "RFC 9112 2.2")
_add(
    "white space before the first",
    get(host=b" X-Test: a\r\n" + HOST),
    400,
    False,
    "RFC 9112 2.2",
)
_DROP = "Cannot be told from the name with a hyphen in CGI: dropped on the way to a service."
_add(
    "underscore, FastAPI",
    get(b"/fastapi/", b"X_Forwarded_For: evil"),
    200,
    True,
    "RFC 3875 4.1.18",
    _DROP,
)
_add(
    "underscore, Flask",
    get(b"/flask/hello", b"X_Forwarded_For: evil"),
    200,
    True,
    "RFC 3875 4.1.18",
    _DROP,
)
_add(
    "underscore in Content_Length",
    get(b"/flask/hello", b"Content_Length: 500"),
    200,
    True,
    "RFC 3875 4.1.2",
    "No framing, and not CONTENT_LENGTH either.",
)
_add(
    "Content_Type to Flask",
    get(
        b"/flask/login",
        b"Content_Type: application/json",
        b"Content-Length: " + SIZE,
        method=b"POST",
    )
    + BODY,
    either(401, 415, 422),
    True,
    "RFC 3875 4.1.3",
    "The body has no type, so it cannot sign anybody in.",
)
_add(
    "Proxy, FastAPI",
    get(b"/fastapi/", b"Proxy: http://evil.example/"),
    200,
    True,
    "RFC 3875 4.1.18",
    "Becomes HTTP_PROXY in CGI (CVE-2016-5385): dropped.",
)
_add(
    "Proxy, Flask",
    get(b"/flask/hello", b"Proxy: http://evil.example/"),
    200,
    True,
    "RFC 3875 4.1.18",
    "As above.",
)
_add(
    "two cookies",
    get(b"/flask/me", b"Cookie: a=1", b"Cookie: b=2"),
    either(303, 401),
    True,
    "RFC 9113 8.2.3; RFC 6265 4.2.2",
)
