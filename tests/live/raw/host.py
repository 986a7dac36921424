"""Host, and targets that name one."""

from __future__ import annotations

from tests.live.raw.case import Group, either, get, hosts

GROUP = Group("host")
_add = GROUP.add

_add("missing", hosts(), 400, None, "RFC 9112 3.2")
_add(
    "missing, HTTP/1.0",
    hosts(version=b"HTTP/1.0"),
    200,
    False,
    "RFC 9112 3.2",
    "HTTP/1.0 knows no Host; only services without a host of their own answer.",
)
_add("twice, equal", hosts(b"localhost", b"localhost"), 400, None, "RFC 9112 3.2")
_add("twice, different", hosts(b"localhost", b"evil.example"), 400, None, "RFC 9112 3.2")
_add(
    "twice, HTTP/1.0",
    hosts(b"localhost", b"evil.example", version=b"HTTP/1.0"),
    400,
    False,
    "RFC 9112 3.2",
)
for _name, _value in {
    "a name": b"localhost",
    "upper case": b"LOCALHOST",
    "a port": b"localhost:8000",
    "an empty port": b"localhost:",
    "white space around": b"\t localhost \t",
    "a trailing dot": b"localhost.",
    "an underscore": b"my_service",
    "IPv4": b"127.0.0.1",
    "IPv6": b"[::1]",
    "IPv6 and a port": b"[::1]:8000",
}.items():
    _add(_name, hosts(_value), 200, True, "RFC 9112 3.2; RFC 3986 3.2.2")
for _name, (_value, _why) in {
    "empty": (b"", "Valid only where the target has no authority; http always has one."),
    "white space only": (b" \t ", "As empty."),
    "a port that is none": (b"localhost:80a", ""),
    "a port too large": (b"localhost:99999", "RFC 3986 sets no bound, TCP does."),
    "a negative port": (b"localhost:-1", ""),
    "two ports": (b"localhost:80:80", ""),
    "a port alone": (b":80", "As empty."),
    "user information": (b"user@localhost", ""),
    "user and password": (b"localhost:80@evil.example", ""),
    "a space within": (b"local host", ""),
    "a tab within": (b"local\thost", ""),
    "a comma": (b"localhost,evil.example", "Legal in a name, but what two merged lines look like."),
    "a slash": (b"localhost/evil", ""),
    "a question mark": (b"localhost?evil", ""),
    "a fragment": (b"localhost#evil", ""),
    "a backslash": (b"localhost\\evil", ""),
    "a scheme": (b"http://localhost", ""),
    "markup": (b"<script>", ""),
    "a quotation mark": (b'localhost"', ""),
    "a control character": (b"local\x01host", ""),
    "NUL": (b"local\x00host", ""),
    "DEL": (b"local\x7fhost", ""),
    "bytes that are not ASCII": (b"local\xffhost", ""),
    "UTF-8": ("löcal".encode(), "A name beyond ASCII is sent as its A-label."),
    "IPv6 without brackets": (b"::1", ""),
    "IPv6 left open": (b"[::1", ""),
    "IPv6 that is none": (b"[::g]", ""),
    "IPv6 and text after": (b"[::1]evil", ""),
    "300 characters": (b"a" * 300, "DNS ends at 255 (RFC 3986 3.2.2 asks for its syntax)."),
}.items():
    _add(_name, hosts(_value), 400, None, "RFC 9112 3.2; RFC 3986 3.2", _why)
_add("folded", hosts(b"\r\n localhost"), 400, False, "RFC 9112 5.2")
_add("space before the colon", get(host=b"Host : localhost\r\n"), 400, False, "RFC 9112 5.1")
_add(
    "behind a space",
    get(host=b" Host: localhost\r\n"),
    400,
    False,
    "RFC 9112 2.2",
    "White space before the first field: to be refused or dropped, so refused.",
)
_ABSOLUTE = b"http://localhost/fastapi/"
_add(
    "absolute target, the same",
    hosts(b"localhost", target=_ABSOLUTE),
    200,
    True,
    "RFC 9112 3.2.2",
    "A server must accept the absolute form.",
)
_add(
    "absolute target, other case",
    hosts(b"localhost", target=b"HTTP://LocalHost/fastapi/"),
    200,
    True,
    "RFC 9110 4.2.3",
)
_add(
    "absolute target, another",
    hosts(b"evil.example", target=_ABSOLUTE),
    400,
    None,
    "RFC 9112 3.2, 3.2.2",
    "The target's would win; a client must send the same, and services see only the field.",
)
_add(
    "absolute target, another port",
    hosts(b"localhost:81", target=_ABSOLUTE),
    400,
    None,
    "RFC 9112 3.2.2",
)
_add("absolute target, none", hosts(target=_ABSOLUTE), 400, None, "RFC 9112 3.2")
_add(
    "absolute target with user information",
    hosts(b"localhost", target=b"http://user@localhost/fastapi/"),
    400,
    None,
    "RFC 9110 4.2.4",
    "To be treated as an error.",
)
_add(
    "absolute target without a host",
    hosts(b"localhost", target=b"http:///fastapi/"),
    400,
    None,
    "RFC 9110 4.2.1",
)
_add(
    "absolute target with a port that is none",
    hosts(b"localhost:99999", target=b"http://localhost:99999/fastapi/"),
    400,
    None,
    "RFC 3986 3.2.3",
)
_add(
    "absolute target, https without TLS",
    hosts(b"localhost", target=b"https://localhost/fastapi/"),
    either(400, 421),
    None,
    "RFC 9110 7.4",
    "Not over a connection that is not secured.",
)
_add(
    "absolute target, ftp",
    hosts(b"localhost", target=b"ftp://localhost/fastapi/"),
    either(400, 421),
    None,
    "RFC 9110 7.4",
    "This server serves no such URI.",
)
_add(
    "absolute target, no path",
    hosts(b"localhost", target=b"http://localhost"),
    either(200, 307, 404),
    True,
    "RFC 9112 3.2.1",
    "As for /, whatever answers there.",
)
