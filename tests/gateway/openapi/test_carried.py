"""Flask services that carry a specification already."""

from __future__ import annotations

import logging
from typing import Any

import marshmallow
import pytest
from apiflask import APIFlask
from flask import Flask
from flask_openapi3.models.info import Info
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from flask_smorest import Api, Blueprint  # type: ignore[import-untyped]
from pydantic import BaseModel
from spectree import Response, SpecTree

from tests.gateway.openapi.described import described, operations


class Pet(marshmallow.Schema):
    """A pet."""

    name = marshmallow.fields.String(required=True)
    age = marshmallow.fields.Integer(allow_none=True)


class Dog(BaseModel):
    """A dog."""

    name: str


class DogPath(BaseModel):
    """Which dog."""

    number: int


def with_smorest(version: str = "3.0.3") -> Flask:
    app = Flask("app")
    app.config |= {
        "API_TITLE": "Pets",
        "API_VERSION": "7",
        "OPENAPI_VERSION": version,
        "OPENAPI_URL_PREFIX": "/spec",
    }
    blueprint = Blueprint("pets", "pets", url_prefix="/pets", description="All pets.")

    def read(number: int) -> Any:
        """Read a pet."""

    read = blueprint.response(200, Pet)(read)
    blueprint.route("/<int:number>")(read)
    Api(app).register_blueprint(blueprint)
    app.add_url_rule("/plain", "plain", lambda: "")
    return app


def with_apiflask(**config: Any) -> Flask:
    app = APIFlask("app", title="Pets", version="7")
    app.config |= config

    pet: Any = Pet

    @app.post("/pets/<int:number>")
    @app.input(pet)
    @app.output(pet)
    def create(number: int, json_data: Any) -> Any:
        """Create a pet."""

    return app


def with_openapi3() -> Flask:
    app = OpenAPI("app", info=Info(title="Dogs", version="7"))

    def read(path: DogPath) -> Any:
        """Read a dog."""

    app.get("/dogs/<int:number>", tags=[Tag(name="dogs")], responses={200: Dog})(read)
    app.add_url_rule("/plain", "plain", lambda: "")
    return app


def with_spectree() -> Flask:
    app = Flask("app")
    tree = SpecTree("flask", title="Dogs", version="7")

    def create(number: int) -> Any:
        """Create a dog."""

    create = tree.validate(json=Dog, resp=Response(HTTP_200=Dog), tags=["dogs"])(create)
    app.add_url_rule("/dogs/<int:number>", view_func=create, methods=["POST"])
    tree.register(app)
    return app


def schema_of(whole: Any, key: str, status: str = "200") -> Any:
    """The schema of an answer, behind its reference."""
    content = operations(whole)[key]["responses"][status]["content"]["application/json"]
    name = content["schema"]["$ref"].removeprefix("#/components/schemas/")
    assert name.startswith("web.")
    return whole["components"]["schemas"][name]


def test_flask_smorest_is_merged() -> None:
    """Its operations with their schemas, in 3.1; what it does not know comes from the routes."""
    whole = described(with_smorest())
    found = operations(whole)
    assert set(found) == {"GET /web/pets/{number}", "GET /web/plain"}
    read = found["GET /web/pets/{number}"]
    assert (read["summary"], read["tags"]) == ("Read a pet.", ["web.pets"])
    assert read["operationId"] == "web.pets.read.get"
    assert read["parameters"][0]["schema"] == {"type": "integer", "minimum": 0}
    age = schema_of(whole, "GET /web/pets/{number}")["properties"]["age"]
    assert age == {"type": ["integer", "null"]}
    assert {"name": "web.pets", "description": "All pets."} in whole["tags"]


@pytest.mark.parametrize("config", [{}, {"SPEC_FORMAT": "yaml"}], ids=["json", "yaml"])
def test_apiflask_is_merged(config: dict[str, Any]) -> None:
    """Whichever format its specification is set to."""
    whole = described(with_apiflask(**config))
    found = operations(whole)
    assert set(found) == {"POST /web/pets/{number}"}
    assert "name" in schema_of(whole, "POST /web/pets/{number}")["properties"]


def test_flask_openapi3_is_merged() -> None:
    """With its own operation IDs, behind the mount's name; its own pages are left out."""
    whole = described(with_openapi3())
    found = operations(whole)
    assert set(found) == {"GET /web/dogs/{number}", "GET /web/plain"}
    assert found["GET /web/dogs/{number}"]["operationId"] == "web.read_dogs__int_number__get"
    assert found["GET /web/dogs/{number}"]["tags"] == ["web.dogs"]
    assert "name" in schema_of(whole, "GET /web/dogs/{number}")["properties"]


def test_spectree_is_merged() -> None:
    """It is found by the pages that it adds, and they are left out."""
    whole = described(with_spectree())
    found = operations(whole)
    assert set(found) == {"POST /web/dogs/{number}"}
    assert found["POST /web/dogs/{number}"]["tags"] == ["web.dogs"]
    assert "name" in schema_of(whole, "POST /web/dogs/{number}")["properties"]


@pytest.mark.filterwarnings("ignore")
def test_a_specification_of_another_format_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """Swagger 2.0: the routes are still described, and the log says what was not."""
    found = operations(described(with_smorest("2.0")))
    assert set(found) == {"GET /web/pets/{number}", "GET /web/plain"}
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_specification_that_fails_costs_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """Its author's mistake is logged; the routes are still described."""
    app = APIFlask("app")

    @app.spec_processor
    def broken(spec: Any) -> Any:
        raise ValueError("broken")

    app.add_url_rule("/pets", "pets", lambda: "")
    assert set(operations(described(app))) == {"GET /web/pets"}
    assert "broken" in caplog.text


def test_servers_of_a_specification_do_not_move_its_paths() -> None:
    """Where they add a prefix, paths are as the app's routes have them all the same."""
    app = APIFlask("app", openapi_blueprint_url_prefix="/spec")
    app.add_url_rule("/v1/pets", "pets", lambda: "")

    @app.spec_processor
    def served(spec: Any) -> Any:
        return {
            **spec,
            "servers": [{"url": "https://pets.example.com/v1/"}],
            "paths": {"/pets": {"get": {"responses": {"200": {"description": "Pets."}}}}},
        }

    found = operations(described(app))
    assert list(found) == ["GET /web/v1/pets"]
    assert found["GET /web/v1/pets"]["responses"]["200"]["description"] == "Pets."
