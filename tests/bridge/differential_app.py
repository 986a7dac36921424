"""A Flask application that uses what PEP 3333 has; served by two servers, which must agree."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask import Flask, Response, abort, make_response, redirect, request, session, url_for
from flask import send_file as flask_send_file
from werkzeug.wrappers import Response as AnyResponse

# What an application may rely on; the rest is the server's own.
KEYS = (
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "PATH_INFO",
    "QUERY_STRING",
    "RAW_URI",
    "REMOTE_ADDR",
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "wsgi.input_terminated",
    "wsgi.multiprocess",
    "wsgi.multithread",
    "wsgi.run_once",
    "wsgi.url_scheme",
    "wsgi.version",
)

app = Flask(__name__)
app.secret_key = "of the test"
app.config["MAX_FORM_MEMORY_SIZE"] = 10_000_000
CONTENT = bytes(range(256)) * 512


@app.route("/environ", methods=["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@app.route("/environ/<path:rest>")
@app.route("/environ/")
def environ(rest: str = "") -> Response:
    """What the server made of the request."""
    found = {key: repr(request.environ[key]) for key in KEYS if key in request.environ}
    headers = {
        key: value
        for key, value in request.environ.items()
        if key.startswith("HTTP_") and key != "HTTP_X_REQUEST_ID"
    }
    pairs = sorted({**found, **headers}.items())
    return Response("\n".join(f"{key}: {value}" for key, value in pairs).encode("latin-1"))


@app.get("/software")
def software() -> str:
    """What the server calls itself."""
    return str(request.environ["SERVER_SOFTWARE"])


@app.route("/echo", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def echo() -> Response:
    """The body as it came."""
    return Response(request.get_data(), mimetype=request.mimetype or "text/plain")


@app.post("/digest")
def digest() -> str:
    """A large body, read in blocks."""
    count, whole = 0, hashlib.sha256()
    while block := request.stream.read(10_007):
        count += len(block)
        whole.update(block)
    return f"{count} {whole.hexdigest()}"


@app.post("/lines")
def lines() -> Response:
    """The input by lines, in the ways of a file."""
    file = request.environ["wsgi.input"]
    parts = [file.readline(), file.readline(3), file.read(2), *file.readlines(5), *list(file)]
    return Response(b"|".join([*parts, file.read(), file.readline()]))


@app.post("/form")
def form() -> dict[str, Any]:
    """Fields and files."""
    files = {
        name: [file.filename, file.mimetype, hashlib.sha256(file.read()).hexdigest()]
        for name, file in request.files.items()
    }
    return {"form": request.form.to_dict(flat=False), "files": files}


@app.post("/json")
def json_body() -> Any:
    """JSON in, JSON out."""
    return request.get_json()


@app.post("/unread")
def unread() -> str:
    """The body is not read at all."""
    return "not read"


@app.get("/stream")
def stream() -> Response:
    """Chunks, empty ones among them."""
    return Response(iter([b"one", b"", b"two" * 50_000, b"three"]))


@app.get("/stream-with-length")
def stream_with_length() -> Response:
    """Chunks of an announced length."""
    return Response(iter([b"one", b"two"]), headers={"Content-Length": "6"})


@app.get("/stream-nothing")
def stream_nothing() -> Response:
    """An iterator that ends at once."""
    return Response(iter([]))


@app.get("/error")
def error() -> str:
    """An error before the answer, which Flask answers."""
    raise ValueError("before the answer")


@app.get("/error-within")
def error_within() -> Response:
    """An error after the first chunk."""

    def chunks() -> Iterator[bytes]:
        yield b"some of it"
        raise ValueError("within the answer")

    return Response(chunks())


@app.get("/error-within-length")
def error_within_length() -> Response:
    """An error after the first chunk of an announced length."""

    def chunks() -> Iterator[bytes]:
        yield b"some of it"
        raise ValueError("within the answer")

    return Response(chunks(), headers={"Content-Length": "100"})


@app.get("/abort/<int:status>")
def aborted(status: int) -> str:
    """One of Flask's own answers."""
    abort(status)


@app.route("/status/<int:status>", methods=["GET", "POST"])
def status_of(status: int) -> tuple[str, int]:
    """Any status, with a body where it may have one."""
    return ("" if status in {204, 304} else "body"), status


@app.get("/cookies")
def cookies() -> AnyResponse:
    """Cookies in, cookies out."""
    answer = make_response(json.dumps(request.cookies.to_dict(), sort_keys=True))
    answer.set_cookie("first", "1", httponly=True, samesite="Lax")
    # Without a time of its own, the cookie's end would be told by the clock.
    answer.set_cookie("second", "two words; and more", max_age=60, expires=2**31, path="/shop")
    answer.delete_cookie("third")
    return answer


@app.get("/session")
def signed_in() -> str:
    """A session that is read, and not changed."""
    return str(session.get("user"))


