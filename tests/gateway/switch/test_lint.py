"""What usually differs between Flask and FastAPI: measured, and told from the routes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from flask import Flask, redirect, request
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from werkzeug.wrappers import Response as FlaskResponse

from gateway.config import read
from gateway.loading import load_services
from gateway.migration import migrations
from gateway.migration_lint import lint
from gateway.switch.report.lint import Caution
from tests.gateway.projects import write_project

AT = dt.datetime(2026, 11, 22, 10, tzinfo=dt.UTC)


class Body(BaseModel):
    """A body that is validated."""

    n: int
    password: str = ""


class Told(BaseModel):
    """An answer that is declared."""

    at: dt.datetime
    price: Decimal


def make_web() -> Flask:
    web = Flask(__name__, static_folder=None)
    web.config["PROPAGATE_EXCEPTIONS"] = False

    @web.get("/json")
    def answer() -> dict[str, Any]:
        return {"z": "ü", "at": AT, "price": Decimal("1.10")}

    @web.get("/slash/")
    def slash() -> str:
        return "with"

    @web.get("/loose/", strict_slashes=False)
    def loose() -> str:
        return "with or without"

    @web.get("/bare")
    def bare() -> str:
        return "Hello"

    @web.post("/away")
    def away() -> FlaskResponse:
        return redirect("/bare")

    @web.get("/i/<int:n>")
    def number(n: int) -> dict[str, int]:
        return {"n": n}

    @web.get("/q")
    def query() -> dict[str, Any]:
        return {"v": request.args.get("v"), "n": request.args.get("n", type=int)}

    @web.post("/body")
    def body() -> dict[str, Any]:
        return {"n": request.get_json()["n"]}

    @web.get("/boom")
    def boom() -> str:
        raise RuntimeError("boom")

    return web


def make_api() -> FastAPI:
    api = FastAPI()

    @api.get("/json", response_model=None)
    async def answer() -> dict[str, Any]:
        return {"z": "ü", "at": AT, "price": Decimal("1.10")}

    @api.get("/declared")
    async def declared() -> Told:
        return Told(at=AT, price=Decimal("1.10"))

    add_texts(api)

    @api.get("/i/{n}")
    async def number(n: int) -> dict[str, int]:
        return {"n": n}

    @api.get("/q")
    async def query(v: str = "", n: int | None = None) -> dict[str, Any]:
        return {"v": v, "n": n}

    @api.post("/body")
    async def body(given: Body) -> dict[str, int]:
        return {"n": given.n}

    return api


def add_texts(api: FastAPI) -> None:
    @api.get("/slash/")
    async def slash() -> str:
        return "with"

    @api.get("/loose/")
    async def loose() -> str:
        return "with or without"

    @api.get("/bare")
    async def bare() -> str:
        return "Hello"

    @api.post("/away", response_class=RedirectResponse)
    async def away() -> str:
        return "/bare"

    @api.get("/boom")
    async def boom() -> str:
        raise RuntimeError("boom")


Both = Callable[..., Any]


@pytest.fixture
def both() -> Both:
    """Asks both services the same: Flask's answer and FastAPI's."""
    clients = [
        httpx.Client(
            transport=httpx.WSGITransport(make_web(), raise_app_exceptions=False),
            base_url="http://gateway.test",
        )
    ]
    transport = httpx.ASGITransport(make_api(), raise_app_exceptions=False)

    async def ask(method: str, target: str, **given: Any) -> tuple[httpx.Response, httpx.Response]:
        legacy = clients[0].request(method, target, **given)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as client:
            return legacy, await client.request(method, target, **given)

    return ask


# --- The table, measured --------------------------------------------------------------------------


async def test_json_dates_and_decimals(both: Both) -> None:
    """Keys, letters, the newline, dates and decimals; a declared Decimal is text, as Flask's is."""
    web, api = await both("GET", "/json")
    flask = b'{"at":"Sun, 22 Nov 2026 10:00:00 GMT","price":"1.10","z":"\\u00fc"}\n'
    assert web.content == flask
    assert api.content == '{"z":"ü","at":"2026-11-22T10:00:00+00:00","price":1.1}'.encode()
    _, api = await both("GET", "/declared")
    assert api.content == b'{"at":"2026-11-22T10:00:00Z","price":"1.10"}'


