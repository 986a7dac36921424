"""Targets: form, dot segments, escapes, length."""

from __future__ import annotations

from tests.live.raw.case import TARGET_BYTES, Group, either, get

GROUP = Group("target")
_add = GROUP.add

_SEGMENTS = "Which mount answers would depend on who removes them: refused before routing."
_add("asterisk with GET", get(b"*"), 400, None, "RFC 9112 3.2.4")
_add("authority form with GET", get(b"localhost:80"), 400, None, "RFC 9112 3.2.3")
_add("empty", get(b""), 400, None, "RFC 9112 3.2")
_add("no leading slash", get(b"fastapi/"), 400, None, "RFC 9112 3.2")
_add("query alone", get(b"?a=1"), 400, None, "RFC 9112 3.2.1")
_add("fragment", get(b"/fastapi/#part"), 400, None, "RFC 9112 3.2", "No form has one.")
_add("fragment after a query", get(b"/fastapi/?a#part"), 400, None, "RFC 9112 3.2")
_add("encoded fragment sign", get(b"/fastapi/%23part"), 404, True, "RFC 3986 2.1")
_add("empty query", get(b"/fastapi/?"), 200, True, "RFC 9112 3.2.1")
for _name, _value in {
    "a space": b"/fast api/",
    "a tab": b"/fast\tapi/",
    "a control character": b"/fastapi/\x01",
    "NUL": b"/fastapi/\x00",
    "DEL": b"/fastapi/\x7f",
    "a bare CR": b"/fastapi/\rX",
    "a form feed": b"/fastapi/\x0c",
    "UTF-8": "/fastapi/é".encode(),
    "bytes that are not ASCII": b"/fastapi/\xff",
    "UTF-8 in the query": "/fastapi/?é".encode(),
    "a control character in the query": b"/fastapi/?\x01",
    "a backslash": b"/flask\\hello",
    "a quotation mark": b'/fastapi/"',
    "angle brackets": b"/fastapi/<x>",
}.items():
    _add(_name, get(_value), 400, None, "RFC 3986 2, 3.3; RFC 9112 3.2")
_add(
    "a vertical bar",
    get(b"/fastapi/a|b"),
    404,
    True,
    "RFC 3986 2",
    "Not legal, but browsers send it as it is, and nothing depends on it.",
)
_add("braces in the query", get(b"/fastapi/?a={b}|^`[]"), 200, True, "RFC 3986 2", "As above.")
_add(
    "encoded NUL",
    get(b"/fastapi/%00"),
    400,
    None,
    "RFC 3986 7.3",
    "No name has one, and C reads the name as ended there.",
)
_add(
    "encoded CR LF",
    get(b"/fastapi/%0d%0aX:y"),
    either(400, 404),
    None,
    "RFC 3986 7.3",
    "Refused, or a name that does not exist.",
)
for _name, _value in {
    "percent sign alone": b"/fastapi/%",
    "percent and one digit": b"/fastapi/%4",
    "percent and letters": b"/fastapi/%zz",
    "percent and u": b"/fastapi/%u0041",
    "percent and a sign": b"/fastapi/%+1",
}.items():
    _add(_name, get(_value), 400, None, "RFC 3986 2.1", "No escape: two readers, two paths.")
_add(
    "percent and letters in the query",
    get(b"/fastapi/?q=100%zz"),
    200,
    True,
    "RFC 3986 2.1",
    "Browsers send it when it is typed; no route depends on it.",
)
for _stack in ("flask", "fastapi"):
    _other = b"/fastapi/" if _stack == "flask" else b"/flask/"
    _at = f"/{_stack}".encode()
    for _name, _value in {
        "dot dot to the other service": _at + b"/.." + _other,
        "dot dot at the end": _at + b"/..",
        "dot within": _at + b"/./",
        "dot at the end": _at + b"/.",
        "encoded dot dot": _at + b"/%2e%2e" + _other,
        "encoded dot dot, upper case": _at + b"/%2E%2E" + _other,
        "encoded dot, dot": _at + b"/%2e." + _other,
        "dot, encoded dot": _at + b"/.%2e" + _other,
        "encoded dot": _at + b"/%2e/",
        "dot dot and an encoded slash": _at + b"/..%2f" + _other[1:],
        "encoded slash and dot dot": _at + b"/x%2f.." + _other,
        "all encoded": _at + b"%2f%2e%2e%2f" + _other[1:],
        "dot dot and an encoded backslash": _at + b"/..%5c" + _other[1:],
    }.items():
        _add(f"{_name}, {_stack}", get(_value), 400, None, "RFC 3986 5.2.4, 6.2.2.3", _SEGMENTS)
