"""Which routes of two services are one thing, served twice."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from gateway.portal.pairs import Pair, openapi_path, pairs


@dataclass(frozen=True)
class Route:
    """A route of a service."""

    mount: str
    stack: str
    methods: tuple[str, ...]
    path: str


def flask(path: str, *methods: str, mount: str = "flask") -> Route:
    """A route as Flask lists it."""
    return Route(mount, "Flask", (*methods, "HEAD", "OPTIONS"), path)


def fastapi(path: str, *methods: str, mount: str = "fastapi") -> Route:
    """A route as FastAPI lists it."""
    return Route(mount, "FastAPI", methods, path)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("/items/<item_id>", "/items/{item_id}"),
        ("/items/<int:item_id>", "/items/{item_id}"),
        ("/items/<int(min=1, max=9):item_id>/parts", "/items/{item_id}/parts"),
        ('/<any("a>b", c, "x)y"):kind>/<path:rest>', "/{kind}/{rest}"),
        ("/items/{item_id}", "/items/{item_id}"),
        ("/files/{rest:path}", "/files/{rest}"),
        ("/", "/"),
    ],
)
def test_templates_of_both_stacks_have_one_spelling(template: str, expected: str) -> None:
    """OpenAPI's, without converters."""
    assert openapi_path(template) == expected


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/items/<int:item_id>", "/items/{id}"),
        ("/files/<path:name>", "/files/{rest:path}"),
        ("/items", "/items"),
        ("/<a>/<b>", "/{b}/{a}"),
    ],
)
def test_parameters_may_have_other_names_and_converters(first: str, second: str) -> None:
    """What clients see is the same path."""
    found = pairs([flask(first, "GET"), fastapi(second, "GET")])
    assert found == [Pair(("GET",), openapi_path(first), (0, 1))]


@pytest.mark.parametrize(
    "others",
    [
        fastapi("/items/{id}/", "GET"),
        fastapi("/items/{id}", "POST"),
        fastapi("/items/all", "GET"),
        fastapi("/items/{id}", "WEBSOCKET"),
        Route("raw", "ASGI", ("*",), "/items/{id}"),
        flask("/items/<id>", "GET", mount="old"),
        Route("flask", "FastAPI", ("GET",), "/items/{id}"),
    ],
)
def test_what_is_not_the_same_makes_no_pair(others: Route) -> None:
    """Another path, other methods, the same stack or the same mount."""
    assert pairs([flask("/items/<id>", "GET"), others]) == []


def test_routes_for_one_method_each_are_paired_with_one_for_both() -> None:
    """Flask has them in one view as often as not."""
    routes = [flask("/items", "GET", "POST"), fastapi("/items", "GET"), fastapi("/items", "POST")]
    assert pairs(routes) == [Pair(("GET",), "/items", (0, 1)), Pair(("POST",), "/items", (0, 2))]


def test_what_flask_adds_to_each_route_is_no_method_in_common() -> None:
    """HEAD and OPTIONS alone make a pair only where they are all that a route has."""
    assert pairs([flask("/a", "GET"), fastapi("/a", "OPTIONS")]) == []
    only = pairs([flask("/a"), fastapi("/a", "OPTIONS")])
    assert only == [Pair(("OPTIONS",), "/a", (0, 1))]


def test_each_two_mounts_make_a_pair() -> None:
    """Three services with one route are told two by two, in the order of the routes."""
    routes = [
        fastapi("/b", "GET"),
        fastapi("/a", "GET"),
        flask("/a", "GET"),
        flask("/a", "GET", mount="old"),
        flask("/b", "GET"),
    ]
    assert [pair.routes for pair in pairs(routes)] == [(0, 4), (1, 2), (1, 3)]
