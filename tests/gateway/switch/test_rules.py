"""Which rule, and which route, a request has; and where a user stands in a canary."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Match, Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, RequestRedirect
from werkzeug.routing import Rule as FlaskRule

from gateway.switch.rules import RouteSet, Rule, RuleTable, bucket
from gateway.switch.rules.faults import faults_of
from gateway.switch.rules.templates import parse
from gateway.switch.rules.tree import PathTree
from gateway.url_maps import routes_of
from tests.gateway.switch.paths import (
    FLASK,
    Written,
    flask_templates,
    paths,
    starlette_templates,
    templates,
)

METHODS = ["GET", "HEAD", "POST", "PUT", "WEBSOCKET"]
methods_of_rules = st.lists(st.sampled_from(METHODS), max_size=2, unique=True).map(
    lambda methods: tuple(sorted(methods))
)
methods_of_routes = st.sets(st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]), min_size=1)


def _fits(rule: Rule, method: str) -> int | None:
    """How well a rule's methods fit, 0 for best; None for not at all."""
    if method in rule.methods:
        return 0
    if method == "HEAD" and "GET" in rule.methods:
        return 1
    return None if rule.methods else 2


def _naive(rules: Sequence[tuple[Rule, Written]], method: str, path: str) -> Rule | None:
    """What the module's docstring says, one rule after the other."""
    found = [
        ([piece.rank for piece in written.pieces], fit, rule)
        for rule, written in rules
        if (fit := _fits(rule, method)) is not None and written.matches(path)
    ]
    return min(found, key=lambda one: one[:2])[2] if found else None


@settings(deadline=None)
@given(
    st.lists(st.tuples(templates, methods_of_rules), max_size=12),
    st.lists(st.tuples(st.sampled_from([*METHODS, "DELETE"]), paths), min_size=1, max_size=30),
)
def test_the_rule_of_a_request_is_the_narrowest_that_matches(
    written: list[tuple[Written, tuple[str, ...]]], asked: list[tuple[str, str]]
) -> None:
    """The path before the method, and of one path the one that names the method."""
    sound: list[tuple[Rule, Written]] = []
    for template, methods in written:
        one = Rule(template.text, methods)
        if not faults_of([*(rule for rule, _ in sound), one]):
            sound.append((one, template))
    table = RuleTable(rule for rule, _ in sound)
    assert [table.find(*request) for request in asked] == [
        _naive(sound, *request) for request in asked
    ]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/items/new", "* /items/new"),
        ("/items/12", "* /items/<int:x>"),
        ("/items/1.5", "* /items/{x:float}"),
        ("/items/other", "* /items/{x}"),
        ("/items/", "* /items/"),
        ("/items/a/b", "* /items/<path:x>"),
        ("/items//b", "* /items/{x:path}"),
        ("/items", "* /{x:path}"),
    ],
)
def test_the_order_of_the_rules_does_not_matter(path: str, expected: str, turned: bool) -> None:
    """The narrowest is found wherever it stands."""
    found = ["/{x:path}", "/items/{x:path}", "/items/<path:x>", "/items/{x}", "/items/{x:float}"]
    found += ["/items/<int:x>", "/items/new", "/items/"]
    rules = [Rule(template) for template in (reversed(found) if turned else found)]
    assert faults_of(rules) == []
    rule = RuleTable(rules).find("GET", path)
    assert rule is not None
    assert rule.name == expected


def test_head_is_what_get_is_but_where_a_rule_names_it() -> None:
    """The rule for GET is before one for all methods, and one for HEAD before that."""
    everything, reads, heads = Rule("/a"), Rule("/a", ("GET",)), Rule("/a", ("HEAD",))
    assert RuleTable([everything, reads]).find("HEAD", "/a") is reads
    assert RuleTable([everything, reads, heads]).find("HEAD", "/a") is heads
    assert RuleTable([everything, heads]).find("GET", "/a") is everything
    assert RuleTable([heads]).find("GET", "/a") is None


