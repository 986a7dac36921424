"""The document of several services."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any, Literal

import pytest
from fastapi import APIRouter, FastAPI, Security
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyCookie, OAuth2PasswordBearer
from flask import Flask
from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.routing import Mount, Route, Router

from gateway.openapi import located, service_document
from services.fastapi_service import create_app as create_fastapi
from services.flask_service import create_app as create_flask
from tests.gateway.openapi.described import described, identifiers, operations, service_of


class Cat(BaseModel):
    """A cat."""

    kind: Literal["cat"]


class Dog(BaseModel):
    """A dog."""

    kind: Literal["dog"]


class Owner(BaseModel):
    """Whoever owns one."""

    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


def flask_app(*rules: str) -> Flask:
    app = Flask("app")
    for rule in rules:
        app.add_url_rule(rule, rule.strip("/").replace("/", "_") or "root", lambda: "")
    return app


def fastapi_app(**options: Any) -> FastAPI:
    app = FastAPI(title="Pets", **options)

    @app.post("/pets/{number}", tags=["pets"])
    def create(number: int, owner: Owner) -> Owner:
        """Create a pet."""
        raise NotImplementedError

    return app


def reference_services() -> list[Any]:
    return [
        service_of(create_flask(), "flask", "/flask"),
        service_of(create_fastapi(), "fastapi", "/fastapi"),
    ]


def test_the_reference_services_are_one_document() -> None:
    """Valid, made in less than a second, with both stacks and the session in it."""
    services = reference_services()
    started = time.perf_counter()
    whole = described(*services, cookie="session")
    assert time.perf_counter() - started < 1
    found = operations(whole)
    assert {"GET /flask/items/{item_id}", "GET /fastapi/items/{item_id}"} <= set(found)
    assert len(identifiers(whole)) == len(set(identifiers(whole)))
    assert whole["components"]["securitySchemes"]["session"]["name"] == "session"
    assert whole["security"] == [{}, {"session": []}]
    assert not [path for path in whole["paths"] if "static" in path or "docs" in path]


def test_the_document_is_the_same_every_time() -> None:
    """Whoever keeps it, or generates a client from it, sees what changed and nothing else."""
    first, second = (json.dumps(described(*reference_services())) for _ in range(2))
    assert first == second


def test_components_are_named_apart_with_all_references() -> None:
    """Two services with models of the same names, discriminators included."""
    whole = described(service_of(fastapi_app(), "a", "/a"), service_of(fastapi_app(), "b", "/b"))
    schemas = whole["components"]["schemas"]
    assert {"a.Cat", "a.Dog", "a.Owner", "b.Cat", "b.Dog", "b.Owner"} <= set(schemas)
    for mount in ("a", "b"):
        pet = schemas[f"{mount}.Owner"]["properties"]["pet"]
        assert {one["$ref"] for one in pet["oneOf"]} == {
            f"#/components/schemas/{mount}.Cat", f"#/components/schemas/{mount}.Dog",
        }  # fmt: skip
        assert pet["discriminator"]["mapping"] == {
            "cat": f"#/components/schemas/{mount}.Cat",
            "dog": f"#/components/schemas/{mount}.Dog",
        }
    found = operations(whole)
    assert found["POST /a/pets/{number}"]["operationId"].startswith("a.create_")
    assert found["POST /b/pets/{number}"]["tags"] == ["b.pets"]


def test_the_services_own_document_is_not_touched() -> None:
    """FastAPI keeps the one that it serves at its own `/docs`."""
    app = fastapi_app()
    before = json.dumps(app.openapi())
    described(app)
    assert json.dumps(app.openapi()) == before


def test_the_shared_session_is_one_scheme() -> None:
    """A service's own scheme for the same cookie is it; others are the service's own."""
    app = FastAPI()
    cookie = Security(APIKeyCookie(name="session", scheme_name="mine"))
    bearer = Security(OAuth2PasswordBearer(tokenUrl="token"))
    app.add_api_route("/cookie", lambda: None, dependencies=[cookie])
    app.add_api_route("/bearer", lambda: None, dependencies=[bearer])

    whole = described(app, cookie="session")
    found = operations(whole)
    assert found["GET /web/cookie"]["security"] == [{"session": []}]
    assert found["GET /web/bearer"]["security"] == [{"web.OAuth2PasswordBearer": []}]
    schemes = whole["components"]["securitySchemes"]
    assert set(schemes) == {"session", "web.OAuth2PasswordBearer"}
    flow = schemes["web.OAuth2PasswordBearer"]["flows"]["password"]
    assert flow["tokenUrl"] == "/web/token"
    assert set(described(app)["components"]["securitySchemes"]) == {
        "web.mine", "web.OAuth2PasswordBearer",
    }  # fmt: skip


def test_what_another_prefix_takes_away_is_left_out() -> None:
    """A route below the gateway's own prefix, or below another mount's, is never reached."""
    whole = described(
        service_of(flask_app("/", "/_gateway/x", "/api", "/api/x", "/apis"), "root", "/"),
        service_of(flask_app("/x"), "api", "/api"),
        service_of(flask_app("/api/y"), "host", "/", host="api.example.com"),
    )
    assert set(whole["paths"]) == {"/", "/apis", "/api/x", "/api/y"}
    assert whole["paths"]["/api/x"]["get"]["tags"] == ["api"]


def test_another_admin_prefix_is_respected() -> None:
    """What is the gateway's is a setting."""
    whole = described(service_of(flask_app("/_gateway", "/ops/x"), "a", "/"), admin_prefix="/ops")
    assert set(whole["paths"]) == {"/_gateway"}


