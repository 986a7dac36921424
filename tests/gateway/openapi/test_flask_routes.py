"""Flask's routes in the document."""

from __future__ import annotations

import pytest
from flask import Blueprint, Flask
from werkzeug.routing import BaseConverter, IntegerConverter, Rule

from tests.gateway.openapi.described import Node, described, identifiers, operations


class Even(IntegerConverter):
    """Numbers that two divides."""


class Code(BaseConverter):
    """A converter of somebody's own."""

    regex = r"[A-Z]{2}\d+"


class OfPython(BaseConverter):
    """What only Python reads as a regular expression."""

    regex = r"(?P<a>x)(?i:y)"


class Deep(BaseConverter):
    """More than one segment."""

    regex = r"\w+/\w+"


@pytest.mark.parametrize(
    ("rule", "schema"),
    [
        ("<name>", {"type": "string"}),
        ("<string(length=2):name>", {"type": "string", "minLength": 2, "maxLength": 2}),
        ("<string(minlength=2):name>", {"type": "string", "minLength": 2}),
        ("<string(maxlength=9):name>", {"type": "string", "maxLength": 9}),
        ("<int:name>", {"type": "integer", "minimum": 0}),
        ("<int(min=3, max=9):name>", {"type": "integer", "minimum": 3, "maximum": 9}),
        ("<int(signed=True):name>", {"type": "integer"}),
        ("<int(signed=True, min=3):name>", {"type": "integer", "minimum": 3}),
        ("<int(fixed_digits=4):name>", {"type": "string", "pattern": "^[0-9]{4}$"}),
        (
            "<int(fixed_digits=4, signed=True):name>",
            {"type": "string", "pattern": "^(?:[0-9]{4}|-[0-9]{3})$"},
        ),
        ("<float:name>", {"type": "number", "minimum": 0}),
        ("<float(signed=True, max=1.5):name>", {"type": "number", "maximum": 1.5}),
        ("<uuid:name>", {"type": "string", "format": "uuid"}),
        ("<path:name>", {"type": "string"}),
        ('<any(b, "a.b|c", "d/e"):name>', {"type": "string", "enum": ["a.b|c", "b", "d/e"]}),
        ("<even:name>", {"type": "integer", "minimum": 0}),
        ("<code:name>", {"type": "string", "pattern": r"^(?:[A-Z]{2}\d+)$"}),
        ("<python:name>", {"type": "string"}),
        ("<deep:name>", {"type": "string", "pattern": r"^(?:\w+/\w+)$"}),
    ],
)
def test_converters_become_typed_parameters(rule: str, schema: Node) -> None:
    """What a converter takes is what the parameter's schema takes."""
    app = Flask("app")
    app.url_map.converters |= {"even": Even, "code": Code, "python": OfPython, "deep": Deep}
    app.add_url_rule(f"/{rule}/end", "view", lambda name: "")
    (parameter,) = operations(described(app))["GET /web/{name}/end"]["parameters"]
    assert parameter["schema"] == schema
    assert (parameter["in"], parameter["required"]) == ("path", True)


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ("path", "slashes"),
        ("float", "decimal point"),
        ("int(fixed_digits=3, min=7, max=100)", "At least 7. At most 100."),
    ],
)
def test_what_a_schema_cannot_say_is_described(rule: str, word: str) -> None:
    """A path's slashes, the point without which a float is not matched, limits of digits."""
    app = Flask("app")
    app.add_url_rule(f"/<{rule}:name>", "view", lambda name: "")
    (parameter,) = operations(described(app))["GET /web/{name}"]["parameters"]
    assert word in parameter["description"]


def test_blueprints_are_tags() -> None:
    """Nested ones by their whole name, in front of it the mount's."""
    app = Flask("app")
    outer, inner = Blueprint("outer", __name__), Blueprint("inner", __name__)
    inner.add_url_rule("/in", "view", lambda: "")
    outer.add_url_rule("/out", "view", lambda: "")
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.add_url_rule("/", "view", lambda: "")
    whole = described(app)
    found = operations(whole)
    assert found["GET /web/in"]["tags"] == ["web.outer.inner"]
    assert found["GET /web/out"]["tags"] == ["web.outer"]
    assert found["GET /web/"]["tags"] == ["web"]
    assert {"name": "web.outer", "description": "Flask's routes in the document."} in whole["tags"]
    assert whole["x-tagGroups"] == [
        {"name": "web (Flask)", "tags": ["web", "web.outer", "web.outer.inner"]}
    ]


def test_methods_are_those_that_somebody_chose() -> None:
    """HEAD and OPTIONS come by themselves; alone, or answered by the view, they are there."""
    app = Flask("app")
    app.add_url_rule("/a", "a", lambda: "", methods=["GET", "PATCH"])
    app.add_url_rule("/b", "b", lambda: "", methods=["HEAD"])
    app.add_url_rule("/c", "c", lambda: "", methods=["OPTIONS"], provide_automatic_options=False)
    app.add_url_rule("/d", "d", lambda: "", methods=["PROPFIND"])
    whole = described(app)
    assert set(operations(whole)) == {
        "GET /web/a", "PATCH /web/a", "HEAD /web/b", "OPTIONS /web/c",
    }  # fmt: skip
    assert list(whole["paths"]["/web/d"]["x-additionalOperations"]) == ["PROPFIND"]


def test_only_a_services_own_views_are_described() -> None:
    """Static files, rules that only build URLs, and rules without a view are left out."""
    app = Flask("app")
    blueprint = Blueprint("pages", __name__, static_folder=".", url_prefix="/pages")
    blueprint.add_url_rule("/", "index", lambda: "")
    app.register_blueprint(blueprint)
    app.url_map.add(Rule("/built", endpoint="built", build_only=True))
    app.url_map.add(Rule("/nobody", endpoint="nobody"))
    assert list(operations(described(app))) == ["GET /web/pages/"]


def test_identifiers_are_unique_and_do_not_change_with_later_rules() -> None:
    """Mount, endpoint and method; a later rule of the same endpoint adds its own path."""
    app = Flask("app")
    view = lambda page=1: ""  # noqa: E731
    app.add_url_rule("/posts/", "posts", view, methods=["GET", "POST"])
    before = identifiers(described(app))
    app.add_url_rule("/posts/<int:page>", "posts", view)
    after = identifiers(described(app))
    assert sorted(before) == ["web.posts.get", "web.posts.post"]
    assert sorted(after) == ["web.posts.get", "web.posts.get.posts_int_page", "web.posts.post"]
    plain = operations(described(app))["GET /web/posts/"]
    assert plain["operationId"] == "web.posts.get"


def test_defaults_are_said() -> None:
    """A rule without a parameter says what it is there; where it is given, it has a default."""
    app = Flask("app")
    view = lambda page: ""  # noqa: E731
    app.add_url_rule("/posts/", "posts", view, defaults={"page": 1})
    app.add_url_rule("/posts/<int:page>", "posts", view)
    found = operations(described(app))
    assert "`page` is `1`" in found["GET /web/posts/"]["description"]
    assert "parameters" not in found["GET /web/posts/"]
    assert found["GET /web/posts/{page}"]["parameters"][0]["schema"]["default"] == 1