def test_no_rules_name_no_request() -> None:
    """Nor does a rule for something else."""
    assert RuleTable(()).find("GET", "/a") is None
    assert RuleTable([Rule("/b")]).find("GET", "/a") is None


def test_a_rule_is_called_by_its_methods_and_path() -> None:
    """And belongs to a group: its own, or that of all rules with this shape of path."""
    assert Rule("/items/{x}", ("GET", "POST")).name == "GET,POST /items/{x}"
    assert Rule("/items/<int:x>").name == "* /items/<int:x>"
    assert Rule("/items/<int:x>").belongs_to == Rule("/items/{y}", ("GET",)).belongs_to
    assert Rule("/items/{x}", group="items").belongs_to == "items"


@pytest.mark.parametrize(
    ("repeatable", "repeated"),
    [(None, {"GET", "HEAD"}), (True, {"GET", "HEAD", "POST"}), (False, set[str]())],
)
def test_what_may_be_repeated_is_told_by_the_rule(
    repeatable: bool | None, repeated: set[str]
) -> None:
    """GET and HEAD, unless it says otherwise."""
    rule = Rule("/a", repeatable=repeatable)
    assert {method for method in ("GET", "HEAD", "POST") if rule.repeats(method)} == repeated


# --- Routes -----------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.lists(st.tuples(flask_templates, methods_of_routes), min_size=1, max_size=8),
    st.lists(
        st.tuples(st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "PUT"]), paths),
        min_size=1,
        max_size=30,
    ),
)
def test_werkzeug_has_the_routes_that_the_set_has(
    written: list[tuple[Written, set[str]]], asked: list[tuple[str, str]]
) -> None:
    """As its own map matches them; where it redirects to add or merge slashes is left aside."""
    if any("fixed_digits" in template.text for template, _ in written):
        # What this converter refuses, Werkzeug offers no other rule whose pattern is the same.
        written = written[:1]
    url_map = Map(
        [
            FlaskRule(template.text, methods=methods, endpoint=str(index))
            for index, (template, methods) in enumerate(written)
        ]
    )
    routes = RouteSet((rule.methods or (), rule.rule) for rule in url_map.iter_rules())
    adapter = url_map.bind("localhost")
    for method, path in asked:
        if path.startswith("//"):
            continue  # for Werkzeug the same as with one
        try:
            adapter.match(path, method)
        except RequestRedirect:
            continue
        except (NotFound, MethodNotAllowed):
            has = False
        else:
            has = True
        assert routes.has(method, path) == has, (method, path)


async def _answer(request: Any) -> PlainTextResponse:
    return PlainTextResponse("")


async def _talk(websocket: WebSocket) -> None:
    await websocket.close()


def _starlette_route(template: str, methods: set[str]) -> Route:
    route = Route(template, _answer)
    route.methods = methods  # FastAPI's have no HEAD for their GET
    return route


def _has(app: Starlette, method: str, path: str) -> bool:
    scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
    if method == "WEBSOCKET":
        scope["type"] = "websocket"
    return any(route.matches(dict(scope))[0] is Match.FULL for route in app.routes)


@settings(deadline=None)
@given(
    st.lists(st.tuples(starlette_templates, methods_of_routes), min_size=1, max_size=8),
    st.lists(
        st.tuples(st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "PUT"]), paths),
        min_size=1,
        max_size=30,
    ),
)
def test_starlette_has_the_routes_that_the_set_has(
    written: list[tuple[Written, set[str]]], asked: list[tuple[str, str]]
) -> None:
    """As its own router matches them."""
    app = Starlette(routes=[_starlette_route(template.text, some) for template, some in written])
    routes = RouteSet((methods, template) for methods, template, _ in routes_of(app))
    assert [routes.has(*request) for request in asked] == [_has(app, *request) for request in asked]


