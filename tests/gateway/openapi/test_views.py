"""What views say of themselves."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from flask import Flask, Response
from flask.views import MethodView
from pydantic import BaseModel

from tests.gateway.openapi.described import described, operations


class Part(BaseModel):
    """A part of a thing."""

    name: str


class Thing(BaseModel):
    """A thing."""

    parts: list[Part]


class Row(TypedDict):
    """A row."""

    number: int


@dataclass
class Point:
    """A point."""

    x: float


class Filter(BaseModel):
    """Which ones."""

    text: str
    page: int = 1


def route(app: Flask, rule: str, view: Any, method: str = "GET") -> None:
    """A route whose view is never called."""
    app.add_url_rule(rule, view_func=view, methods=[method])


def test_docstrings_are_summary_and_description() -> None:
    """The first paragraph and the rest; what follows a rule of dashes is for other tools."""
    app = Flask("app")

    def said() -> None: ...

    def not_said_at_all() -> None: ...

    said.__doc__ = """Say it,
        in one line.

        And then *more*.
        ---
        tags: [flasgger]
        """
    route(app, "/said", said)
    route(app, "/unsaid", not_said_at_all)
    found = operations(described(app))
    assert found["GET /web/said"]["summary"] == "Say it, in one line"
    assert found["GET /web/said"]["description"] == "And then *more*."
    assert found["GET /web/unsaid"]["summary"] == "Not said at all"
    assert "description" not in found["GET /web/unsaid"]


def test_a_decorator_hides_nothing() -> None:
    """Docstring and type hints are those of the function that was decorated."""

    def decorated(view: Any) -> Any:
        @functools.wraps(view)
        def around(*args: Any) -> Any:
            return view(*args)

        return around

    @decorated
    def create(thing: Thing) -> Thing:
        """Make one."""
        return thing

    app = Flask("app")
    route(app, "/things", create, "POST")
    found = operations(described(app))["POST /web/things"]
    assert found["summary"] == "Make one"
    assert "requestBody" in found


def test_models_on_views_are_bodies_queries_and_answers() -> None:
    """Pydantic's models, alone or with None, with a status, in a list; TypedDicts, dataclasses."""

    def replace(number: int, data: Thing | None) -> tuple[Thing, Literal[201]]:
        raise NotImplementedError

    def listed(query: Filter) -> list[Row]:
        raise NotImplementedError

    def send(form: Filter) -> Point | Response:
        raise NotImplementedError

    def text() -> str:
        raise NotImplementedError

    app = Flask("app")
    route(app, "/things/<int:number>", replace, "PUT")
    route(app, "/things", listed)
    route(app, "/form", send, "POST")
    route(app, "/text", text)
    whole = described(app)
    found = operations(whole)
    reference = {"$ref": "#/components/schemas/web.Thing"}
    assert found["PUT /web/things/{number}"]["requestBody"] == {
        "required": True,
        "content": {"application/json": {"schema": reference}},
    }
    answers = found["PUT /web/things/{number}"]["responses"]
    assert answers["201"]["content"]["application/json"]["schema"] == reference
    parts = whole["components"]["schemas"]["web.Thing"]["properties"]["parts"]
    assert parts["items"] == {"$ref": "#/components/schemas/web.Part"}
    assert [(p["name"], p.get("required")) for p in found["GET /web/things"]["parameters"]] == [
        ("text", True),
        ("page", None),
    ]
    rows = found["GET /web/things"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert rows == {"type": "array", "items": {"$ref": "#/components/schemas/web.Row"}}
    form = found["POST /web/form"]["requestBody"]["content"]
    assert list(form) == ["application/x-www-form-urlencoded"]
    point = found["POST /web/form"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert point == {"$ref": "#/components/schemas/web.Point"}
    assert list(found["GET /web/text"]["responses"]["200"]["content"]) == ["text/html"]


def test_a_type_without_a_schema_costs_nothing_else() -> None:
    """A hint that cannot be resolved, or that Pydantic has no schema for, is not there."""
    app = Flask("app")

    class Odd(BaseModel, arbitrary_types_allowed=True):
        what: Flask

    def unresolved(thing: Missing) -> None:  # type: ignore[name-defined]  # noqa: F821
        """Unresolved."""

    def odd(thing: Odd) -> None:
        """Odd."""

    odd.__annotations__ = {"thing": Odd}
    route(app, "/unresolved", unresolved, "POST")
    route(app, "/odd", odd, "POST")
    found = operations(described(app))
    assert found["POST /web/unresolved"]["summary"] == "Unresolved"
    assert found["POST /web/odd"]["summary"] == "Odd"


def test_a_view_that_does_not_say_takes_any_body() -> None:
    """Whoever tries it out can send JSON, or a form; what has no body by its method has none."""
    app = Flask("app")
    app.add_url_rule("/", "view", lambda: "", methods=["POST", "DELETE"])
    found = operations(described(app))
    content = found["POST /web/"]["requestBody"]["content"]
    assert set(content) == {"application/json", "application/x-www-form-urlencoded"}
    assert "requestBody" not in found["DELETE /web/"]


def test_method_views_speak_for_each_method() -> None:
    """Each has its own docstring; the class's where it has none."""

    class Things(MethodView):
        """All about things."""

        def get(self) -> None:
            """List things."""

        def post(self) -> None: ...

    app = Flask("app")
    app.add_url_rule("/things", view_func=Things.as_view("things"))
    found = operations(described(app))
    assert found["GET /web/things"]["summary"] == "List things"
    assert found["POST /web/things"]["summary"] == "All about things"
