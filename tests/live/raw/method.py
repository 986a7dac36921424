"""Methods."""

from __future__ import annotations

from tests.live.raw.case import CL, SMUGGLED, Group, either, get

GROUP = Group("method")
_add = GROUP.add

_add("unknown", get(method=b"FOO"), 501, None, "RFC 9110 9.1, 15.6.2")
_add("lower case", get(method=b"get"), 501, None, "RFC 9110 9.1", "Case-sensitive: unknown.")
_add("with a known beginning", get(method=b"GETX"), 501, None, "RFC 9110 9.1")
_add(
    "10,000 letters",
    get(method=b"A" * 10_000),
    501,
    None,
    "RFC 9112 3",
    "Longer than any that is known: 501.",
)
for _name, _value in {
    "an at sign": b"G@T",
    "parentheses": b"G(E)T",
    "NUL": b"GE\x00T",
    "bytes that are not ASCII": b"G\xc9T",
    "a colon": b"GET:",
    "nothing": b"",
    "a space before": b" GET",
    "a tab before": b"\tGET",
    "a tab instead of the space": b"GET\t/fastapi/",
}.items():
    _add(_name, get(method=_value), 400, False, "RFC 9112 3; RFC 9110 5.6.2")
_add(
    "two spaces after",
    get(b" /fastapi/"),
    400,
    False,
    "RFC 9112 3",
    "One space. Splitting on white space is allowed, and has led to splitting.",
    stands="The parser skips spaces before a target and does not tell. One reading remains: the "
    "target has no spaces.",
)
_NOT = "Known, but not to this resource (405), or to no resource here (501)."
for _name in ("TRACE", "PATCH", "PROPFIND", "M-SEARCH", "QUERY", "PURGE"):
    for _stack in ("flask", "fastapi"):
        _add(
            f"{_name}, {_stack}",
            get(f"/{_stack}/".encode(), method=_name.encode()),
            either(405, 501),
            None,
            "RFC 9110 9.1, 9.3.8",
            _NOT,
        )
_add(
    "CONNECT",
    get(b"localhost:80", method=b"CONNECT"),
    either(405, 501),
    False,
    "RFC 9110 9.3.6",
    "An origin server need not implement it; it must not open a tunnel.",
)
_add(
    "CONNECT with a path",
    get(b"/fastapi/", method=b"CONNECT"),
    either(400, 405, 501),
    False,
    "RFC 9112 3.2.3",
    "The target must be in authority form.",
)
_add(
    "CONNECT and a request",
    get(b"localhost:80", method=b"CONNECT") + SMUGGLED,
    either(405, 501),
    False,
    "RFC 9110 9.3.6",
    "What follows is meant for a tunnel.",
)
_add(
    "OPTIONS *",
    get(b"*", method=b"OPTIONS"),
    either(200, 204),
    None,
    "RFC 9110 9.3.7",
    "Of the server in general: a ping.",
)
_add("OPTIONS, Flask", get(b"/flask/", method=b"OPTIONS"), 200, True, "RFC 9110 9.3.7")
_add(
    "OPTIONS, FastAPI",
    get(b"/fastapi/", method=b"OPTIONS"),
    either(200, 405),
    True,
    "RFC 9110 9.3.7",
    "The service's own affair.",
)
_add(
    "HEAD, Flask",
    get(b"/flask/hello", method=b"HEAD"),
    200,
    True,
    "RFC 9110 9.3.2",
    methods=(b"HEAD",),
)
_add(
    "HEAD, FastAPI",
    get(b"/fastapi/openapi.json", method=b"HEAD"),
    200,
    True,
    "RFC 9110 9.3.2",
    methods=(b"HEAD",),
)
_add(
    "HEAD with a body",
    get(b"/flask/hello", CL + b"%d" % len(SMUGGLED), method=b"HEAD") + SMUGGLED,
    200,
    True,
    "RFC 9110 9.3.2",
    methods=(b"HEAD",),
)
_add(
    "DELETE with a body",
    get(b"/flask/hello", CL + b"%d" % len(SMUGGLED), method=b"DELETE") + SMUGGLED,
    405,
    True,
    "RFC 9110 9.3.5",
)
