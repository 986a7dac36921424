"""The assembled gateway, in process: that every setting reaches what it sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Message

from gateway.app import Gateway, create_app
from gateway.config import read
from gateway.health import Health
from gateway.loading import load_services
from gateway.sessions import SessionCookie
from tests.gateway.asgi import client_of, running
from tests.gateway.projects import write_project

pytestmark = pytest.mark.usefixtures("forget_imports")

KEY = "0123456789abcdef0123"
MODULE = f"""
    from fastapi import FastAPI, Request, WebSocket
    from flask import Flask, session

    web = Flask(__name__)
    web.secret_key = "{KEY}"

    @web.get("/")
    def index():
        return "web"

    api = FastAPI()

    @api.get("/")
    async def root(request: Request):
        return {{"url": str(request.url), "session": dict(request.scope.get("session", {{}}))}}

    @api.post("/")
    async def write():
        return "written"

    @api.websocket("/ws")
    async def ws(websocket: WebSocket):
        await websocket.accept()
        await websocket.send_json(dict(websocket.session))
        await websocket.close()
"""
TOML = """
    {top}
    [[mounts]]
    name = "web"
    prefix = "/"
    app = "assembled_:web"
    [[mounts]]
    name = "api"
    prefix = "/api"
    app = "assembled_:api"
    {more}
"""
PRODUCTION = {"GATEWAY_ADMIN__TOKEN": "0123456789abcdef", "GATEWAY_ENVIRONMENT": "production"}


def gateway(
    folder: Path, top: str = "", more: str = "", environ: dict[str, str] | None = None
) -> Gateway:
    file = write_project(folder, TOML.format(top=top, more=more), {"assembled_": MODULE})
    configuration = read(file, environ=environ or {})
    services = load_services(configuration)
    return create_app(configuration.checked(), services, Health())


async def test_the_admin_endpoints_come_before_mounts_at_the_root(tmp_path: Path) -> None:
    """A mount at `/`, for every host or for one, does not swallow them."""
    async with client_of(gateway(tmp_path, more='host = "api.test"')) as http:
        for host in ("any.test", "api.test"):
            answer = await http.get("/_gateway/livez", headers={"host": host})
            assert answer.json() == {"status": "ok"}


async def test_the_admin_prefix_is_the_configured_one(tmp_path: Path) -> None:
    """Moved, it answers there, and its old place belongs to the mounts."""
    async with client_of(gateway(tmp_path, '[admin]\nprefix = "/ops"')) as http:
        assert (await http.get("/ops/readyz")).status_code == 200
        assert (await http.get("/_gateway/readyz")).status_code == 404
        local = {"Host": "localhost"}
        answer = await http.get("/ops/nothing", headers=local)
        assert answer.json()["detail"].startswith("The gateway has no")


@pytest.mark.parametrize(("environ", "links"), [({}, True), (PRODUCTION, False)])
async def test_only_developers_are_told_what_is_mounted(
    tmp_path: Path, environ: dict[str, str], links: bool
) -> None:
    """In production a stranger learns nothing from a path that is not there."""
    toml = TOML.format(top="", more="").replace('prefix = "/"', 'prefix = "/web"')
    file = write_project(tmp_path, toml, {"assembled_": MODULE})
    configuration = read(file, environ=environ)
    app = create_app(configuration.checked(), load_services(configuration), Health())
    async with client_of(app) as http:
        assert ("links" in (await http.get("/nope")).json()) is links


async def test_trusted_origins_are_trusted(tmp_path: Path) -> None:
    """The setting reaches the rule."""
    top = '[edge]\ntrusted_origins = ["https://app.example"]'
    async with client_of(gateway(tmp_path, top)) as http:
        for origin, status in (("https://app.example", 200), ("https://evil.example", 403)):
            headers = {"origin": origin, "sec-fetch-site": "cross-site"}
            assert (await http.post("/api/", headers=headers)).status_code == status


@pytest.mark.parametrize(("top", "seen"), [("", {"user": 1}), ("[session]\nshared = false", {})])
async def test_the_session_is_shared_or_not(tmp_path: Path, top: str, seen: dict[str, int]) -> None:
    """ASGI services get Flask's session, unless the setting says otherwise."""
    value = SessionCookie.from_keys(KEY, [], "session").serializer.dumps({"user": 1})
    async with client_of(gateway(tmp_path, top)) as http:
        answer = await http.get("/api/", headers={"cookie": f"session={value}"})
    assert answer.json()["session"] == seen


async def test_a_websocket_has_the_session(tmp_path: Path) -> None:
    """Who is signed in is signed in there, too."""
    value = str(SessionCookie.from_keys(KEY, [], "session").serializer.dumps({"user": 1}))
    sent: list[Message] = []
    incoming: list[dict[str, Any]] = [
        {"type": "websocket.disconnect", "code": 1000},
        {"type": "websocket.connect"},
    ]

    async def receive() -> Message:
        return incoming.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    app = gateway(tmp_path)
    headers = [(b"host", b"x"), (b"cookie", f"session={value}".encode())]
    scope = {"type": "websocket", "path": "/api/ws", "query_string": b"", "headers": headers}
    async with running(app):
        await app(scope, receive, send)
    assert sent[1]["text"] == '{"user":1}'


async def test_a_root_path_of_the_server_comes_before_the_prefixes(tmp_path: Path) -> None:
    """Mounted somewhere itself, the gateway serves the same, and URLs say where."""
    app = gateway(tmp_path)
    transport = httpx.ASGITransport(app, root_path="/outer")
    async with running(app), httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        assert (await http.get("/outer/api/")).json()["url"] == "http://x/outer/api/"
        assert (await http.get("/outer/")).text == "web"


async def test_every_service_is_named_by_readyz(tmp_path: Path) -> None:
    """WSGI and ASGI mounts are ready or not alike."""
    async with client_of(gateway(tmp_path)) as http:
        services = (await http.get("/_gateway/readyz")).json()["services"]
    assert services == {"web": "ok", "api": "ok"}
