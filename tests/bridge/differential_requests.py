"""What is asked of the differential application."""

from __future__ import annotations

from tests.bridge.differential_app import RAW
from tests.bridge.exchanges import Raw


def _chunked(*pieces: bytes) -> bytes:
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return framed + b"0\r\n\r\n"


def _post(target: bytes, body: bytes, *headers: bytes, method: bytes = b"POST") -> Raw:
    return Raw(target, method, (*headers, b"Content-Length: %d" % len(body)), body)


CHUNKED = b"Transfer-Encoding: chunked"
FORM = b"Content-Type: application/x-www-form-urlencoded"
MULTIPART = b"Content-Type: multipart/form-data; boundary=edge"
PARTS = b"\r\n".join(
    [
        b"--edge",
        b'Content-Disposition: form-data; name="field"',
        b"",
        "grün".encode(),
        b"--edge",
        'Content-Disposition: form-data; name="file"; filename="ü b.bin"'.encode(),
        b"Content-Type: application/x-thing",
        b"",
        bytes(range(256)) * 100,
        b"--edge--",
        b"",
    ]
)
LARGE = bytes(range(251)) * 12_000  # 3 MB: through a temporary file
REQUESTS: dict[str, Raw] = {
    # Bodies going in.
    "no body": Raw(b"/echo"),
    "no body, POST": Raw(b"/echo", b"POST"),
    "length 0": _post(b"/echo", b""),
    "fixed body": _post(b"/echo", b"hello", b"Content-Type: text/x-hello"),
    "binary body": _post(b"/echo", bytes(range(256))),
    "body of GET": _post(b"/echo", b"hello", method=b"GET"),
    "body of PUT": _post(b"/echo", b"hello", method=b"PUT"),
    "body of DELETE": _post(b"/echo", b"hello", method=b"DELETE"),
    "chunked body": Raw(b"/echo", b"POST", (CHUNKED,), _chunked(b"one", b"two" * 1000, b"3")),
    "chunked empty body": Raw(b"/echo", b"POST", (CHUNKED,), _chunked()),
    "chunk extensions and trailers": Raw(
        b"/echo", b"POST", (CHUNKED,), b"3;a=b\r\none\r\n0\r\nX-Trailer: 1\r\n\r\n"
    ),
    "chunked form": Raw(b"/form", b"POST", (CHUNKED, FORM), _chunked(b"a=1&", b"b=2")),
    "large body": _post(b"/digest", LARGE),
    "large chunked body": Raw(
        b"/digest", b"POST", (CHUNKED,), _chunked(LARGE[:100_000], LARGE[100_000:])
    ),
    "form": _post(b"/form", b"a=1&a=2&b=gr%C3%BCn+x&c", FORM),
    "multipart": _post(b"/form", PARTS, MULTIPART),
    "multipart, chunked": Raw(
        b"/form", b"POST", (CHUNKED, MULTIPART), _chunked(PARTS[:500], PARTS[500:])
    ),
    "lines": _post(b"/lines", b"first\nsecond\nthird\nfourth\n\nno line feed"),
    "JSON": _post(b"/json", '{"a": ["ü", 1]}'.encode(), b"Content-Type: application/json"),
    "broken JSON": _post(b"/json", b"{", b"Content-Type: application/json"),
    "unread body": _post(b"/unread", b"x" * 1000),
    "software": Raw(b"/software"),
    # Answers coming out.
    "stream": Raw(b"/stream"),
    "stream to HTTP/1.0": Raw(b"/stream", version=b"HTTP/1.0"),
    "stream with length": Raw(b"/stream-with-length"),
    "stream of nothing": Raw(b"/stream-nothing"),
    "HEAD": Raw(b"/echo", b"HEAD"),
    "HEAD of a stream": Raw(b"/stream", b"HEAD"),
    "HEAD of a stream with length": Raw(b"/stream-with-length", b"HEAD"),
    "HEAD of a file": Raw(b"/file", b"HEAD"),
    "HEAD of an error": Raw(b"/error", b"HEAD"),
    "OPTIONS": Raw(b"/stream", b"OPTIONS"),
    "method that is not allowed": Raw(b"/stream", b"POST"),
    "method of nobody": Raw(b"/stream", b"PROPFIND"),
    "error before": Raw(b"/error"),
    "error within": Raw(b"/error-within"),
    "error within a length": Raw(b"/error-within-length"),
    **{f"abort {status}": Raw(b"/abort/%d" % status) for status in (400, 404, 410, 418, 503)},
    **{f"status {status}": Raw(b"/status/%d" % status) for status in (201, 204, 205, 304, 299)},
    "status 204 to POST": Raw(b"/status/204", b"POST"),
    "cookies": Raw(b"/cookies", headers=(b'Cookie: a=1; b="two words"', b"Accept: */*")),
    "two Cookie lines": Raw(b"/cookies", headers=(b"Cookie: a=1", b"Cookie: b=2")),
    "a session of somebody else": Raw(b"/session", headers=(b"Cookie: session=forged",)),
    "redirect": Raw(b"/redirect"),
    "redirect by a whole URL": Raw(b"/redirect-external"),
    "redirect to the slash": Raw(b"/slash?a=b"),
    "after the slash": Raw(b"/slash/"),
    "urls": Raw(b"/urls?a=%20b&c=d+e"),
    "urls with a port": Raw(b"/urls", host=b"example.test:8123"),
    "headers": Raw(b"/headers"),
    "file": Raw(b"/file"),
    "range of a file": Raw(b"/file", headers=(b"Range: bytes=10-19",)),
    "range beyond a file": Raw(b"/file", headers=(b"Range: bytes=99999999-",)),
    "file not modified": Raw(b"/file", headers=(b'If-None-Match: "of-the-file"',)),
    "static file that is not there": Raw(b"/static/none.css"),
    # Paths, queries, headers.
    "root": Raw(b"/"),
    "path that is not there": Raw(b"/nope"),
    "environ": Raw(b"/environ?a=1&b=2"),
    "environ of POST": _post(b"/environ", b"hello", b"Content-Type: text/plain; charset=utf-8"),
    "environ of PATCH": _post(b"/environ", b"", method=b"PATCH"),
    "environ of OPTIONS": Raw(b"/environ", b"OPTIONS"),
    "environ of a chunked body": Raw(b"/environ", b"POST", (CHUNKED,), _chunked(b"x")),
    "environ to HTTP/1.0": Raw(b"/environ", version=b"HTTP/1.0"),
    "percent-encoded path": Raw(b"/environ/a%20b%2Bc+d"),
    "lower-case escapes": Raw(b"/environ/%c3%bc"),
    "UTF-8 path": Raw(b"/environ/gr%C3%BCn"),
    "path of bytes": Raw(b"/environ/%FF%FE"),
    "encoded slash": Raw(b"/environ/a%2Fb"),
    "encoded percent sign": Raw(b"/environ/a%252Fb"),
    "broken escape": Raw(b"/environ/a%zzb%2"),
    "NUL in the path": Raw(b"/environ/a%00b"),
    "double slashes": Raw(b"/environ//a//b"),
    "leading double slash": Raw(b"//environ"),
    "trailing slash": Raw(b"/environ/"),
    "semicolons": Raw(b"/environ/a;b=c;d"),
    "empty query": Raw(b"/environ?"),
    "query of a question mark": Raw(b"/environ??a?b"),
    "query with escapes": Raw(b"/environ?a=%FF%20&b=%C3%BC&=&&c"),
    "query of raw UTF-8": Raw("/environ?q=grün".encode()),
    "repeated headers": Raw(b"/environ", headers=(b"X-A: 1", b"X-B: x", b"X-A: 2", b"x-a: 3")),
    "latin-1 header": Raw(b"/environ", headers=(b"X-A: gr\xfcn",)),
    "UTF-8 header": Raw(b"/environ", headers=("X-A: grün".encode(),)),
    "empty header": Raw(b"/environ", headers=(b"X-A:",)),
    "padded header": Raw(b"/environ", headers=(b"X-A:  \t padded \t ",)),
    "header with an underscore": Raw(b"/environ", headers=(b"X_A: evil", b"X-B: 1")),
    "Proxy header": Raw(b"/environ", headers=(b"Proxy: http://evil",)),
    "long header": Raw(b"/environ", headers=(b"X-A: " + b"a" * 4000,)),
    "forwarded": Raw(
        b"/urls", headers=(b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-Host: evil.test")
    ),
    "authorization": Raw(b"/environ", headers=(b"Authorization: Basic dTpw",)),
    "accept": Raw(b"/environ", headers=(b"Accept: text/html, */*;q=0.1", b"Accept: text/plain")),
    **{f"raw {name}": Raw(b"/raw/" + name.encode()) for name in RAW},
    "HEAD, raw list": Raw(b"/raw/list", b"HEAD"),
    "HEAD, raw too long": Raw(b"/raw/too-long", b"HEAD"),
    "HEAD, raw write": Raw(b"/raw/write", b"HEAD"),
}

# Where the mount alone is asked for; at the root of a server there is no such request.
UNDER_A_PREFIX = {
    "the prefix alone": Raw(b""),
    "the prefix alone, with a query": Raw(b"?a=b"),
    "a path that begins like the prefix": Raw(b"/shop/environ"),
}
