"""`wsgiref.validate` between the bridge and real applications: it finds nothing."""

from __future__ import annotations

import gc
import io
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.validate import WSGIWarning, validator

import pytest

from gateway.bridge import Bridge
from gateway.bridge.responder import ShortAnswer
from services import flask_service
from services.catalog.database import DEMO_NAME, DEMO_PASSWORD
from services.catalog.settings import CatalogSettings
from tests.bridge.differential_app import app as differential
from tests.bridge.differential_requests import REQUESTS
from tests.bridge.driver import Answer, ask
from tests.bridge.machines import bridged

WSGIApp = Callable[..., Iterable[bytes]]
# What the validator holds against the application itself: it is broken on purpose; Flask gives a
# content type with 204; the validator allows no tab in a header and knows eight methods.
THEIRS = {
    "headers",
    "method of nobody",
    "status 204",
    "status 204 to POST",
    "raw no-start",
    "raw twice",
    "raw no-phrase",
    "raw line-feed",
}
# These raise, on purpose.
BROKEN = {"error within", "error within a length", "raw raises", "raw too-late", "raw too-short"}
BUFFERINGS = ["spool", "stream"]


class _Raw(io.RawIOBase):
    """Reads with a size only: the validator allows nothing else, and Flask does not keep to it."""

    def __init__(self, file: Any) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data: bytes = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def checked(app: WSGIApp) -> WSGIApp:
    """The application behind the validator."""

    def sized(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        raw = _Raw(environ["wsgi.input"])
        environ["wsgi.input"] = io.BufferedReader(raw)
        return app(environ, start_response)

    checked: WSGIApp = validator(sized)
    return checked


@contextmanager
def finding_nothing(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """What the validator cannot raise, as an iterable that is not closed, it writes."""
    yield
    gc.collect()
    assert "garbage collected" not in capsys.readouterr().err


def _options(name: str) -> dict[str, Any]:
    raw = REQUESTS[name]
    path, _, query = raw.target.partition(b"?")
    headers = [header.split(b": ", 1) for header in raw.headers if b": " in header]
    pairs = [(key.lower(), value) for key, value in headers]
    body = [raw.body] if raw.body else []
    if (b"transfer-encoding", b"chunked") in pairs:
        body = re.findall(rb"[0-9a-f]+(?:;[^\r]*)?\r\n(.+?)\r\n(?=[0-9a-f]+)", raw.body, re.DOTALL)
    return {
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query": query,
        "method": raw.method.decode(),
        "headers": pairs,
        "body": body,
    }


@pytest.mark.parametrize("name", sorted(set(REQUESTS) - THEIRS))
async def test_the_differential_application(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All that the comparison with Gunicorn asks is asked as PEP 3333 says."""
    with finding_nothing(capsys):
        for prefix, buffering in itertools.product(["", "/shop"], BUFFERINGS):
            async with bridged(checked(differential), threads=2, buffering=buffering) as bridge:
                await _ask_and_find_nothing(bridge, name, prefix)


@pytest.mark.parametrize("name", sorted(THEIRS))
async def test_what_is_left_out_is_found(name: str) -> None:
    """An exception that is no longer needed goes."""
    async with bridged(checked(differential)) as bridge:
        with pytest.raises((AssertionError, WSGIWarning)):
            await _ask(bridge, name, "")


async def _ask(bridge: Bridge, name: str, prefix: str) -> Answer:
    options = _options(name)
    path = prefix + options.pop("path")
    options["raw_path"] = prefix.encode() + options["raw_path"]
    return await ask(bridge, path, root_path=prefix, **options)


async def _ask_and_find_nothing(bridge: Bridge, name: str, prefix: str) -> None:
    try:
        answer = await _ask(bridge, name, prefix)
    except AssertionError as error:
        pytest.fail(f"the validator found: {error}")
    except (ValueError, ShortAnswer):
        assert name in BROKEN
    else:
        assert answer.status
        assert name not in BROKEN


@pytest.mark.parametrize("buffering", BUFFERINGS)
async def test_the_flask_reference_service(
    tmp_path: Path, buffering: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pages, forms, JSON, sessions, errors, a stream: the service as its users use it."""
    settings = CatalogSettings(database_url=f"sqlite:///{tmp_path}/catalog.db")
    app = flask_service.create_app(settings)
    statuses: dict[str, int] = {}
    cookie: list[tuple[bytes, bytes]] = []

    async def of(path: str, body: bytes = b"", *headers: tuple[bytes, bytes], **more: Any) -> bytes:
        method = more.get("method", "POST" if body else "GET")
        answer = await ask(
            bridge,
            f"/flask{path}",
            [body] if body else [],
            method=method,
            headers=[*cookie, *headers],
            query=more.get("query", b""),
            root_path="/flask",
        )
        statuses[f"{method} {path}"] = answer.status
        if value := answer.header(b"set-cookie"):
            cookie[:] = [(b"cookie", value.split(b";")[0])]
        return answer.body

    html = (b"accept", b"text/html")
    form = (b"content-type", b"application/x-www-form-urlencoded")
    as_json = (b"content-type", b"application/json")
    with finding_nothing(capsys):
        async with bridged(checked(app), threads=2, buffering=buffering) as bridge:
            try:
                for path in ("/", "/hello", "/login", "/items", "/items/new", "/nope"):
                    await of(path, b"", html)
                credentials = f"username={DEMO_NAME}&password={DEMO_PASSWORD}"
                await of("/login", credentials.encode(), form)
                assert DEMO_NAME.encode() in await of("/me")
                item = json.dumps({"name": "Lamp", "price": "12.50"}).encode()
                created = json.loads(await of("/items", item, as_json))
                assert isinstance(created, dict)
                await of("/items", b"{", as_json, method="POST")
                number = created.get("id", 1)
                for method in ("GET", "HEAD", "PUT", "OPTIONS", "DELETE"):
                    body = item if method == "PUT" else b""
                    await of(f"/items/{number}", body, as_json, method=method)
                await of("/items", query=b"limit=2&search=%C3%BC")
                await of("/report")
                assert b"," in await of("/export.csv")
                await of("/static/style.css")
                later = (b"if-modified-since", b"Fri, 01 Jan 2100 00:00:00 GMT")
                await of("/static/style.css", b"", later)
                await of("/logout", method="POST")
            finally:
                app.extensions["catalog"].close()
    assert statuses["GET /me"] == statuses["GET /export.csv"] == statuses["GET /"] == 200
    assert statuses["GET /nope"] == 404
    assert statuses["GET /static/style.css"] == 304
    assert statuses[f"DELETE /items/{number}"] == statuses["POST /logout"] == 204
    assert not [where for where, status in statuses.items() if status >= 500], statuses
