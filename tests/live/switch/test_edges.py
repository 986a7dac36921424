"""What happens at the edges of a fallback, a shadow and a canary."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.gateway.projects import write_project
from tests.live.serving import Gateway, serving, wait_until
from tests.live.switch.services import evidence

MODULE = """
    import asyncio, contextvars, time
    from contextlib import asynccontextmanager
    from fastapi import FastAPI, Request
    from fastapi.responses import StreamingResponse
    from flask import Flask, jsonify, request

    calls = []
    whose = contextvars.ContextVar("whose", default="nobody")
    old = Flask(__name__)

    @asynccontextmanager
    async def lifespan(app):
        yield
        app.state.stopped = True
        await asyncio.sleep(0.5)

    new = FastAPI(lifespan=lifespan)
    new.state.stopped = False

    @old.get("/calls")
    def old_calls():
        return jsonify(calls)

    @old.get("/<name>/<int:number>")
    @old.get("/<name>")
    def anything(name, number=0):
        calls.append(f"old {name}")
        return jsonify(name=name)

    @old.post("/<name>")
    def posted(name):
        return jsonify(size=len(request.get_data()))

    @old.get("/reset/<token>")
    def reset(token):
        return jsonify(by="old")

    @new.get("/reset/{token}")
    async def new_reset(token: str):
        return {"by": "new"}

    @new.get("/leaves")
    async def leaves(request: Request):
        calls.append("new leaves")
        while not await request.is_disconnected():
            await asyncio.sleep(0.02)
        raise RuntimeError("nobody is there any more")

    @new.get("/endless")
    async def endless():
        async def pieces():
            while True:
                yield b"x" * 1000
        return StreamingResponse(pieces(), 503)

    @new.get("/race/{number}")
    async def race(number: int):
        # The deadline passes while nobody looks, and is told of a step or two later.
        time.sleep(0.7)
        for _ in range(number):
            await asyncio.sleep(0)
        raise RuntimeError("as late as it can be")

    @new.post("/upload")
    async def upload(request: Request):
        return {"size": len(await request.body())}

    @new.get("/slow")
    async def slow():
        await asyncio.sleep(0.3)
        if new.state.stopped:
            raise RuntimeError("it was stopped before")
        return {"name": "slow"}

    @old.get("/tag")
    def tag():
        response = jsonify(name="tag")
        response.set_etag("one")
        return response.make_conditional(request)

    @new.get("/tag")
    async def new_tag():
        return {"name": "tag"}

    @new.get("/share")
    async def share():
        return {"name": "share"}
"""
TOML = """
    [server]
    drain_seconds = 6.0
    [switch]
    noise_percent = 0.0
    # All of them.
    shadows_per_second = 100000.0
    [[mounts]]
    name = "old"
    app = "services_:old"
    [[mounts]]
    name = "new"
    app = "services_:new"
    response_timeout_seconds = 0.5
    body_idle_seconds = 0.4
    [[mounts]]
    name = "shop"
    prefix = "/shop"
    switch = { legacy = "old", candidate = "new" }
    [[mounts.rules]]
    path = "/{rest:path}"
    mode = "candidate"
    [[mounts.rules]]
    path = "/slow"
    mode = "shadow"
    [[mounts.rules]]
    path = "/tag"
    mode = "shadow"
    [[mounts.rules]]
    path = "/reset/{rest:path}"
    mode = "shadow"
    [[mounts.rules]]
    path = "/share"
    mode = "canary"
    percent = 50
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("edges")


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    write_project(folder, TOML, {"services_": MODULE})
    with serving(cwd=folder) as gateway:
        yield gateway


def counts(folder: Path, route: str) -> dict[str, int]:
    """Of a route, or of a rule."""
    found: dict[str, int] = {}
    for period, tally in evidence(folder).items():
        for name, number in tally.counts.items() if route in period else ():
            found[name] = found.get(name, 0) + number
    return found


