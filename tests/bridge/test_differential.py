"""The same application under Gunicorn's gthread worker and under the bridge, byte for byte."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.bridge.differential_app import RAW
from tests.bridge.exchanges import Raw, Seen, ask
from tests.gateway.projects import write_project
from tests.live.serving import serving, wait_until

ROOT = Path(__file__).parents[2]
PREFIXES = {"/": b"", "/shop": b"/shop"}
_ADDRESS = re.compile(r"Listening at: http://([0-9.]+):(\d+)")


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


@dataclass(frozen=True)
class Difference:
    """Something that is different, and why that is right.

    Attributes:
        cases: Of which requests.
        parts: In which parts of their answers.
    """

    cases: frozenset[str]
    parts: frozenset[str]
    reason: str


def _difference(cases: str, parts: str, reason: str) -> Difference:
    return Difference(frozenset(cases.split(" | ")), frozenset(parts.split(" | ")), reason)


# The server's own, in any answer. The value of Date is the clock's and is not compared.
EVERYWHERE = {
    "header server": "Gunicorn names itself; the gateway does not say what it is",
    "header x-request-id": "the gateway gives each request an ID and tells it",
    "phrase": "ASGI has no reason phrases: the server sends the one of the status",
}
DIFFERENCES = [
    _difference(
        "software", "body | header content-length", "SERVER_SOFTWARE is another server's name"
    ),
    _difference(
        "raw list | raw tuple | raw nothing | raw no-phrase | raw own-phrase | raw hop-by-hop"
        " | stream of nothing",
        "header content-length | header transfer-encoding",
        "a body that is whole when its headers leave gets a length instead of chunks",
    ),
    _difference(
        "raw replaced",
        "header content-length | header content-type | header transfer-encoding | header x-first",
        "the answer that was replaced leaves no header behind; in Gunicorn both are sent",
    ),
    _difference(
        "raw replaced-while-iterating",
        "status | body | complete | header x-first | header x-second",
        "headers leave with the first byte; in Gunicorn an empty chunk sends them",
    ),
    _difference(
        "raw no-start",
        "status | body | complete | header cache-control | header connection"
        " | header content-length | header content-type | header date | header vary",
        "no start_response is an error; Gunicorn sends an answer whose status is None",
    ),
    _difference(
        "raw too-short",
        "status | body | complete | header cache-control | header content-length"
        " | header content-type | header vary",
        "an answer that is known to be short before its headers leave is an error",
    ),
    _difference(
        "raw twice | raw raises | raw line-feed",
        "body | header cache-control | header content-length | header content-type | header date"
        " | header vary",
        "an error that no service answers is a problem document of the gateway",
    ),
    _difference(
        "two Cookie lines",
        "body | header content-length",
        "cookies are joined by a semicolon; Gunicorn's comma makes one of two",
    ),
    _difference(
        "Proxy header", "body | header content-length", "HTTP_PROXY is obeyed by HTTP clients"
    ),
    _difference(
        "empty query",
        "body | header content-length",
        "ASGI does not tell an empty query from none, so RAW_URI has no question mark",
    ),
    _difference(
        "padded header",
        "body | header content-length",
        "uvicorn's parser leaves the white space after a value",
    ),
    _difference(
        "query of raw UTF-8",
        "body | header content-length | header content-type | header date",
        "both servers refuse it, each in its words",
    ),
    _difference(
        "stream to HTTP/1.0", "header transfer-encoding", "uvicorn sends chunks to HTTP/1.0, too"
    ),
]
EXPECTED = {
    case: frozenset().union(*(each.parts for each in DIFFERENCES if case in each.cases))
    for case in {**REQUESTS, **UNDER_A_PREFIX}
}


def _differing(theirs: Seen, ours: Seen) -> set[str]:
    """The parts that differ."""
    parts = {
        part
        for part in ("status", "phrase", "complete", "body")
        if getattr(theirs, part) != getattr(ours, part)
    }
    names = {name for name, _ in [*theirs.headers, *ours.headers]}
    for name in names - {"date"}:
        if theirs.of(name) != ours.of(name):
            parts.add(f"header {name}")
    if len(theirs.of("date")) != len(ours.of("date")):
        parts.add("header date")
    return parts


@pytest.mark.parametrize(
    ("prefix", "case"),
    [(prefix, case) for prefix in PREFIXES for case in REQUESTS]
    + [("/shop", case) for case in UNDER_A_PREFIX],
)
def test_the_two_answer_alike(servers: Servers, prefix: str, case: str) -> None:
    """A client cannot tell them apart, but for what is written down."""
    theirs, ours = servers.ask(prefix, case)
    found = _differing(theirs, ours) - set(EVERYWHERE)
    assert found == EXPECTED[case], f"\nGunicorn: {theirs}\ngateway: {ours}"


def test_what_differs_everywhere_differs_somewhere(servers: Servers) -> None:
    """A reason that is no longer needed goes."""
    seen: set[str] = set()
    for case in ("environ", "abort 404"):
        seen |= _differing(*servers.ask("/", case))
    assert seen == set(EVERYWHERE)


def test_every_difference_is_of_a_request() -> None:
    """A request that is renamed takes its reason along."""
    named = frozenset().union(*(each.cases for each in DIFFERENCES))
    assert named <= set(EXPECTED)


def test_both_leave_a_broken_answer_incomplete(servers: Servers) -> None:
    """That they agree on a failure does not make it a success."""
    for prefix in PREFIXES:
        for case in ("error within", "error within a length", "raw too-late"):
            assert [seen.complete for seen in servers.ask(prefix, case)] == [False, False]


Address = tuple[str, int]


@contextmanager
def _gunicorn(script_name: str) -> Iterator[Address]:
    environment = {**os.environ, "SCRIPT_NAME": script_name, "PYTHONHASHSEED": "0"}
    command = "-m gunicorn -k gthread --threads 4 -b 127.0.0.1:0 --no-control-socket"
    process = subprocess.Popen(
        [sys.executable, *command.split(), "tests.bridge.differential_app:app"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    assert process.stderr is not None
    reader = threading.Thread(target=lines.extend, args=(process.stderr,), daemon=True)
    reader.start()
    try:
        wait_until(lambda: _ADDRESS.search("".join(lines)), 30, lambda: "".join(lines))
        found = _ADDRESS.search("".join(lines))
        assert found
        yield found[1], int(found[2])
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(5)
        process.stderr.close()


TOML = """
    [[mounts]]
    name = "root"
    prefix = "/"
    app = "tests.bridge.differential_app:app"

    [[mounts]]
    name = "shop"
    prefix = "/shop"
    app = "tests.bridge.differential_app:app"
