"""Two services that answer alike, and a gateway that switches between them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from gateway.switch.evidence.store import Store
from gateway.switch.records import Period, Tally
from tests.gateway.projects import write_project
from tests.live.serving import Gateway, serving

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

# Every route is under a first segment, so that a rule can give each of them any mode.
MODULE = """
    import asyncio, os, time
    from collections import Counter
    from fastapi import FastAPI, Request, Response
    from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse
    from flask import Flask, Response as FlaskResponse, jsonify, redirect, request, url_for

    METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    old = Flask(__name__)
    new = FastAPI()
    calls = {"old": Counter(), "new": Counter()}

    @old.before_request
    def count():
        shadow = " shadow" if request.environ.get("gateway.shadow") else ""
        calls["old"][f"{request.method} {request.path}{shadow}"] += 1

    class Counting:
        def __init__(self, app):
            self.app = app
        async def __call__(self, scope, receive, send):
            if scope["type"] == "http":
                path = scope["path"].removeprefix(scope["root_path"])
                shadow = " shadow" if scope.get("gateway.shadow") else ""
                calls["new"][f"{scope['method']} {path}{shadow}"] += 1
                seen = b" ".join(sorted(name for name, _ in scope["headers"]))
            async def marked(message):
                if message["type"] == "http.response.start":
                    message["headers"] += [(b"x-stack", b"new"), (b"x-seen", seen)]
                await send(message)
            await self.app(scope, receive, marked)

    new.add_middleware(Counting)

    @old.after_request
    def mark(response):
        response.headers["X-Stack"] = "old"
        response.headers["X-Seen"] = " ".join(sorted(name.lower() for name, _ in request.headers))
        return response

    @old.get("/calls")
    def old_calls():
        return jsonify(calls)

    @old.route("/<mode>/echo", methods=METHODS)
    def old_echo(mode):
        return jsonify(method=request.method, body=request.get_data(as_text=True),
                       query=request.query_string.decode())

    @new.api_route("/{mode}/echo", methods=METHODS)
    async def new_echo(mode, request: Request):
        body = (await request.body()).decode()
        return {"method": request.method, "body": body, "query": request.url.query}

    @old.get("/<mode>/stream")
    def old_stream(mode):
        def pieces():
            for number in range(3):
                yield f"piece {number} "
                time.sleep(0.2)
        return FlaskResponse(pieces(), mimetype="text/plain")

    @new.get("/{mode}/stream")
    async def new_stream(mode):
        async def pieces():
            for number in range(3):
                yield f"piece {number} "
                await asyncio.sleep(0.2)
        return StreamingResponse(pieces(), media_type="text/plain")

    @old.get("/<mode>/away")
    def old_away(mode):
        return redirect(url_for("old_echo", mode=mode))

    @new.get("/{mode}/away")
    async def new_away(mode, request: Request):
        return RedirectResponse(request.url_for("new_echo", mode=mode).path, 302)

    @old.get("/<mode>/cookie")
    def old_cookie(mode):
        response = jsonify(cookie=True)
        response.set_cookie("from", "old")
        return response

    @new.get("/{mode}/cookie")
    async def new_cookie(mode, response: Response):
        response.set_cookie("from", "new")
        return {"cookie": True}

    @old.route("/<mode>/bad", methods=["GET", "POST"])
    def old_bad(mode):
        return jsonify(bad=False)

    @new.api_route("/{mode}/bad", methods=["GET", "POST"])
    async def new_bad(mode):
        raise RuntimeError("the candidate is bad")

    @old.route("/<mode>/down", methods=["GET", "POST"])
    def old_down(mode):
        return jsonify(down=False)

    @new.api_route("/{mode}/down", methods=["GET", "POST"])
    async def new_down(mode):
        return JSONResponse({"down": True}, 503)

    @old.get("/<mode>/broken")
    def old_broken(mode):
        return "whole"

    @new.get("/{mode}/broken")
    async def new_broken(mode):
        async def pieces():
            yield "half"
            raise RuntimeError("in the middle")
        return StreamingResponse(pieces(), media_type="text/plain")

    @old.route("/<mode>/slow", methods=["GET", "POST"])
    def old_slow(mode):
        time.sleep(float(request.args.get("old", "0")))
        return jsonify(slow=True)

    @new.api_route("/{mode}/slow", methods=["GET", "POST"])
    async def new_slow(mode, new: float = 0):
        await asyncio.sleep(new)
        return {"slow": True}

    @old.get("/<mode>/differs")
    def old_differs(mode):
        return jsonify(price="1.10", stack="old")

    @new.get("/{mode}/differs")
    async def new_differs(mode):
        return {"price": 1.1, "stack": "new"}

    @old.get("/<mode>/large")
    def old_large(mode):
        return FlaskResponse(b"x" * 2_000_000, mimetype="text/plain")

    @new.get("/{mode}/large")
    async def new_large(mode):
        return Response(b"x" * 2_000_000, media_type="text/plain")

    @old.get("/<mode>/only")
    def only(mode):
        return jsonify(only=True)
