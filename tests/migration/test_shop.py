"""The shop's two applications, asked the same by the same visitors."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from gateway.switch.compare import Answer, JsonRule, Rules, compare
from tests.live.serving import Gateway, serving
from tests.migration.shop.visitors import STORIES, sign_in

SHOP = Path(__file__).parent / "shop"
KEY = "a-secret-that-is-of-the-shop-alone"
MOUNT = """
[[mounts]]
name = "shop"
prefix = "/"
app = "{app}"
factory = true
max_body_bytes = 1048576
"""
# What of a page is another each time: a form's token, a moment.
VARYING = re.compile(rb'(?<=name="csrf_token" value=")[^"]*|\d{4}-\d\d-\d\dT[\d:.]+\+00:00')
RULES = Rules(json=(JsonRule("ignore", "/as_of"),))
# What Flask's `redirect` says to browsers that do not follow is not carried over, nor that nothing
# is HTML.
BODILESS = Rules(headers=("Location", "Vary", "Cache-Control"), bodies=False)
# A style sheet is no matter of who has signed in; Flask asks that before every answer.
STATIC = Rules(headers=("Content-Type",))


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Gateway]]:
    """The Flask application alone, and the FastAPI one alone, each with a database of its own."""
    with ExitStack() as stack:
        served = []
        for name, env in (
            ("web", {"SHOP_SECRET_KEY": KEY}),
            ("api", {"GATEWAY_SESSION__SECRET_KEY": KEY}),
        ):
            folder = tmp_path_factory.mktemp(name)
            shutil.copytree(SHOP, folder / "shop")
            (folder / "gateway.toml").write_text(MOUNT.format(app=f"shop.{name}:create_app"))
            served.append(stack.enter_context(serving(cwd=folder, env=env)))
        yield served[0], served[1]


@pytest.mark.parametrize("name", STORIES)
def test_both_applications_answer_the_same(sides: tuple[Gateway, Gateway], name: str) -> None:
    """Pages, forms, faults, redirects, cookies, files and JSON, compared as a switch does."""
    asked: list[list[tuple[str, Answer]]] = []
    for side in sides:
        answers: list[tuple[str, Answer]] = []

        def keep(got: httpx.Response, kept: list[tuple[str, Answer]] = answers) -> None:
            body = VARYING.sub(b"", got.read())
            headers = tuple(got.headers.multi_items())
            what = f"{got.request.method} {got.request.url.raw_path.decode()}"
            kept.append((what, Answer(got.status_code, headers, body)))

        with httpx.Client(base_url=side.url, event_hooks={"response": [keep]}) as http:
            STORIES[name](http)
        asked.append(answers)
    assert [what for what, _ in asked[0]] == [what for what, _ in asked[1]]
    different = [
        (what, one.status, other.status, found.differences)
        for (what, one), (_, other) in zip(*asked, strict=True)
        if (found := compare(one, other, _rules(what, one))).outcome == "mismatch"
    ]
    assert different == []


def test_the_visitors_meet_what_an_application_answers(sides: tuple[Gateway, Gateway]) -> None:
    """A comparison of nothing but errors would prove little."""
    seen: set[int] = set()
    with httpx.Client(base_url=sides[0].url) as http:
        http.event_hooks["response"] = [lambda got: seen.add(got.status_code)]
        for story in STORIES.values():
            story(http)
            http.cookies.clear()
    assert seen >= {200, 204, 302, 400, 401, 403, 404, 422}
    assert not any(status >= 500 for status in seen)


def test_who_signed_in_at_flask_is_signed_in_at_fastapi(sides: tuple[Gateway, Gateway]) -> None:
    """Basket, messages and login are in Flask's session, which both read and write."""
    flask, fastapi = sides
    with httpx.Client(base_url=flask.url) as http:
        http.post("/basket", data={"product_id": "1", "quantity": "3"})
        sign_in(http, "ann", "annes tea")
        cookies = http.cookies
    with httpx.Client(base_url=fastapi.url, cookies=cookies) as http:
        page = http.get("/basket").text
        assert "Orders of ann" in page
        assert "3 x Assam" in page
        assert "Hello, ann." in page
        assert "Hello, ann." not in http.get("/basket").text


@pytest.mark.parametrize("path", ["/", "/products/1", "/api/products/1", "/products/1/picture"])
def test_head_is_answered_as_get_without_a_body(sides: tuple[Gateway, Gateway], path: str) -> None:
    """Flask has HEAD on every route with GET; monitors ask so."""
    for side in sides:
        head, get = httpx.head(side.url + path), httpx.get(side.url + path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Length"] == get.headers["Content-Length"]


def _rules(what: str, flask: Answer) -> Rules:
    if "/static/" in what:
        return STATIC
    return BODILESS if flask.status in {204, 302} else RULES
