"""Flask applications with odd routes: the document is valid, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.views import MethodView
from werkzeug.routing import BaseConverter, Rule, Submount

from tests.gateway.openapi.described import Node, described, identifiers, operations, service_of


def said(text: str) -> Any:
    """A view with this docstring, and a name of its own."""

    def view(**arguments: Any) -> str:
        raise NotImplementedError

    view.__doc__ = text
    return view


def same_rule_different_methods() -> Flask:
    app = Flask("app")
    app.add_url_rule("/items", "list", said("List."), methods=["GET"])
    app.add_url_rule("/items", "create", said("Create."), methods=["POST"])
    app.add_url_rule("/items/<int:number>", "read", said("Read."))
    app.add_url_rule("/items/<int:item>", "remove", said("Remove."), methods=["DELETE"])
    return app


class Listed(BaseConverter):
    """Many in one segment."""

    regex = r"[^,/]+(,[^,/]+)*"


def converters_of_its_own() -> Flask:
    app = Flask("app")
    app.url_map.converters["listed"] = Listed
    app.add_url_rule("/tags/<listed:tags>", "tags", said(""))
    app.add_url_rule("/a-<listed:tags>.<any(json, xml):form>", "mixed", said(""))
    return app


def hosts() -> Flask:
    app = Flask("app", host_matching=True, static_host="static.example.com")
    app.add_url_rule("/", "index", said("The site."), host="www.example.com")
    app.add_url_rule("/", "api", said("The interface."), host="api.example.com:8443")
    app.add_url_rule("/", "user", said("Somebody's."), host="<user>.example.com")
    app.add_url_rule("/nowhere", "nowhere", said(""))
    return app


def subdomains() -> Flask:
    app = Flask("app", subdomain_matching=True)
    app.config["SERVER_NAME"] = "example.com"
    app.add_url_rule("/", "index", said("The site."))
    app.add_url_rule("/", "api", said("The interface."), subdomain="api")
    app.add_url_rule("/<int:number>", "user", said("Somebody's."), subdomain="<user>")
    return app


def optional_parts() -> Flask:
    app = Flask("app")
    view = said("Some posts.")
    app.add_url_rule("/posts/", "posts", view, defaults={"page": 1, "size": 10})
    app.add_url_rule("/posts/<int:page>/", "posts", view, defaults={"size": 10})
    app.add_url_rule("/posts/<int:page>/<int:size>", "posts", view)
    return app


def paths_in_the_middle() -> Flask:
    app = Flask("app")
    app.add_url_rule("/files/<path:name>/edit", "edit", said(""))
    app.add_url_rule("/files/<path:name>/<path:other>", "two", said(""))
    app.add_url_rule("/<path:everything>", "rest", said(""), methods=["GET", "POST", "LINK"])
    return app


def unusual_characters() -> Flask:
    app = Flask("app")
    app.add_url_rule("/größe/<name>/完", "größe", said("Größe."))
    app.add_url_rule("/a b/{c}/100%", "literal", said(""))
    app.add_url_rule("/x<y>z", "around", said(""))
    app.add_url_rule("//double//slash", "slashes", said(""))
    return app


class Things(MethodView):
    """Things."""

    init_every_request = False

    def get(self, number: int | None = None) -> str:
        """Read."""
        raise NotImplementedError

    def put(self, number: int) -> str:
        raise NotImplementedError


def method_views() -> Flask:
    app = Flask("app")
    view = Things.as_view("things")
    app.add_url_rule("/things/", view_func=view, methods=["GET"], defaults={"number": None})
    app.add_url_rule("/things/<int:number>", view_func=view)
    app.add_url_rule("/bare", "bare", lambda: "")
    return app


def one_path_by_two_rules() -> Flask:
    app = Flask("app")
    app.add_url_rule("/<int:number>", "by_number", said("By number."))
    app.add_url_rule("/<uuid:identifier>", "by_identifier", said("By identifier."))
    app.add_url_rule("/<name>", "by_name", said("By name.\n\nWhoever it is."))
    app.add_url_rule("/<a>/<b>", "one", said("One."))
    app.add_url_rule("/<b>/<int:a>", "other", said("Other."), methods=["GET", "PUT"])
    return app


def of_werkzeug() -> Flask:
    app = Flask("app")
    app.view_functions["any"] = said("Any method.")
    app.add_url_rule("/new", "new", said("New."))
    app.url_map.add(Submount("/sub", [Rule("/any", endpoint="any")]))
    app.url_map.add(Rule("/old", endpoint="new", redirect_to="/new"))
    app.url_map.add(Rule("/socket", endpoint="new", websocket=True))
    return app


APPS = [
    same_rule_different_methods,
    converters_of_its_own,
    hosts,
    subdomains,
    optional_parts,
    paths_in_the_middle,
    unusual_characters,
    method_views,
    one_path_by_two_rules,
    of_werkzeug,
]


@pytest.mark.parametrize("make", APPS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("prefix", ["/web", "/"])
def test_the_document_is_valid(make: Any, prefix: str) -> None:
    """For each of them, wherever it is mounted; every operation has an ID of its own."""
    whole = described(service_of(make(), prefix=prefix), cookie="session")
    names = identifiers(whole)
    assert names
    assert len(names) == len(set(names))


def test_all_of_them_go_into_one_document() -> None:
    """Ten mounts beside each other."""
    services = [
        service_of(make(), f"app{number}", f"/app{number}") for number, make in enumerate(APPS)
    ]
    names = identifiers(described(*services))
    assert len(names) == len(set(names))
    assert {name.partition(".")[0] for name in names} == {service.name for service in services}


def test_one_path_has_the_methods_of_all_its_rules() -> None:
    """What a parameter is called does not make two paths of one; the first name stays."""
    found = operations(described(same_rule_different_methods()))
    assert set(found) == {
        "GET /web/items", "POST /web/items",
        "GET /web/items/{number}", "DELETE /web/items/{number}",
    }  # fmt: skip
    names = [p["name"] for p in found["DELETE /web/items/{number}"]["parameters"]]
    assert names == ["number"]


def test_two_rules_for_one_path_and_method_are_merged_without_loss() -> None:
    """What either takes is taken, and both are described."""
    found = operations(described(one_path_by_two_rules()))
    merged = found["GET /web/{number}"]
    (parameter,) = merged["parameters"]
    assert parameter["schema"]["anyOf"] == [
        {"type": "integer", "minimum": 0},
        {"type": "string", "format": "uuid"},
        {"type": "string"},
    ]
    assert merged["summary"] == "By number / By identifier / By name"
    assert "**By name**\n\nWhoever it is." in merged["description"]
    assert merged["operationId"] == "web.by_number.get"
    assert merged["x-also"] == ["web.by_identifier.get", "web.by_name.get"]


def test_parameters_that_change_places_keep_their_types() -> None:
    """`/<a>/<b>` and `/<b>/<int:a>`: what counts is where a parameter stands."""
    found = operations(described(one_path_by_two_rules()))
    types = {p["name"]: p["schema"] for p in found["PUT /web/{a}/{b}"]["parameters"]}
    assert types == {"a": {"type": "string"}, "b": {"type": "integer", "minimum": 0}}


def test_hosts_are_told_apart() -> None:
    """Each host's path is there, with its server; what no host has cannot be reached."""
    client = hosts().test_client()
    assert client.get("/nowhere", base_url="http://www.example.com").status_code == 404
    paths = described(hosts())["paths"]
    assert [item["servers"][0]["url"] for item in paths.values()] == [
        "//www.example.com",
        "//api.example.com:8443",
        "//{user}.example.com",
    ]
    assert list(paths) == ["/web/", "/web/#api.example.com:8443", "/web/#(user).example.com"]