@pytest.mark.parametrize(
    ("method", "target", "flask", "fastapi"),
    [
        ("HEAD", "/bare", 200, 405),
        ("OPTIONS", "/bare", 200, 405),
        ("GET", "/slash", 308, 307),
        ("GET", "/loose", 200, 307),
        ("GET", "/bare/", 404, 307),
        ("POST", "/away", 302, 307),
        ("GET", "/i/abc", 404, 422),
        ("GET", "/i/-1", 404, 200),
        ("GET", "/q?n=x", 200, 422),
        ("GET", "/nowhere", 404, 404),
        ("GET", "/boom", 500, 500),
    ],
)
async def test_statuses(both: Both, method: str, target: str, flask: int, fastapi: int) -> None:
    """As the table has them."""
    web, api = await both(method, target)
    assert (web.status_code, api.status_code) == (flask, fastapi)


async def test_repeated_query_parameters(both: Both) -> None:
    """The first counts, and the last."""
    web, api = await both("GET", "/q?v=1&v=2")
    assert (web.json()["v"], api.json()["v"]) == ("1", "2")
    web, _ = await both("GET", "/q?n=x")
    assert web.json()["n"] is None


async def test_bodies_that_are_refused(both: Both) -> None:
    """By 400 and 415, and by 422 alike, which repeats the input."""
    web, api = await both(
        "POST", "/body", content="{", headers={"content-type": "application/json"}
    )
    assert (web.status_code, api.status_code) == (400, 422)
    web, api = await both(
        "POST", "/body", content='{"n": 1}', headers={"content-type": "text/plain"}
    )
    assert (web.status_code, api.status_code) == (415, 422)
    _, api = await both("POST", "/body", json={"n": "x", "password": ["hunter2"]})
    assert "hunter2" in api.text


async def test_errors(both: Both) -> None:
    """HTML, JSON, and a text."""
    web, api = await both("GET", "/nowhere")
    assert web.headers["content-type"].startswith("text/html")
    assert api.json() == {"detail": "Not Found"}
    web, api = await both("GET", "/boom")
    assert web.headers["content-type"].startswith("text/html")
    assert api.headers["content-type"].startswith("text/plain")
    assert api.text == "Internal Server Error"


async def test_returned_texts(both: Both) -> None:
    """HTML, and JSON in quotes."""
    web, api = await both("GET", "/bare")
    assert web.headers["content-type"].startswith("text/html")
    assert (web.text, api.text) == ("Hello", '"Hello"')


# --- The same, told from the routes ---------------------------------------------------------------


PROJECT = """
    [[mounts]]
    name = "web"
    app = "tests.gateway.switch.test_lint:make_web"
    factory = true
    [[mounts]]
    name = "api"
    app = "APP"
    factory = true
    [[mounts]]
    name = "front"
    prefix = "/front"
    switch = { legacy = "web", candidate = "api" }
"""


def cautions(tmp_path: Path, factory: str = "make_api") -> list[Caution]:
    toml = PROJECT.replace("APP", f"tests.gateway.switch.test_lint:{factory}")
    configuration = read(write_project(tmp_path, toml))
    services = load_services(configuration)
    (migration,) = migrations(configuration.checked(), services)
    return lint(migration)


def cases(found: list[Caution], route: str) -> set[str]:
    return {one.case.partition(" (")[0] for one in found if one.route == route}