def raw(gateway: Gateway, request: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", int(gateway.url.rpartition(":")[2])), 10)
    client.sendall(request)
    return client


def test_nobody_is_asked_in_place_of_a_candidate_whose_client_left(
    gateway: Gateway, folder: Path
) -> None:
    """And it is no failure of the candidate's."""
    client = raw(gateway, b"GET /shop/leaves HTTP/1.1\r\nHost: localhost\r\n\r\n")
    wait_until(lambda: "new leaves" in httpx.get(f"{gateway.url}/shop/calls").json())
    client.close()
    wait_until(lambda: "served candidate left" in counts(folder, "GET /leaves"))
    assert "old leaves" not in httpx.get(f"{gateway.url}/shop/calls").json()
    assert not any(name.startswith("fallback") for name in counts(folder, "GET /leaves"))


def test_a_server_error_that_never_ends_is_stopped(gateway: Gateway) -> None:
    """The legacy service answers, and others are served meanwhile."""
    answer = httpx.get(f"{gateway.url}/shop/endless")
    assert (answer.status_code, answer.json()) == (200, {"name": "endless"})
    assert httpx.get(f"{gateway.url}/shop/calls").status_code == 200


@pytest.mark.parametrize("steps", range(5))
def test_a_deadline_that_comes_late_does_not_hit_the_legacy_service(
    gateway: Gateway, steps: int
) -> None:
    """It was for the candidate."""
    answer = httpx.get(f"{gateway.url}/shop/race/{steps}")
    assert (answer.status_code, answer.json()) == (200, {"name": "race"})


def test_an_upload_that_stalls_is_the_client_s_fault(gateway: Gateway, folder: Path) -> None:
    """It gets its 408, and counts as such."""
    head = b"POST /shop/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"
    with raw(gateway, head) as client:
        assert client.recv(4096).startswith(b"HTTP/1.1 408 ")
    wait_until(lambda: "served candidate 4xx" in counts(folder, "POST /upload"))
    assert "served candidate timeout" not in counts(folder, "POST /upload")


def test_an_answer_that_says_nothing_is_new_is_not_compared(gateway: Gateway, folder: Path) -> None:
    """The other service may have other validators."""
    url = f"{gateway.url}/shop/tag"
    plain = httpx.get(url)
    again = httpx.get(url, headers={"If-None-Match": plain.headers["etag"]})
    assert again.status_code == 304
    other = httpx.get(url, headers={"If-None-Match": '"another"'})
    assert other.status_code == 200
    wait_until(lambda: counts(folder, "GET /tag").get("uncompared a conditional request") == 1)
    wait_until(lambda: counts(folder, "GET /tag").get("shadow match") == 2)


def test_a_secret_in_a_path_is_not_stored(gateway: Gateway, folder: Path) -> None:
    """By the names of the service's own template, whatever the rule calls it."""
    httpx.get(f"{gateway.url}/shop/reset/Secret-Of-The-Path")
    wait_until(lambda: counts(folder, "GET /reset/{}").get("shadow mismatch") == 1)
    stored = [tally.findings for period, tally in evidence(folder).items()]
    assert "Secret-Of-The-Path" not in str(stored)
    assert "/shop/reset/" in str(stored)


def test_a_canary_is_sticky_with_several_cookie_lines_and_says_so_to_caches(
    gateway: Gateway,
) -> None:
    """A shared cache must not hand one user's answer to another."""
    first = httpx.get(f"{gateway.url}/shop/share")
    cookie = first.headers["set-cookie"].partition(";")[0]
    assert {"Cookie", "X-API-Key"} <= set(first.headers["vary"].split(", "))
    lines = [("Cookie", cookie), ("Cookie", "other=1")]
    for _ in range(5):
        answer = httpx.get(f"{gateway.url}/shop/share", headers=lines)
        assert "set-cookie" not in answer.headers


async def test_a_stop_under_shadows_charges_nothing_to_the_candidate(tmp_path: Path) -> None:
    """They are dropped and counted, and the process ends without a word of error."""
    write_project(tmp_path, TOML, {"services_": MODULE})
    with serving(cwd=tmp_path) as gateway:
        async with httpx.AsyncClient() as client:
            url = f"{gateway.url}/shop/slow"
            answers = await asyncio.gather(*(client.get(url) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        await asyncio.sleep(0.1)
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(10) == 0
        output = gateway.output
    assert "Traceback" not in output
    found = counts(tmp_path, "* /slow")
    assert found["served legacy 2xx"] == 20
    assert "shadow error" not in found
    outcomes = [n for name, n in found.items() if name.startswith(("shadow ", "dropped "))]
    assert sum(outcomes) == 20
    assert found["dropped draining"] > 0