def test_subdomains_are_hosts() -> None:
    """Of the app's server name; a subdomain's variable is the server's, not the path's."""
    paths = described(subdomains())["paths"]
    urls = {path: item["servers"][0]["url"] for path, item in paths.items()}
    assert urls == {
        "/web/": "//example.com",
        "/web/#api.example.com": "//api.example.com",
        "/web/{number}": "//{user}.example.com",
    }


def test_a_subdomain_that_nothing_matches_is_left_out() -> None:
    """Without `subdomain_matching`, or without a server name, Flask never comes to such a rule."""
    for matching in (False, True):
        app = Flask("app", subdomain_matching=matching)
        app.add_url_rule("/there", "there", said(""))
        app.add_url_rule("/never", "never", said(""), subdomain="api")
        assert set(described(app)["paths"]) == {"/web/there"}
        assert app.test_client().get("/never", base_url="http://api.localhost").status_code == 404


def test_unusual_characters_are_spelled_as_a_url_template() -> None:
    """Braces and percent signs of a rule's own are no template; letters of any script stay."""
    paths = set(described(unusual_characters())["paths"])
    assert paths == {
        "/web/größe/{name}/完", "/web/a%20b/%7Bc%7D/100%25", "/web/x{y}z", "/web/double/slash",
    }  # fmt: skip


def test_a_rule_without_methods_answers_all() -> None:
    """As Werkzeug has it."""
    whole: Node = described(of_werkzeug())["paths"]["/web/sub/any"]
    assert set(whole) == {"get", "put", "post", "delete", "patch"}
