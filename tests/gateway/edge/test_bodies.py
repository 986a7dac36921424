"""Bodies that are too large or too slow, for services that read them in any way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.middleware.base import BaseHTTPMiddleware

from tests.gateway.edge.driving import MOUNTS, Answer, Front, front, service

LIMIT = 1000
SIZED = {"max_body_bytes": LIMIT}
SLOW = {"body_idle_seconds": 0.2, "body_timeout_seconds": 30.0}


def reads_directly(environ: Any, start_response: Any) -> list[bytes]:
    """A WSGI service that trusts the server with the end of the input."""
    size = len(environ["wsgi.input"].read())
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(size).encode()]


def swallows_directly(environ: Any, start_response: Any) -> list[bytes]:
    try:
        return reads_directly(environ, start_response)
    except Exception:  # noqa: BLE001
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"swallowed"]


def forms() -> FastAPI:
    """Reads in the ways that FastAPI has, of which some make other errors of any."""
    app = FastAPI()
    stubborn: list[str] = []
    app.state.stubborn = stubborn

    @app.post("/json")
    async def json(body: dict[str, Any]) -> int:
        return len(body)

    @app.post("/stream")
    async def stream(request: Request) -> int:
        return sum([len(piece) async for piece in request.stream()])

    @app.post("/stubborn")
    async def again(request: Request) -> str:
        for _ in range(3):
            try:
                await request.receive()
            except Exception as error:  # noqa: BLE001
                stubborn.append(type(error).__name__)
        return "read on"

    return app


def based() -> FastAPI:
    app = forms()

    async def passing(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=passing)
    return app


SERVICES = [
    service(reads_directly, "direct", "wsgi"),
    service(reads_directly, "direct-old", "wsgi", adapter="a2wsgi"),
    service(swallows_directly, "swallow", "wsgi"),
    service(swallows_directly, "swallow-old", "wsgi", adapter="a2wsgi"),
]
READERS = [
    "/direct/",
    "/direct-old/",
    "/swallow/",
    "/swallow-old/",
    "/forms/stream",
    "/based/stream",
]


async def post(
    gateway: Front, path: str, body: bytes | Sequence[bytes], *, stalls: bool = False, **more: str
) -> Answer:
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    return await gateway.ask("POST", path, headers, body, stalls=stalls)


def served() -> list[Any]:
    return [*SERVICES, service(forms(), "forms"), service(based(), "based")]


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize("way", ["/read", "/swallow"])
async def test_an_announced_body_is_judged_by_its_length(mount: str, way: str) -> None:
    """Exactly as large as allowed passes; one byte more gets 413 before it is sent."""
    async with front(mount=SIZED) as gateway:
        assert (await post(gateway, mount + way, b"x" * LIMIT)).status == 200
        refused = await gateway.ask(
            "POST", mount + way, {"content-length": str(LIMIT + 1)}, [], stalls=True
        )
        assert refused.status == 413
        assert refused.header("connection") == "close"
        assert refused.json["detail"] == "The body is larger than this service accepts."
        assert (await post(gateway, mount + way, b"x")).status == 200


@pytest.mark.parametrize("path", READERS)
async def test_what_arrives_is_counted_and_not_believed(path: str) -> None:
    """Chunked, just below and just above; a service that swallows the error cannot answer 200."""
    async with front(*served(), mount=SIZED) as gateway:
        below = await post(gateway, path, [b"x" * 500, b"x" * 500])
        assert (below.status, below.text) == (200, "1000")
        above = await post(gateway, path, [b"x" * 500, b"x" * 501], stalls=True)
        assert above.status == 413
        assert above.header("connection") == "close"
        assert (await post(gateway, path, [b"x"])).status == 200


@pytest.mark.parametrize("path", ["/flask/swallow", "/fastapi/swallow"])
@pytest.mark.parametrize(
    "pieces", [[b"x" * 500, b"x" * 501], [b"x"] * (LIMIT + 1), [b"", b"x" * 5000]]
)
async def test_a_service_that_swallows_the_error_cannot_answer(
    path: str, pieces: list[bytes]
) -> None:
    """The status is the gateway's in both stacks, however the body is cut."""
    async with front(mount=SIZED) as gateway:
        answer = await post(gateway, path, pieces)
    assert answer.status == 413
    assert b"swallowed" not in answer.body