"""

# One first segment for each mode; `never` is a canary that hardly anybody is in.
TOML = """
    [server]
    drain_seconds = 3.0
    [switch]
    noise_percent = 0.0
    # All of them.
    shadows_per_second = 100000.0
    {switch}
    [[mounts]]
    name = "old"
    app = "services_:old"
    [[mounts]]
    name = "new"
    app = "services_:new"
    response_timeout_seconds = 0.6
    [[mounts]]
    name = "shop"
    prefix = "/shop"
    switch = {{ legacy = "old", candidate = "new" }}
    [[mounts.rules]]
    path = "/legacy/{{rest:path}}"
    mode = "legacy"
    [[mounts.rules]]
    path = "/shadow/{{rest:path}}"
    mode = "shadow"
    [[mounts.rules]]
    path = "/canary/{{rest:path}}"
    mode = "canary"
    percent = 100
    [[mounts.rules]]
    path = "/never/{{rest:path}}"
    mode = "canary"
    percent = 0.000001
    [[mounts.rules]]
    path = "/half/{{rest:path}}"
    mode = "canary"
    percent = 50
    [[mounts.rules]]
    path = "/candidate/{{rest:path}}"
    mode = "candidate"
    automatic_return = false
    [[mounts.rules]]
    path = "/both/{{rest:path}}"
    mode = "candidate-shadow"
    automatic_return = false
"""
NAME = "shop"


@contextmanager
def switching(
    folder: Path, *arguments: str, switch: str = "", env: Mapping[str, str] | None = None
) -> Iterator[Gateway]:
    """A gateway with the switch at `/shop`; its database is `switch.db` in the folder."""
    write_project(folder, TOML.format(switch=switch), {"services_": MODULE})
    with serving(*arguments, cwd=folder, env=env) as gateway:
        yield gateway


class Calls:
    """How often each service was called for each request, since the last look."""

    def __init__(self, gateway: Gateway) -> None:
        self._url = f"{gateway.url}/{NAME}/calls"
        self._before = self._all()

    def _all(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = httpx.get(self._url).json()
        return found

    def __call__(self) -> dict[str, int]:
        """By service, method and path: `old GET /shadow/echo`; shadows say so at the end."""
        now = self._all()
        return {
            f"{service} {call}": number - self._before[service].get(call, 0)
            for service, counts in now.items()
            for call, number in counts.items()
            if number != self._before[service].get(call, 0) and "/calls" not in call
        }

    def settled(self, seconds: float = 0.25) -> dict[str, int]:
        """What they are when nothing more comes for a while."""
        last, at = self(), time.monotonic()
        while time.monotonic() - at < seconds:
            time.sleep(0.05)
            if (now := self()) != last:
                last, at = now, time.monotonic()
        return last


def evidence(folder: Path) -> dict[Period, Tally]:
    """What the store has of the switch."""
    store = Store(f"sqlite:///{folder / 'switch.db'}")
    try:
        return store.evidence(NAME)
    finally:
        store.close()


def counted(folder: Path, route: str) -> dict[str, int]:
    """The counts of one route, over all periods, latencies aside."""
    counts: dict[str, int] = {}
    for period, tally in evidence(folder).items():
        if period.route == route:
            for name, number in tally.counts.items():
                if not name.startswith(("latency", "paired")):
                    counts[name] = counts.get(name, 0) + number
    return counts