ANYWHERE = {"an error, such as 404", "an exception that nobody catches"}
GET = {"HEAD, OPTIONS", "JSON", *ANYWHERE}


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("GET /json", {*GET, "datetime, Decimal", "a slash too many at the end"}),
        ("GET /slash/", {*GET, "the slash at the end is missing", "a returned text"}),
        ("GET /loose/", {*GET, "the slash at the end is missing", "a returned text"}),
        ("GET /bare", {*GET, "a slash too many at the end", "a returned text"}),
        ("POST /away", {*ANYWHERE, "a slash too many at the end", "redirect()"}),
        (
            "GET /i/{}",
            {
                *GET,
                "a slash too many at the end",
                "<int:n>: a text, and a negative number",
                "input that is refused",
            },
        ),
        (
            "GET /q",
            {
                *GET,
                "datetime",
                "a slash too many at the end",
                "a query parameter twice",
                "a query parameter that does not fit",
                "input that is refused",
            },
        ),
        (
            "POST /body",
            {
                *ANYWHERE,
                "JSON",
                "a slash too many at the end",
                "a body that is no JSON; one that is not called JSON",
                "input that is refused",
            },
        ),
    ],
)
def test_each_route_is_warned_of_what_it_may_meet(
    tmp_path: Path, route: str, expected: set[str]
) -> None:
    """And of nothing else."""
    assert cases(cautions(tmp_path), route) == expected


def test_each_caution_says_what_both_do_and_what_to_do(tmp_path: Path) -> None:
    """With the parameters that it is about."""
    found = cautions(tmp_path)
    assert all(one.flask and one.fastapi and one.mend for one in found)
    (number,) = (one for one in found if one.case.startswith("<int:n>"))
    assert (number.flask, number.fastapi) == ("404 and 404", "422 and 200")
    assert "{n:int}" in number.mend
    (slash,) = (one for one in found if one.route == "GET /slash/" and "missing" in one.case)
    assert slash.mend == "statuses = [[307, 308]]"
    (loose,) = (one for one in found if one.route == "GET /loose/" and "missing" in one.case)
    assert "both paths" in loose.mend
    (twice,) = (one for one in found if "twice" in one.case)
    assert "(v, n)" in twice.case
    (refused,) = (one for one in found if "does not fit" in one.case)
    assert "(n)" in refused.case


def make_mended() -> FastAPI:
    """A candidate that does what was said."""
    api = FastAPI(redirect_slashes=False)

    @api.exception_handler(HTTPException)
    @api.exception_handler(RequestValidationError)
    @api.exception_handler(Exception)
    async def error(request: Request, error: Exception) -> Response:
        return HTMLResponse("<h1>Error</h1>", 500)

    @api.api_route("/bare", methods=["GET", "HEAD", "OPTIONS"], response_class=HTMLResponse)
    async def bare() -> str:
        return "Hello"

    @api.get("/i/{n:int}", response_class=HTMLResponse)
    async def number(n: int) -> str:
        return str(n)

    @api.get("/q", response_class=HTMLResponse)
    async def query(v: Annotated[list[str] | None, Query()] = None) -> str:
        return str(v)

    @api.get("/json", response_model=list[Told] | None)
    async def declared() -> JSONResponse:
        return JSONResponse(None)

    return api


def test_what_is_mended_is_not_warned_of(tmp_path: Path) -> None:
    """Or nobody would look again."""
    found = cautions(tmp_path, "make_mended")
    assert cases(found, "GET /bare") == set()
    assert cases(found, "GET /i/{}") == {"HEAD, OPTIONS"}
    assert cases(found, "GET /q") == {"HEAD, OPTIONS"}


def test_dates_are_seen_within_models(tmp_path: Path) -> None:
    """At any depth of what a route declares."""
    found = cautions(tmp_path, "make_mended")
    (dates,) = (one for one in found if one.case.startswith("datetime"))
    assert dates.route == "GET /json"
    assert dates.case == "datetime (datetime in the answer)"


def make_other() -> Flask:
    """No FastAPI at all."""
    return make_web()


def test_other_frameworks_are_not_judged(tmp_path: Path) -> None:
    """The table is about these two."""
    assert cautions(tmp_path, "make_other") == []