@settings(deadline=None)
@given(paths, st.sampled_from(["GET", "POST", "WEBSOCKET"]))
def test_what_starlette_mounts_is_in_the_set(path: str, method: str) -> None:
    """Other applications, of which nothing is known, and WebSockets beside a route."""
    inner = Starlette(routes=[Route("/b/{x:int}", _answer), WebSocketRoute("/1", _talk)])
    mounted = Mount("/a", inner)
    app = Starlette(
        routes=[mounted, Mount("/items/{x}", PlainTextResponse("")), WebSocketRoute("/b", _talk)]
    )
    routes = RouteSet((methods, template) for methods, template, _ in routes_of(app))
    expected = _has(inner, method, path[2:]) if path.startswith("/a/") else _has(app, method, path)
    assert routes.has(method, path) == expected


@pytest.mark.parametrize("path", ["/", "/a", "/a/", "//", "/a/b"])
def test_what_cannot_be_looked_into_may_have_any_route(path: str) -> None:
    """An address, or an application of another kind."""
    routes = RouteSet([(("*",), "/*")])
    assert all(routes.has(method, path) for method in ("GET", "HEAD", "WEBSOCKET"))
    assert routes.meets("GET", parse(path))
    assert routes.meets("*", parse(path))


@pytest.mark.parametrize(
    ("method", "path", "has"),
    [
        ("GET", "/a/b/edit", True),
        ("POST", "/a/b/edit", False),
        ("GET", "/x.html", True),
        ("GET", "/x/y.html", True),
        ("GET", "/x", False),
        ("DELETE", "/any/thing/raw", True),
    ],
)
def test_parameters_with_slashes_may_stand_anywhere_in_a_route(
    method: str, path: str, has: bool
) -> None:
    """In a route, not in a rule."""
    routes = RouteSet(
        [
            (("GET",), "/<path:x>/edit"),
            (("GET",), "/<path:x>.html"),
            (("*",), "/any/{x:path}/raw"),
            (("GET",), "/}odd{"),
        ]
    )
    assert routes.has(method, path) == has


@settings(deadline=None)
@given(templates, st.lists(st.tuples(templates, methods_of_routes), max_size=6), paths)
def test_a_rule_that_a_route_answers_for_meets_the_set(
    rule: Written, written: list[tuple[Written, set[str]]], path: str
) -> None:
    """Whenever a rule's request has a route, nobody is told that there is none."""
    routes = RouteSet((methods, template.text) for template, methods in written)
    for method in ("GET", "HEAD", "POST"):
        if rule.matches(path) and routes.has(method, path):
            assert routes.meets(method, parse(rule.text))
            assert routes.meets("*", parse(rule.text))
        if not routes.meets(method, parse(rule.text)):
            assert not any(
                parse(rule.text).within(parse(template.text)) and method in methods
                for template, methods in written
            )