def test_mounts_of_a_host_have_servers() -> None:
    """On their own paths alone; the same path for any host keeps its name."""
    whole = described(
        service_of(flask_app("/x"), "a", "/", host="a.example.com"),
        service_of(flask_app("/x"), "b", "/", host="*.example.com"),
        service_of(flask_app("/x", "/y"), "c", "/"),
    )
    paths = whole["paths"]
    assert set(paths) == {"/x", "/x#a.example.com", "/x#*.example.com", "/y"}
    assert "servers" not in paths["/x"]
    assert paths["/x"]["get"]["tags"] == ["c"]
    assert paths["/x#a.example.com"]["servers"] == [{"url": "//a.example.com"}]
    assert paths["/x#*.example.com"]["servers"] == [
        {"url": "//{subdomain}.example.com", "variables": {"subdomain": {"default": "subdomain"}}}
    ]


def test_servers_are_where_the_reader_is() -> None:
    """Behind a public prefix, and by the port that the reader came by."""
    whole = described(
        service_of(flask_app("/x"), "a", "/a", host="a.example.com"),
        service_of(flask_app("/x"), "b", "/b"),
    )
    there = located(whole, "/apps", 8000)
    assert there["servers"] == [{"url": "/apps"}]
    assert there["paths"]["/a/x"]["servers"] == [{"url": "//a.example.com:8000/apps"}]
    assert "servers" not in there["paths"]["/b/x"]
    assert located(whole, "", None) == whole


def test_one_mount_alone_is_described_as_in_the_whole() -> None:
    """With what others take away left out, and nothing of theirs in it."""
    services = [
        service_of(flask_app("/", "/api/x"), "root", "/"),
        service_of(fastapi_app(), "api", "/api"),
    ]
    whole = described(*services)
    part = service_document(services[0], services, cookie=None)
    assert part["paths"] == {"/": whole["paths"]["/"]}
    assert "components" not in part
    assert [tag["name"] for tag in part["tags"]] == ["root"]


def test_a_service_that_cannot_be_described_costs_the_others_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its fault is logged, and theirs are all there."""
    broken = FastAPI()
    broken.openapi = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    whole = described(service_of(broken, "a", "/a"), service_of(flask_app("/x"), "b", "/b"))
    assert set(whole["paths"]) == {"/b/x"}
    assert "ZeroDivisionError" in caplog.text


def test_a_service_that_is_neither_stack_is_only_named() -> None:
    """Nobody can look into any ASGI callable."""

    async def plain(scope: Any, receive: Any, send: Any) -> None: ...

    assert described(plain)["paths"] == {}
    assert "| web | ASGI | `/web` |" in described(plain)["info"]["description"]


def test_mounted_applications_are_described_where_they_are() -> None:
    """FastAPI below FastAPI, routers, and Starlette's own routes with their convertors."""

    async def endpoint(request: Request) -> JSONResponse:
        """Answer."""
        raise NotImplementedError

    class Things(HTTPEndpoint):
        async def get(self, request: Request) -> JSONResponse:
            """List things."""
            raise NotImplementedError

    app = fastapi_app()
    router = APIRouter(prefix="/v1")
    router.add_api_route("/included", endpoint)
    app.include_router(router)
    app.add_route("/plain/{number:int}/{rest:path}", endpoint)
    app.add_route("/hidden", endpoint, include_in_schema=False)
    app.mount("/below/{tenant}", fastapi_app())
    app.mount("/routes", Router([Route("/things/{key:uuid}", Things)]))
    inner = Starlette(routes=[Mount("/deep", routes=[Route("/leaf", endpoint, methods=["PUT"])])])
    app.mount("/starlette", inner)
    found = operations(described(app))
    assert set(found) == {
        "POST /web/pets/{number}",
        "GET /web/v1/included",
        "GET /web/plain/{number}/{rest}",
        "POST /web/below/{tenant}/pets/{number}",
        "GET /web/routes/things/{key}",
        "PUT /web/starlette/deep/leaf",
    }
    number, rest = found["GET /web/plain/{number}/{rest}"]["parameters"]
    assert number["schema"] == {"type": "integer", "minimum": 0}
    assert "slashes" in rest["description"]
    names = {p["name"] for p in found["POST /web/below/{tenant}/pets/{number}"]["parameters"]}
    assert names == {"tenant", "number"}
    assert found["GET /web/routes/things/{key}"]["summary"] == "List things"


def test_events_of_a_stream_are_an_extension() -> None:
    """FastAPI says what they are in the words of OpenAPI 3.2, which 3.1 does not know."""
    whole = described(service_of(create_fastapi(), "api", "/api"))
    stream = operations(whole)["GET /api/events"]["responses"]["200"]["content"]
    data = stream["text/event-stream"]["x-itemSchema"]["properties"]["data"]
    assert data["contentSchema"] == {"$ref": "#/components/schemas/api.ChangeOut"}


def test_webhooks_are_named_apart() -> None:
    """They have no path, so it is their name that the mount's goes in front of."""
    app = FastAPI()

    @app.webhooks.post("changed", tags=["hooks"])
    def changed(owner: Owner) -> None: ...

    hook = described(app)["webhooks"]["web.changed"]["post"]
    assert hook["tags"] == ["web.hooks"]
    schema = hook["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/web.Owner"}
