"""Answers of text, smaller on the wire and the same to read."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import brotli  # type: ignore[import-untyped]
import httpx
import pytest
import zstandard
from fastapi import FastAPI, Response
from fastapi.responses import FileResponse, StreamingResponse
from flask import Flask, send_file
from flask import Response as FlaskResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.gateway.edge.driving import MOUNTS, SECONDS, Answer, Front, both, front, service

ON = {"compression": True}
TEXT = "text " * 1000


def decoded(answer: Answer) -> str:
    """The body as a client reads it."""
    return httpx.Response(answer.status, headers=answer.headers, content=answer.body).text


async def get(gateway: Front, path: str, accept: str, **headers: str) -> Answer:
    return await gateway.get(path, Accept_Encoding=accept, **headers)


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("zstd, br, gzip", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("gzip;q=0, br;q=0.5", "br"),
        ("*", "zstd"),
        ("identity", None),
        ("deflate", None),
        ("gzip;q=0", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("mount", MOUNTS)
async def test_the_best_coding_that_the_client_takes_is_used(
    mount: str, accept: str, encoding: str | None
) -> None:
    """And none where it takes none; caches are told."""
    async with front(edge=ON) as gateway:
        answer = await get(gateway, f"{mount}/text", accept)
    assert answer.header("content-encoding") == encoding
    assert decoded(answer) == TEXT
    assert (len(answer.body) < 200) is (encoding is not None)
    assert "accept-encoding" in (answer.header("vary") or "").lower()
    if length := answer.header("content-length"):
        assert int(length) == len(answer.body)


async def test_a_mount_may_differ() -> None:
    """Off by default; on and off for one mount."""
    flask, _, fastapi = both()
    own = service(flask.app, "flask", "wsgi", compression=True)
    async with front(own, fastapi) as gateway:
        assert (await get(gateway, "/flask/text", "gzip")).header("content-encoding") == "gzip"
        assert (await get(gateway, "/fastapi/text", "gzip")).header("content-encoding") is None
    own = service(flask.app, "flask", "wsgi", compression=False)
    async with front(own, fastapi, edge=ON) as gateway:
        assert (await get(gateway, "/flask/text", "gzip")).header("content-encoding") is None
        assert (await get(gateway, "/fastapi/text", "gzip")).header("content-encoding") == "gzip"


def web(file: Path) -> Flask:
    app = Flask("web")

    @app.get("/file")
    def whole() -> FlaskResponse:
        return send_file(file, conditional=True)

    @app.get("/<int:status>")
    def empty(status: int) -> FlaskResponse:
        return FlaskResponse(status=status)

    @app.get("/encoded")
    def encoded() -> FlaskResponse:
        return FlaskResponse(b"x" * 5000, headers={"Content-Encoding": "br"}, mimetype="text/plain")

    @app.get("/image")
    def image() -> FlaskResponse:
        return FlaskResponse(b"x" * 5000, mimetype="image/png")

    @app.get("/small")
    def small() -> FlaskResponse:
        return FlaskResponse("x" * 1023, mimetype="text/plain")

    @app.get("/tagged")
    def tagged() -> FlaskResponse:
        return FlaskResponse(TEXT, mimetype="text/plain", headers={"ETag": '"strong"'})

    return app


def api(file: Path) -> FastAPI:
    app = FastAPI()

    @app.api_route("/file", methods=["GET", "HEAD"])
    async def whole() -> FileResponse:
        return FileResponse(file)

    @app.get("/encoded")
    async def encoded() -> Response:
        headers = {"Content-Encoding": "br"}
        return Response(b"x" * 5000, headers=headers, media_type="text/plain")

    @app.get("/image")
    async def image() -> Response:
        return Response(b"x" * 5000, media_type="image/png")

    @app.get("/small")
    async def small() -> Response:
        return Response("x" * 1023, media_type="text/plain")

    @app.get("/tagged")
    async def tagged() -> Response:
        return Response(TEXT, media_type="text/plain", headers={"ETag": '"strong"'})

    _add_texts(app)

    @app.get("/{status}")
    async def empty(status: int) -> Response:
        return Response(status_code=status)

    return app


def _add_texts(app: FastAPI) -> None:
    @app.get("/weak")
    async def weak() -> Response:
        return Response(TEXT, media_type="text/plain", headers={"ETag": 'W/"weak"'})

    @app.get("/pieces")
    async def pieces() -> StreamingResponse:
        async def several() -> AsyncIterator[str]:
            for _ in range(1000):
                yield "text "

        return StreamingResponse(several(), media_type="text/plain")


@pytest.fixture
def services(tmp_path: Path) -> list[Any]:
    file = tmp_path / "file.txt"
    file.write_text(TEXT)
    return [service(web(file), "flask", "wsgi"), service(api(file), "fastapi")]


STACKS = ["/flask", "/fastapi"]


@pytest.mark.parametrize("mount", STACKS)
@pytest.mark.parametrize(
    ("path", "encoding"), [("encoded", "br"), ("image", None), ("small", None)]
)
async def test_what_is_encoded_or_small_or_no_text_is_left_alone(
    services: list[Any], mount: str, path: str, encoding: str | None
) -> None:
    """Never twice, and never where there is nothing to win."""
    async with front(*services, edge=ON) as gateway:
        answer = await get(gateway, f"{mount}/{path}", "zstd, br, gzip")
    assert answer.header("content-encoding") == encoding
    assert set(answer.body) == {ord("x")}


async def test_a_stream_of_events_is_never_compressed() -> None:
    """Its pieces arrive as they are sent."""
    async with front(*both(), edge=ON) as gateway:
        task = asyncio.create_task(get(gateway, "/fastapi/events", "zstd, br, gzip"))
        await asyncio.sleep(0.1)
        gateway.health.stop()
        answer = await task
    assert answer.header("content-encoding") is None
    assert answer.body == b"data: " + b"x" * 2000 + b"\n\n"


@pytest.mark.parametrize("mount", STACKS)
@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_stays_without(
    services: list[Any], mount: str, status: int
) -> None:
    """No header speaks of a coding, and not a byte is added."""
    async with front(*services, edge=ON) as gateway:
        answer = await get(gateway, f"{mount}/{status}", "zstd, br, gzip")
    assert (answer.status, answer.body, answer.complete) == (status, b"", True)
    assert answer.header("content-encoding") is None


@pytest.mark.parametrize("mount", STACKS)
async def test_an_answer_to_head_stays_without_a_body(services: list[Any], mount: str) -> None:
    """Its length stays that of the plain answer."""
    async with front(*services, edge=ON) as gateway:
        answer = await gateway.ask("HEAD", f"{mount}/file", {"Accept-Encoding": "zstd, br, gzip"})
    assert (answer.status, answer.body, answer.complete) == (200, b"", True)
    assert answer.header("content-encoding") is None
    assert answer.header("content-length") == str(len(TEXT))


@pytest.mark.parametrize("mount", STACKS)
async def test_a_range_is_of_the_plain_answer(tmp_path: Path, mount: str) -> None:
    """Bytes are counted before any coding."""
    file = tmp_path / "file.txt"
    file.write_text(TEXT)
    both_stacks = [
        service(web(file), "flask", "wsgi", adapter="a2wsgi"),
        service(api(file), "fastapi"),
    ]
    async with front(*both_stacks, edge=ON) as gateway:
        answer = await get(gateway, f"{mount}/file", "zstd, br, gzip", Range="bytes=0-3999")
    assert (answer.status, answer.body) == (206, TEXT[:4000].encode())
    assert answer.header("content-encoding") is None
    assert answer.header("content-range") == "bytes 0-3999/5000"


@pytest.mark.parametrize("mount", STACKS)
async def test_a_compressed_answer_is_not_said_to_be_the_same_bytes(
    services: list[Any], mount: str
) -> None:
    """A strong entity tag becomes weak, so that no download is resumed in another coding."""
    async with front(*services, edge=ON) as gateway:
        assert (await get(gateway, f"{mount}/tagged", "gzip")).header("etag") == 'W/"strong"'
        assert (await get(gateway, f"{mount}/tagged", "identity")).header("etag") == '"strong"'
        file = await get(gateway, f"{mount}/file", "gzip")
        assert (file.header("etag") or "").startswith("W/")
        plain = await get(gateway, f"{mount}/file", "identity")
        assert (plain.header("etag") or "").startswith('"')
        assert (await get(gateway, "/fastapi/weak", "gzip")).header("etag") == 'W/"weak"'


@pytest.mark.parametrize("accept", ["zstd", "br", "gzip"])
async def test_what_comes_in_pieces_is_whole(services: list[Any], accept: str) -> None:
    """A stream of text is compressed as one."""
    async with front(*services, edge=ON) as gateway:
        answer = await get(gateway, "/fastapi/pieces", accept)
    assert answer.header("content-encoding") == accept
    assert answer.header("content-length") is None
    same = hashlib.sha256(decoded(answer).encode()).digest()
    assert same == hashlib.sha256(TEXT.encode()).digest()


DECODERS: dict[str, Callable[[], Callable[[bytes], bytes]]] = {
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
    "br": lambda: brotli.Decompressor().process,
    "gzip": lambda: zlib.decompressobj(31).decompress,
}


def slow_web(may_go_on: threading.Event, headers: dict[str, str]) -> Flask:
    app = Flask("slow")

    @app.get("/log")
    def log() -> FlaskResponse:
        def lines() -> Iterator[str]:
            yield "first\n"
            may_go_on.wait(SECONDS)
            yield "second\n"

        return FlaskResponse(lines(), mimetype="text/plain", headers=headers)

    return app


def slow_api(may_go_on: threading.Event, headers: dict[str, str]) -> FastAPI:
    app = FastAPI()

    @app.get("/log")
    async def log() -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            yield "first\n"
            await asyncio.to_thread(may_go_on.wait, SECONDS)
            yield "second\n"

        return StreamingResponse(lines(), media_type="text/plain", headers=headers)

    return app


def watching(app: ASGIApp, take: Callable[[Message], None]) -> Any:
    """The application, with each piece of its answers shown as it is sent."""

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_shown(message: Message) -> None:
            if message["type"] == "http.response.body":
                take(message)
            await send(message)

        await app(scope, receive, send_shown)

    return watched


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "13"}], ids=["chunked", "announced"])
@pytest.mark.parametrize("accept", list(DECODERS))
@pytest.mark.parametrize("stack", ["flask", "fastapi"])
async def test_a_piece_can_be_read_before_the_next_is_sent(
    stack: str, accept: str, headers: dict[str, str]
) -> None:
    """Nobody waits for a line of a log until there are enough of them to compress well."""
    may_go_on = threading.Event()
    slow = (
        service(slow_web(may_go_on, headers), "slow", "wsgi")
        if stack == "flask"
        else service(slow_api(may_go_on, headers), "slow")
    )
    decode, read = DECODERS[accept](), b""
    arrived = asyncio.Event()

    def take(message: Message) -> None:
        nonlocal read
        read += decode(message.get("body", b""))
        if read.endswith(b"\n"):
            arrived.set()

    async with front(slow, edge=ON) as gateway:
        watched = Front(watching(gateway.app, take), gateway.health)
        task = asyncio.create_task(get(watched, "/slow/log", accept))
        try:
            await asyncio.wait_for(arrived.wait(), 5)
            assert read == b"first\n"
        finally:
            may_go_on.set()
            answer = await task
    assert answer.header("content-encoding") == accept
    assert read == b"first\nsecond\n"


@pytest.mark.parametrize(
    ("value", "encoding"),
    [
        ("no-transform", None),
        ("public, max-age=60, No-Transform", None),
        ("no-transform,private", None),
        ("private", "gzip"),
        ('private="no-transform"', "gzip"),
    ],
)
@pytest.mark.parametrize("mount", STACKS)
async def test_what_is_not_to_be_changed_is_not(
    mount: str, value: str, encoding: str | None
) -> None:
    """`no-transform` (RFC 9110, section 7.7): the same bytes, the same length, the same tag."""
    headers = {"Cache-Control": value, "ETag": '"strong"'}
    flask, api = Flask("fixed"), FastAPI()

    @flask.get("/")
    def of_flask() -> FlaskResponse:
        return FlaskResponse(TEXT, mimetype="text/plain", headers=headers)

    @api.get("/")
    async def of_fastapi() -> Response:
        return Response(TEXT, media_type="text/plain", headers=headers)

    services = [service(flask, "flask", "wsgi"), service(api, "fastapi")]
    async with front(*services, edge=ON) as gateway:
        answer = await get(gateway, f"{mount}/", "gzip")
    assert answer.header("content-encoding") == encoding
    assert decoded(answer) == TEXT
    if encoding is None:
        assert answer.header("etag") == '"strong"'
        assert answer.header("content-length") == str(len(TEXT))


async def test_websockets_pass() -> None:
    """There is nothing to compress."""
    async with front(edge=ON) as gateway, gateway.websocket("/fastapi/ws") as client:
        assert (await client.next())["type"] == "websocket.accept"
