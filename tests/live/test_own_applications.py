"""The main job: a team hosts its own Flask and FastAPI applications by editing one TOML file."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.gateway.projects import write_project
from tests.live.serving import Gateway, serving

SHOP = """
    from flask import Flask, abort, redirect, request, session, url_for

    def create_app():
        app = Flask(__name__)
        app.secret_key = "a-secret-of-the-shop"

        @app.get("/")
        def index():
            return "the shop"

        @app.get("/go")
        def go():
            return redirect(url_for("index", _external=True))

        @app.route("/echo", methods=["POST"])
        def echo():
            return request.get_data(), {"Content-Type": "application/octet-stream"}

        @app.get("/stream")
        def stream():
            return (f"line {n}\\n" for n in range(1000))

        @app.get("/sign-in")
        def sign_in():
            session["user"] = "ada"
            return ""

        @app.errorhandler(404)
        def not_found(error):
            return "the shop has no such page", 404

        return app
"""

API = """
    from contextlib import asynccontextmanager
    from fastapi import FastAPI, Request, WebSocket

    @asynccontextmanager
    async def lifespan(app):
        yield {"pool": "open"}

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def root(request: Request):
        return {"pool": request.state.pool, "url": str(request.url_for("root"))}

    @app.get("/me")
    async def me(request: Request):
        return {"user": request.session.get("user")}

    @app.websocket("/ws")
    async def ws(websocket: WebSocket):
        await websocket.accept()
        await websocket.send_text("from " + websocket.scope["root_path"])
        await websocket.close()
"""

TOML = """
    [[mounts]]
    name = "shop"
    prefix = "/flask"
    app = "shop:create_app"
    factory = true

    [[mounts]]
    name = "api"
    prefix = "/fastapi"
    app = "company.api:app"
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("own")
    write_project(folder, TOML, {"shop": SHOP, "company.api": API})
    with serving(cwd=folder) as gateway:
        yield gateway


@pytest.fixture
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url) as client:
        yield client


def test_start_says_where_it_listens_and_what_it_serves(gateway: Gateway) -> None:
    """The first lines answer what a developer wants to know."""
    assert "/flask               shop:create_app (Flask by bridge)" in gateway.output
    assert "/fastapi             company.api:app (FastAPI)" in gateway.output
    assert f"{gateway.url}/fastapi/docs" in gateway.output
    assert f"{gateway.url}/fastapi/redoc" in gateway.output


def test_both_answer_under_their_prefixes(http: httpx.Client) -> None:
    """One process, both stacks, lifespan and URLs included."""
    assert http.get("/flask/").text == "the shop"
    assert http.get("/fastapi/").json() == {"pool": "open", "url": f"{http.base_url}/fastapi/"}


@pytest.mark.parametrize("path", ["/flask", "/fastapi"])
def test_a_prefix_works_without_its_slash(http: httpx.Client, path: str) -> None:
    """Whoever types the prefix alone arrives."""
    assert http.get(path, follow_redirects=True).status_code == 200


def test_absolute_urls_are_public(http: httpx.Client) -> None:
    """A redirect leads back through the front door."""
    assert http.get("/flask/go").headers["location"] == f"{http.base_url}/flask/"


def test_a_sign_in_at_flask_counts_at_fastapi(http: httpx.Client) -> None:
    """One login for both stacks, without a setting."""
    assert http.get("/fastapi/me").json() == {"user": None}
    http.get("/flask/sign-in")
    assert http.get("/fastapi/me").json() == {"user": "ada"}


def test_a_service_s_own_errors_pass_untouched(http: httpx.Client) -> None:
    """The gateway speaks only where no service does."""
    assert http.get("/flask/nope").text == "the shop has no such page"
    assert http.get("/fastapi/nope").json() == {"detail": "Not Found"}
    assert http.get("/nope").headers["content-type"] == "application/problem+json"


def test_bodies_go_in_and_out(http: httpx.Client) -> None:
    """Uploads and streams arrive whole."""
    body = bytes(range(256)) * 4000
    assert http.post("/flask/echo", content=body).content == body
    assert http.get("/flask/stream").text == "".join(f"line {n}\n" for n in range(1000))


def test_a_websocket_reaches_fastapi(gateway: Gateway) -> None:
    """WebSockets see their prefix too."""
    with connect(gateway.url.replace("http", "ws") + "/fastapi/ws") as websocket:
        assert websocket.recv() == "from /fastapi"


@pytest.mark.parametrize("path", ["/flask/ws", "/flask", "/nope"])
def test_a_websocket_to_flask_or_nothing_is_refused(gateway: Gateway, path: str) -> None:
    """403 on the handshake, and the process answers on."""
    with pytest.raises(InvalidStatus) as caught:
        connect(gateway.url.replace("http", "ws") + path)
    assert caught.value.response.status_code == 403
    assert httpx.get(f"{gateway.url}/flask/").status_code == 200


def test_a_cross_origin_write_is_refused_for_both(http: httpx.Client) -> None:
    """One rule before both stacks."""
    headers = {"Origin": "https://evil.example"}
    for path in ("/flask/echo", "/fastapi/"):
        assert http.post(path, headers=headers).status_code == 403
    assert http.post("/flask/echo", content=b"x").status_code == 200


def test_the_gateway_is_live_and_ready(http: httpx.Client) -> None:
    """The health endpoints answer under the admin prefix."""
    assert http.get("/_gateway/livez").status_code == 200
    assert http.get("/_gateway/readyz").json() == {
        "status": "ok",
        "services": {"shop": "ok", "api": "ok"},
    }