@pytest.mark.parametrize("app", ["/forms", "/based"])
async def test_an_error_of_a_parser_stays_a_413(app: str) -> None:
    """FastAPI makes "cannot be parsed" of what its parsers raise; the client learns the truth."""
    async with front(*served(), mount=SIZED) as gateway:
        pieces = [b'{"a":"', b"x" * LIMIT]
        answer = await post(gateway, f"{app}/json", pieces, content_type="application/json")
    assert answer.status == 413


async def test_a_service_that_reads_on_is_refused_again() -> None:
    """It gets no more of the body, and its answer is not sent."""
    api = forms()
    async with front(service(api, "forms"), mount=SIZED) as gateway:
        answer = await post(gateway, "/forms/stubborn", [b"x" * 1001, b"x", b"x"])
    assert answer.status == 413
    assert api.state.stubborn == ["BodyTooLarge"] * 3


@pytest.mark.parametrize("length", ["9" * 19, "9" * 5000])
@pytest.mark.parametrize("mount", ["/old", "/fastapi"])
async def test_a_length_beyond_numbers_is_too_large(mount: str, length: str) -> None:
    """Where no connection has looked at it before."""
    async with front(mount=SIZED) as gateway:
        headers = {"content-length": length}
        assert (await gateway.ask("POST", f"{mount}/read", headers, [])).status == 413


@pytest.mark.parametrize("mount", MOUNTS)
async def test_zeros_make_no_length_larger_or_smaller(mount: str) -> None:
    """One rule for what each of the adapters serves."""
    async with front(mount=SIZED) as gateway:
        for length, status in (("1000", 200), ("1001", 413)):
            headers = {"content-length": "0" * 40 + length}
            body = [b"x" * 1000] if status == 200 else []
            assert (await gateway.ask("POST", f"{mount}/read", headers, body)).status == status


async def test_no_limit_is_no_limit() -> None:
    """0 stands for none."""
    async with front(*served(), mount={"max_body_bytes": 0}) as gateway:
        for path in READERS:
            assert (await post(gateway, path, [b"x" * 70_000] * 3)).text == "210000"


@pytest.mark.parametrize("path", READERS)
async def test_a_body_that_stalls_gets_408(path: str) -> None:
    """Between two pieces there is only so much time, whoever reads."""
    async with front(*served(), mount=SLOW) as gateway:
        answer = await post(gateway, path, [b"x"], stalls=True)
        assert answer.status == 408
        assert answer.header("connection") == "close"
        assert answer.json["detail"] == "The body did not arrive in time."
        assert (await post(gateway, path, [b"x", b"y"])).text == "2"


@pytest.mark.parametrize("path", READERS)
async def test_a_body_that_takes_too_long_in_all_gets_408(path: str) -> None:
    """Also where it never stalls."""
    slow = {"body_idle_seconds": 10.0, "body_timeout_seconds": 0.3}
    async with front(*served(), mount=slow) as gateway:
        answer = await post(gateway, path, [b"x"], stalls=True)
    assert answer.status == 408


@pytest.mark.parametrize("mount", ["/flask", "/fastapi"])
async def test_a_service_that_swallows_the_stall_cannot_answer(mount: str) -> None:
    """As with size."""
    async with front(mount=SLOW) as gateway:
        answer = await post(gateway, f"{mount}/swallow", [b"x"], stalls=True)
    assert answer.status == 408


async def test_a_request_without_a_body_is_not_watched() -> None:
    """Waiting for the client's departure is no upload."""
    app = FastAPI()

    @app.get("/")
    async def wait(request: Request) -> bool:
        import asyncio

        await asyncio.sleep(0.5)
        return await request.is_disconnected()

    async with front(service(app, "api"), mount=SLOW) as gateway:
        assert (await gateway.get("/api/")).text == "false"
