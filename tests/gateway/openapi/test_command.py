"""`gateway openapi`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.cli import main
from tests.gateway.projects import write_project

MODULE = """
    from fastapi import FastAPI
    from flask import Flask

    web = Flask(__name__)
    web.secret_key = "0123456789abcdef"

    @web.get("/größe/<int:number>")
    def size(number): ...

    api = FastAPI()

    @api.get("/items")
    async def items() -> list[int]: ...
"""

TOML = """
    [session]
    shared = true
    [[mounts]]
    name = "web"
    prefix = "/flask"
    app = "described_:web"
    [[mounts]]
    name = "api"
    prefix = "/fastapi"
    app = "described_:api"
"""


@pytest.fixture
def config(tmp_path: Path, forget_imports: None) -> str:
    return str(write_project(tmp_path, TOML, {"described_": MODULE}))


def test_it_prints_the_document(config: str) -> None:
    """As JSON; letters of any script can be read."""
    done = CliRunner().invoke(main, ["openapi", "--config", config])
    assert done.exit_code == 0
    whole = json.loads(done.stdout)
    OpenAPIV31SpecValidator(whole).validate()
    assert set(whole["paths"]) == {"/flask/größe/{number}", "/fastapi/items"}
    assert "größe" in done.stdout
    assert whole["components"]["securitySchemes"]["session"]["name"] == "session"


def test_it_prints_yaml(config: str) -> None:
    """The same document, with nothing that refers to another place of the file."""
    as_json = CliRunner().invoke(main, ["openapi", "--config", config])
    as_yaml = CliRunner().invoke(main, ["openapi", "--config", config, "--yaml"])
    assert yaml.safe_load(as_yaml.stdout) == json.loads(as_json.stdout)
    assert "&id" not in as_yaml.stdout


def test_it_describes_one_mount(config: str) -> None:
    """And says which there are where it is given another."""
    done = CliRunner().invoke(main, ["openapi", "--config", config, "--mount", "api"])
    assert set(json.loads(done.stdout)["paths"]) == {"/fastapi/items"}
    done = CliRunner().invoke(main, ["openapi", "--config", config, "--mount", "x"])
    assert done.exit_code == 2
    assert "web, api" in done.stderr