_add("dot dot first", get(b"/../fastapi/"), 400, None, "RFC 3986 5.2.4", _SEGMENTS)
_add(
    "dot dot in an absolute target",
    get(b"http://localhost/flask/../fastapi/"),
    400,
    None,
    "RFC 3986 5.2.4",
    _SEGMENTS,
)
_add(
    "dot dot in the query",
    get(b"/fastapi/?../../x"),
    200,
    True,
    "RFC 3986 3.4",
    "A query has no segments.",
)
_add("three dots", get(b"/fastapi/..."), 404, True, "RFC 3986 3.3", "A name like any other.")
_add("dots within a name", get(b"/fastapi/a..b"), 404, True, "RFC 3986 3.3")
_add(
    "encoded twice",
    get(b"/flask/%252e%252e/fastapi/"),
    404,
    True,
    "RFC 3986 2.4",
    "Decoded once, it is a name with percent signs.",
)
_add(
    "two slashes within, Flask",
    get(b"/flask//hello"),
    either(200, 308, 400, 404),
    None,
    "RFC 3986 3.3",
    "An empty segment; the service's affair.",
)
_add("two slashes within, FastAPI", get(b"/fastapi//items"), 404, True, "RFC 3986 3.3")
_add(
    "two slashes first",
    get(b"//fastapi/"),
    either(400, 404),
    None,
    "RFC 3986 4.2",
    "Never another mount's, and never the start of a redirect to a host.",
)
_add(
    "two slashes first, a host",
    get(b"//evil.example/fastapi/"),
    either(400, 404),
    None,
    "RFC 3986 4.2",
)
_add(
    "encoded slash in the prefix",
    get(b"/flask%2fhello"),
    either(400, 404),
    None,
    "RFC 3986 2.2",
    "A reserved character: encoded, it is no separator; no rule for /flask/ may be passed by so.",
)
_add(
    "encoded slash in a name",
    get(b"/fastapi/items%2f1"),
    either(200, 400, 404),
    None,
    "RFC 3986 2.2",
    "Within a service, which decodes as it always has.",
)
_add("encoded backslash", get(b"/flask/%5chello"), either(400, 404), None, "RFC 3986 2.1")
_add(
    "encoded letter in the prefix",
    get(b"/%66lask/hello"),
    200,
    True,
    "RFC 3986 6.2.2.2",
    "Unreserved: the same path.",
)
_add("prefix and more", get(b"/flaskfoo"), 404, True, "RFC 3986 3.3", "Whole segments.")
_add(
    "prefix and a parameter",
    get(b"/flask;x=1/hello"),
    404,
    True,
    "RFC 3986 3.3",
    "A name with a semicolon; nothing here removes parameters.",
)
_add("prefix in upper case", get(b"/FLASK/hello"), 404, True, "RFC 3986 6.2.2.1")
_add("encoded UTF-8", get(b"/fastapi/%C3%A9"), 404, True, "RFC 3986 2.5")
_add("encoded byte that is not UTF-8, Flask", get(b"/flask/%FF"), 404, True, "RFC 3986 2.5")
_add("encoded byte that is not UTF-8, FastAPI", get(b"/fastapi/%FF"), 404, True, "RFC 3986 2.5")
_LONG = "8,000 octets are to be supported; the limit is 8 KiB."
_add("8,000 bytes", get(b"/fastapi/" + b"a" * 7_991), 404, True, "RFC 9112 3", _LONG)
_add("query of 7,000 bytes", get(b"/fastapi/?" + b"a" * 7_000), 200, True, "RFC 9112 3", _LONG)
_add(
    "8,193 bytes",
    get(b"/fastapi/" + b"a" * (TARGET_BYTES - 8)),
    414,
    None,
    "RFC 9110 15.5.15",
    _LONG,
)
_add("query of 20,000 bytes", get(b"/fastapi/?" + b"a" * 20_000), 414, None, "RFC 9110 15.5.15")
_add("70,000 bytes", get(b"/fastapi/" + b"a" * 70_000), 414, None, "RFC 9110 15.5.15")
_add("query of 1 MB", get(b"/fastapi/?" + b"a" * 1_000_000), 414, None, "RFC 9110 15.5.15")
_add(
    "10,000 bytes, no end",
    b"GET /fastapi/" + b"a" * 10_000,
    414,
    False,
    "RFC 9110 15.5.15",
    "At once: what is too long already does not get shorter.",
)
_add(
    "1,000 dot segments",
    get(b"/fastapi" + b"/.." * 1_000),
    400,
    None,
    "RFC 3986 5.2.4",
    _SEGMENTS,
)
