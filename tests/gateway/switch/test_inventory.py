"""The routes of two services, joined."""

from __future__ import annotations

from fastapi import FastAPI
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from gateway.switch.report.inventory import Described, Joined, RouteName, inventory
from gateway.switch.rules.templates import route_key
from gateway.url_maps import routes_of


def by_key(legacy: list[Described], candidate: list[Described]) -> dict[str, Joined]:
    found = inventory(legacy, candidate)
    assert len({route.key for route in found}) == len(found)
    return {route.key: route for route in found}


def test_routes_of_two_stacks_are_one_by_method_and_shape() -> None:
    """However their parameters are called and typed."""
    web = Flask(__name__, static_folder=None)
    web.get("/items/<int:item_id>", endpoint="items.read")(lambda item_id: "")
    web.post("/items", endpoint="items.add")(lambda: "")
    web.route("/old", methods=["GET", "DELETE"], endpoint="old")(lambda: "")
    api = FastAPI(openapi_url=None)
    api.get("/items/{number}", name="read")(lambda number: "")
    api.delete("/old", name="remove")(lambda: "")
    api.get("/new", name="new")(lambda: "")
    found = inventory(routes_of(web), routes_of(api))
    assert found == [
        Joined(
            "GET /items/{}",
            "GET",
            "/items/<int:item_id>",
            RouteName("/items/<int:item_id>", "items.read"),
            RouteName("/items/{number}", "read"),
        ),
        Joined("POST /items", "POST", "/items", RouteName("/items", "items.add"), None),
        Joined(
            "DELETE /old", "DELETE", "/old", RouteName("/old", "old"), RouteName("/old", "remove")
        ),
        Joined("GET /old", "GET", "/old", RouteName("/old", "old"), None),
        Joined("GET /new", "GET", "/new", None, RouteName("/new", "new")),
    ]


def test_head_and_options_make_no_routes_of_their_own() -> None:
    """Unless there is nothing else."""
    found = by_key([({"GET", "HEAD", "OPTIONS"}, "/a", ""), ({"OPTIONS"}, "/b", "")], [])
    assert set(found) == {"GET /a", "OPTIONS /b"}


def test_a_wider_route_of_the_other_service_stands_for_one_that_it_takes() -> None:
    """The narrowest of them; one that takes less does not."""
    legacy: list[Described] = [
        ({"GET"}, "/a/b", "exact"),
        ({"POST"}, "/a/b", "write"),
        ({"GET"}, "/a/<name>", "any"),
    ]
    candidate: list[Described] = [
        ({"GET"}, "/{rest:path}", "everything"),
        ({"GET"}, "/a/{number:int}", "numbers"),
    ]
    found = by_key(legacy, candidate)
    assert found["GET /a/b"].candidate == RouteName("/{rest:path}", "everything")
    assert found["POST /a/b"].candidate is None
    assert found["GET /a/{}"].candidate == RouteName("/a/{number:int}", "numbers")
    assert found["GET /{*}"].legacy is None


def test_a_service_that_cannot_be_looked_into_may_have_any_route() -> None:
    """It makes no line of its own beside one that can."""
    unknown: list[Described] = [(("*",), "/*", "")]
    known: list[Described] = [({"GET"}, "/a/{x}", "a"), ({"POST"}, "/b", "b")]
    found = by_key(known, unknown)
    assert set(found) == {"GET /a/{}", "POST /b"}
    assert all(route.candidate == RouteName("/*", "") for route in found.values())
    found = by_key(unknown, known)
    assert all(route.legacy == RouteName("/*", "") for route in found.values())
    assert len(by_key(unknown, unknown)) == 1
    assert set(by_key(unknown, [])) == {"* /*"}


templates = st.sampled_from(
    ["/", "/a", "/a/", "/a/<int:x>", "/a/{x}", "/a/{x:int}", "/<path:x>", "/{x:path}", "/<", "/*"]
)
methods = st.sets(st.sampled_from(["GET", "HEAD", "OPTIONS", "POST", "*", "WEBSOCKET"]))
described = st.lists(st.tuples(methods, templates, st.text(max_size=3)), max_size=6)


@given(described, described)
def test_nothing_is_left_out_and_nothing_twice(
    legacy: list[Described], candidate: list[Described]
) -> None:
    """Each route of each service is in one line, of its own key."""
    found = by_key(legacy, candidate)
    assert all(route.legacy or route.candidate for route in found.values())
    assert all(route.key == key for key, route in found.items())
    for side, name in ((legacy, "legacy"), (candidate, "candidate")):
        for some, template, _ in side:
            for method in set(some) - {"HEAD", "OPTIONS", "*"}:
                assert getattr(found[route_key(method, template)], name) is not None
