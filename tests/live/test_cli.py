"""The `gateway` command's other verbs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway import __version__
from tests.gateway.projects import write_project
from tests.live.serving import run_gateway

MODULE = """
    from fastapi import APIRouter, FastAPI, WebSocket
    from flask import Blueprint, Flask
    from starlette.applications import Starlette
    from starlette.routing import Mount, Route

    web = Flask(__name__)
    pages = Blueprint("pages", __name__, url_prefix="/pages")

    @pages.route("/<int:number>", methods=["GET", "POST"])
    def page(number): ...

    web.register_blueprint(pages)

    api = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    router = APIRouter(prefix="/v1")

    @router.put("/items/{item_id}")
    async def replace(item_id: int): ...

    @router.websocket("/ws")
    async def ws(websocket: WebSocket): ...

    api.include_router(router)
    inner = Starlette(routes=[Mount("/deep", routes=[Route("/leaf", replace, name="leaf")])])
    api.mount("/inner", inner)

    def plain(environ, start_response): ...
"""

TOML = """
    [[mounts]]
    name = "web"
    prefix = "/flask"
    app = "module_:web"
    [[mounts]]
    name = "api"
    prefix = "/fastapi"
    app = "module_:api"
    [[mounts]]
    name = "plain"
    prefix = "/plain"
    app = "module_:plain"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_project(tmp_path, TOML, {"module_": MODULE})
    return tmp_path


def test_routes_lists_every_route_of_every_service(folder: Path) -> None:
    """Blueprints, routers, mounts and WebSockets, each under its public path."""
    done = run_gateway("routes", "--json", cwd=folder)
    found = {(r["mount"], r["template"], " ".join(r["methods"])) for r in json.loads(done.stdout)}
    assert found == {
        ("web", "/flask/static/<path:filename>", "GET HEAD OPTIONS"),
        ("web", "/flask/pages/<int:number>", "GET HEAD OPTIONS POST"),
        ("api", "/fastapi/v1/items/{item_id}", "PUT"),
        ("api", "/fastapi/v1/ws", "WEBSOCKET"),
        ("api", "/fastapi/inner/deep/leaf", "GET HEAD"),
        ("plain", "/plain/*", "*"),
    }


def test_routes_prints_a_table(folder: Path) -> None:
    """The same for people, nothing cut off in a pipe."""
    done = run_gateway("routes", cwd=folder)
    assert "/flask/pages/<int:number>" in done.stdout
    assert all(word in done.stdout for word in ("METHODS", "TEMPLATE", "STACK", "Flask", "FastAPI"))


def test_check_names_each_service(folder: Path) -> None:
    """A sound configuration says so."""
    done = run_gateway("check", cwd=folder)
    assert done.returncode == 0
    assert done.stdout.count("ok  ") == 3
    assert "gateway.toml: no faults, " in done.stdout


@pytest.mark.parametrize("verb", ["check", "serve", "routes"])
def test_a_faulty_configuration_is_exit_code_2(folder: Path, verb: str) -> None:
    """Every verb reports every fault, starts nothing, and shows no traceback."""
    faulty = TOML.replace("module_:web", "module_:wbe").replace('"/plain"', '"plain"')
    write_project(folder, f"colour = 1\n{faulty}")
    done = run_gateway(verb, cwd=folder)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("gateway: 3 faults in the configuration; nothing was started.")
    assert "Traceback" not in done.stderr


def test_a_missing_file_is_exit_code_2(tmp_path: Path) -> None:
    """Nothing to read is a fault like others."""
    done = run_gateway("serve", "--config", "nope.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "no file nope.toml" in done.stderr


def test_version_and_help(tmp_path: Path) -> None:
    """The reference that `--help` is names every verb."""
    assert run_gateway("--version", cwd=tmp_path).stdout == f"gateway, version {__version__}\n"
    text = run_gateway("--help", cwd=tmp_path).stdout
    assert all(verb in text for verb in ("serve", "check", "routes"))


def test_reload_and_workers_exclude_each_other(folder: Path) -> None:
    """A combination that cannot work says so."""
    done = run_gateway("serve", "--reload", "--workers", "2", cwd=folder)
    assert done.returncode == 2
    assert "--reload serves from one process" in done.stderr