# --- Much -------------------------------------------------------------------------------------


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the tree of templates was walked to a node."""
    counts: Counter[str] = Counter()

    def counted(name: str) -> None:
        real: Callable[..., Any] = getattr(PathTree, name)

        def counting(*args: Any) -> Any:
            counts[name] += 1
            return real(*args)

        monkeypatch.setattr(PathTree, name, counting)

    counted("find")
    counted("meeting")
    return counts


def test_ten_thousand_rules_cost_what_ten_cost(visits: Counter[str]) -> None:
    """Each request a few steps; each rule a few when they are looked through for faults."""
    rules = [
        Rule(f"/{area}/r{number}{end}", methods)
        for area, number in itertools.product("abcd", range(250))
        for end in ("", "/{x}", "/<int:x>", "/{x}/more", "/{x}/{y:path}")
        for methods in (("GET",), ())
    ]
    assert len(rules) == 10_000
    assert faults_of(rules) == []
    assert visits["meeting"] < 10 * len(rules)
    table = RuleTable(rules)
    visits.clear()
    assert table.find("GET", "/d/r249/12/more") == Rule("/d/r249/{x}/more", ("GET",))
    assert table.find("PUT", "/d/r249/12/" + "x/" * 10_000) == Rule("/d/r249/{x}/{y:path}")
    assert table.find("PUT", "/d/none/12/more") is None
    assert visits["find"] < 30


def test_ten_thousand_routes_are_asked_in_few_steps(visits: Counter[str]) -> None:
    """Whether there is one for a request, and whether there is one for a rule."""
    routes = RouteSet(
        (("GET",), f"/{area}/r{number}/{{x}}")
        for area, number in itertools.product("abcd", range(2_500))
    )
    assert routes.has("GET", "/d/r2000/1")
    assert not routes.has("GET", "/d/none/1")
    assert routes.meets("GET", parse("/d/r1999/<int:y>"))
    assert routes.meets("GET", parse("/{x}/{y}/{z}"))
    assert not routes.meets("POST", parse("/d/r1999/<int:y>"))
    assert visits.total() < 60


def test_no_path_makes_a_request_dear() -> None:
    """However many slashes it has, and whatever the patterns are."""
    rules = [Rule(f"/{piece.written.format('x')}/{{y}}/{{z:path}}") for piece in FLASK[:6]]
    table = RuleTable(rules)
    started = time.process_time()
    for path in ("/" * 60_000, "/1" * 30_000, f"/{'1' * 60_000}/a/b", f"/-{'1.' * 30_000}/a/b"):
        table.find("GET", path)
    assert time.process_time() - started < 2


# --- Canary -----------------------------------------------------------------------------------

KEYS = [f"user-{number}" for number in range(10_000)]


@settings(deadline=None)
@given(st.text(), st.text(), st.text(), st.floats(0, 100), st.floats(0, 100))
def test_a_share_that_grows_keeps_those_whom_it_has(
    salt: str, group: str, key: str, one: float, two: float
) -> None:
    """A user stands in one place, whatever the percent."""
    place = bucket(salt, group, key)
    assert 0 <= place < 100
    assert place == bucket(salt, group, key)
    assert place >= min(one, two) or place < max(one, two)


@pytest.mark.parametrize("group", ["/items/{}", "orders", ""])
def test_users_are_spread_evenly(group: str) -> None:
    """Pearson's test over 20 equal parts; 43.8 is passed by one spread in a thousand."""
    parts = Counter(int(bucket("salt", group, key) // 5) for key in KEYS)
    expected = len(KEYS) / 20
    assert sum((parts[part] - expected) ** 2 / expected for part in range(20)) < 43.8


@pytest.mark.parametrize("percent", [0.1, 1.0, 5.0, 25.0, 50.0, 99.0])
def test_a_share_is_as_large_as_it_says(percent: float) -> None:
    """Within four standard deviations."""
    share = percent / 100
    found = sum(bucket("", "items", key) < percent for key in KEYS)
    assert abs(found - len(KEYS) * share) < 4 * (len(KEYS) * share * (1 - share)) ** 0.5


@pytest.mark.parametrize(
    ("one", "two"),
    [(("a", "items"), ("b", "items")), (("a", "items"), ("a", "users")), (("", "ab"), ("a", "b"))],
)
def test_salt_and_group_shuffle_the_users(one: tuple[str, str], two: tuple[str, str]) -> None:
    """Who is early in one canary is not early in all."""
    both = sum(bucket(*one, key) < 50 and bucket(*two, key) < 50 for key in KEYS)
    assert abs(both - len(KEYS) / 4) < 4 * (len(KEYS) * 3 / 16) ** 0.5


@settings(deadline=None)
@given(st.sampled_from(KEYS))
def test_routes_of_one_group_agree_on_a_user(key: str) -> None:
    """GET and POST of one resource, in either syntax, flip together."""
    rules = [Rule("/items/{x}", ("GET",)), Rule("/items/<int:y>", ("POST",))]
    assert len({bucket("", rule.belongs_to, key) for rule in rules}) == 1


@pytest.mark.parametrize("digest", [b"\xff" * 8, b"\xff" * 7 + b"\xfe"])
def test_everybody_is_in_at_a_hundred_percent(
    monkeypatch: pytest.MonkeyPatch, digest: bytes
) -> None:
    """Also who stands at the very end, where a float would be rounded up."""

    class Digest:
        def digest(self) -> bytes:
            return digest

    monkeypatch.setattr(hashlib, "blake2b", lambda *_, **__: Digest())
    assert 99.99 < bucket("", "", "") < 100