"""


@dataclass(frozen=True)
class Servers:
    """For each prefix Gunicorn's address and the gateway's."""

    addresses: dict[str, tuple[Address, Address]]

    def ask(self, prefix: str, case: str) -> tuple[Seen, Seen]:
        """The answers of Gunicorn and of the gateway."""
        raw = {**REQUESTS, **UNDER_A_PREFIX}[case]
        data = raw.encode(PREFIXES[prefix])
        answers = []
        for address in self.addresses[prefix]:
            seen = ask(address, data, head=raw.method == b"HEAD")
            # Each listens on a port of its own; both have as many digits.
            seen.body = seen.body.replace(b"'%d'" % address[1], b"'12345'")
            answers.append(seen)
        return answers[0], answers[1]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Gunicorn once for each prefix, and one gateway with a mount at each."""
    folder = tmp_path_factory.mktemp("differential")
    write_project(folder, TOML)
    environment = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
    with ExitStack() as stack:
        gateway = stack.enter_context(serving(cwd=folder, env=environment))
        parts = urlsplit(gateway.url)
        ours = (parts.hostname or "", parts.port or 0)
        yield Servers(
            {
                prefix: (stack.enter_context(_gunicorn(name.decode())), ours)
                for prefix, name in PREFIXES.items()
            }
        )
