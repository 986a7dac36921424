"""Services whose descriptions no document can have in them, and what they cost the others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from pydantic import BaseModel, Field

from gateway.openapi import document, written
from tests.gateway.openapi.described import Node, described, service_of


class Endless(BaseModel):
    """Has defaults that JSON has no word for."""

    most: float = float("inf")
    none: float = float("nan")
    examples: list[float] = Field(default=[float("-inf"), 1.5])


def good() -> Any:
    app = Flask("good")
    app.add_url_rule("/x", "x", lambda: "")
    return service_of(app, "good", "/good")


def saying(content: Node) -> FastAPI:
    """An app with a document of its own."""
    app = FastAPI()
    app.openapi = lambda: content  # type: ignore[method-assign]
    return app


NO_ANSWERS = {"get": {"responses": None}}
HOSTILE: dict[str, Node] = {
    "two paths in one": {"paths": {"/a/{x}": NO_ANSWERS, "/a/{y}": NO_ANSWERS}},
    "a title that is none": {"info": {"title": 5, "summary": "x"}, "paths": {}},
    "tags that are none": {"paths": {"/a": {"get": {"tags": 5, "responses": {}}}}},
    "a parameter that is none": {"paths": {"/a": {"get": {"parameters": [5]}}}},
    "a name that is none": {
        "paths": {"/{a}": {"get": {"parameters": [{"in": "path", "name": []}]}}}
    },
    "paths that are none": {"paths": 5},
    "a tag that is none": {"tags": [5], "paths": {}},
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("first", [True, False])
def test_one_service_costs_only_itself(
    content: Node, first: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever its description breaks the making; the others are all there, and it is named."""
    services = [service_of(saying(content), "bad", "/bad"), good()]
    whole = described(*(services if first else reversed(services)))
    assert set(whole["paths"]) == {"/good/x"}
    assert whole["x-missing"] == ["bad"]
    assert "mount `bad` is missing" in whole["info"]["description"]
    assert "mount bad cannot be described" in caplog.text


def test_services_that_only_break_together_lose_the_later_one() -> None:
    """Two operations that are one to OpenAPI, of two mounts: the first is as it is alone."""
    app = Flask("bound", host_matching=True, static_host="a.test")
    app.add_url_rule("/x", "x", lambda: "", host="a.test")
    bad = service_of(saying({"paths": {"/x": NO_ANSWERS}}), "bad", "/", "a.test")
    for services, missing in (
        ([service_of(app, "bound", "/"), bad], "bad"),
        ([bad, service_of(app, "bound", "/")], "bound"),
    ):
        whole = document(services, cookie=None)
        assert whole["x-missing"] == [missing]
        assert len(whole["paths"]) == 1


def test_half_a_surrogate_pair_is_replaced() -> None:
    """No UTF-8 has it; all else that the service says is there, whole pairs as their letter."""
    api = FastAPI(title="T", description="a\ud800b \ud83d\ude00")
    api.add_api_route("/items", lambda: 1)
    web = Flask("web")

    def view() -> str:
        raise NotImplementedError

    view.__doc__ = "From \udfff.\n\nOf the docstring: \ud800"
    web.add_url_rule("/y", "view", view)
    whole = described(service_of(api, "api", "/api"), service_of(web, "web", "/web"), good())
    written(whole).encode()
    assert "x-missing" not in whole
    assert set(whole["paths"]) == {"/api/items", "/web/y", "/good/x"}
    assert whole["paths"]["/web/y"]["get"]["description"] == "Of the docstring: \ufffd"
    tags = {tag["name"]: tag for tag in whole["tags"]}
    assert tags["api"]["description"] == "T\n\na\ufffdb \U0001f600"


@pytest.mark.parametrize("stack", ["flask", "fastapi"])
def test_numbers_that_json_does_not_know_are_null(stack: str) -> None:
    """A strict reader takes no `Infinity` and no `NaN`."""
    app: Any = Flask("app") if stack == "flask" else FastAPI()

    def view(body: Endless) -> None: ...

    if stack == "flask":
        app.add_url_rule("/x", "x", view, methods=["POST"])
    else:
        app.add_api_route("/x", view, methods=["POST"])
    whole = document([service_of(app)], cookie=None)
    json.dumps(whole, allow_nan=False)
    assert "x-missing" not in whole
    [schema] = [one for name, one in whole["components"]["schemas"].items() if "Endless" in name]
    properties = schema["properties"]
    assert properties["most"].get("default") is None
    assert properties["none"].get("default") is None
    assert properties["examples"]["default"] == [None, 1.5]


def test_what_json_does_not_know_is_never_written() -> None:
    """Whatever the way that it came into the document."""
    with pytest.raises(ValueError, match="JSON"):
        written({"default": float("inf")})