@app.get("/redirect")
def redirected() -> AnyResponse:
    """A redirect inside the application."""
    return redirect(url_for("echo", a="b c", ü="ß"))


@app.get("/redirect-external")
def redirected_external() -> AnyResponse:
    """A redirect by a whole URL."""
    return redirect(url_for("echo", _external=True), 307)


@app.get("/slash/")
def slash() -> str:
    """Reached by a redirect from the path without its slash."""
    return url_for("slash")


@app.get("/urls")
def urls() -> dict[str, str]:
    """What the request says of itself."""
    return {
        "url": request.url,
        "base": request.base_url,
        "root": request.url_root,
        "script": request.script_root,
        "full": request.full_path,
        "remote": str(request.remote_addr),
        "host": request.host,
        "secure": str(request.is_secure),
        "static": url_for("static", filename="ü b.css"),
    }


@app.get("/headers")
def headers() -> Response:
    """Headers that come twice, are empty, or are no ASCII."""
    answer = Response("headers")
    for name, value in [
        ("X-Twice", "1"),
        ("X-Twice", "2"),
        ("X-Empty", ""),
        ("X-Latin", "gr\xfcn"),
        ("Link", "</a>; rel=preload"),
        ("Link", "</b>; rel=preload"),
        ("Vary", "Accept"),
        ("X-Tab", "a\tb"),
    ]:
        answer.headers.add(name, value)
    return answer


@app.get("/file")
def file() -> AnyResponse:
    """A file: `wsgi.file_wrapper`, an ETag, ranges."""
    return flask_send_file(
        io.BytesIO(CONTENT), "application/octet-stream", etag="of-the-file", conditional=True
    )


# --- what Flask does not do ---------------------------------------------------------------------


def _write(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"written ")
    write(b"")
    return [b"and ", b"returned"]


def _replaced(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-First", "1")])
    try:
        raise ValueError("before the first byte")
    except ValueError:
        headers = [("Content-Type", "text/plain"), ("X-Second", "1")]
        start_response("503 Later", headers, sys.exc_info())
    return [b"replaced"]


def _replaced_while_iterating(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-First", "1")])
    yield b""
    try:
        raise ValueError("before the first byte")
    except ValueError:
        headers = [("Content-Type", "text/plain"), ("X-Second", "1")]
        start_response("503 Later", headers, sys.exc_info())
    yield b"replaced"


def _too_late(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-First", "1")])
    yield b"first"
    try:
        raise ValueError("after the first byte")
    except ValueError:
        headers = [("Content-Type", "text/plain"), ("X-Second", "1")]
        start_response("503 Later", headers, sys.exc_info())
    yield b"never"


def _fixed(body: Iterable[bytes], *headers: tuple[str, str], status: str = "200 OK") -> Any:
    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        typed = [] if status[:3] in {"204", "304"} else [("Content-Type", "text/plain")]
        start_response(status, [*typed, *headers])
        return body

    return application


def _no_start(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    return [b"no status"]


def _twice(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    start_response("200 OK", [])
    return [b"twice"]


def _raises(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    raise ValueError("before start_response")


def _wrapped(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](io.BytesIO(CONTENT), 1000)
    return wrapped


RAW: dict[str, Callable[..., Iterable[bytes]]] = {
    "write": _write,
    "replaced": _replaced,
    "replaced-while-iterating": _replaced_while_iterating,
    "too-late": _too_late,
    "no-start": _no_start,
    "twice": _twice,
    "raises": _raises,
    "wrapped": _wrapped,
    "list": _fixed([b"a", b"b"]),
    "tuple": _fixed((b"a", b"b")),
    "nothing": _fixed([]),
    "too-long": _fixed([b"abc", b"def"], ("Content-Length", "4")),
    "too-short": _fixed([b"ab"], ("Content-Length", "4")),
    "no-phrase": _fixed([b"x"], status="200"),
    "own-phrase": _fixed([b"x"], status="299 Of Our Own"),
    "hop-by-hop": _fixed([b"x"], ("Keep-Alive", "timeout=5"), ("X-Kept", "1")),
    "line-feed": _fixed([b"x"], ("X-A", "1\r\nX-B: 2")),
    "bodiless-204": _fixed([b"body"], status="204 No Content"),
    "bodiless-304": _fixed([b"body"], ("ETag", '"x"'), status="304 Not Modified"),
}


class _WithRaw:
    def __init__(self, flask_app: Callable[..., Iterable[bytes]]) -> None:
        self._flask_app = flask_app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        head, _, name = environ["PATH_INFO"].rpartition("/")
        if head == "/raw" and name in RAW:
            return RAW[name](environ, start_response)
        return self._flask_app(environ, start_response)


app.wsgi_app = _WithRaw(app.wsgi_app)  # type: ignore[method-assign]
