"""Prefix lookup against a plain reference, and the scope below a prefix."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from flask import Flask, redirect, request, url_for
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import Receive, Scope, Send
from werkzeug.wrappers import Response

from gateway.adapters import adapt
from gateway.config import MountSettings, ServerSettings
from gateway.exchange import ExchangeMiddleware
from gateway.mounts import Mount, MountTable, child_scope
from gateway.problems import NotFound


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None: ...


def table(*prefixes: str, hosts: tuple[tuple[str, str], ...] = ()) -> MountTable:
    mounts = [Mount(prefix, _nothing, name=prefix) for prefix in prefixes]
    mounts += [Mount(prefix, _nothing, host, name=f"{host}{prefix}") for host, prefix in hosts]
    return MountTable(mounts, otherwise=_nothing)


def found(mounts: MountTable, path: str, host: str = "") -> str | None:
    mount = mounts.find(path, host)
    return mount.name if mount else None


@pytest.mark.parametrize(
    ("path", "prefix"),
    [
        ("/flask", "/flask"),
        ("/flask/", "/flask"),
        ("/flask/items/1", "/flask"),
        ("/flaskfoo", None),
        ("/Flask", None),
        ("/flask/admin", "/flask/admin"),
        ("/flask/admin/x", "/flask/admin"),
        ("/flask/administrator", "/flask"),
        ("/", None),
        ("", None),
        ("//flask", None),
        ("/other/flask", None),
    ],
)
def test_the_longest_prefix_of_whole_segments_wins(path: str, prefix: str | None) -> None:
    """`/flask` serves itself and what is below, never `/flaskfoo`."""
    assert found(table("/flask", "/flask/admin"), path) == prefix


def test_a_mount_at_the_root_takes_the_rest() -> None:
    """The root is the shortest prefix of everything."""
    mounts = table("/", "/api")
    assert found(mounts, "/anything") == "/"
    assert found(mounts, "/") == "/"
    assert found(mounts, "/api/x") == "/api"


SEGMENTS = st.sampled_from(["a", "b", "ab", "a.b"])
PATHS = st.lists(SEGMENTS, max_size=5).map(lambda parts: "/" + "/".join(parts))


@given(st.sets(PATHS, max_size=12), PATHS, st.booleans())
def test_lookup_agrees_with_a_plain_reference(
    prefixes: set[str], path: str, trailing: bool
) -> None:
    """The lookup finds what trying every prefix would."""
    path = f"{path}/" if trailing else path
    plain = [p for p in prefixes if p in {"/", path} or path.startswith(f"{p}/")]
    assert found(table(*prefixes), path) == max(plain, key=len, default=None)


def test_lookup_takes_no_more_steps_with_more_mounts() -> None:
    """The work depends on the depth of the prefixes, not on their number: every step is counted."""

    def steps(count: int) -> int:
        mounts = table(*(f"/m{n}" for n in range(count)))
        taken = 0

        def trace(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal taken
            taken += event == "line"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            found = mounts.find(f"/m{count - 1}/a/b/c/d/e/f")
        finally:
            sys.settrace(before)
        assert found is not None
        return taken

    assert steps(2) == steps(10_000)


@pytest.mark.parametrize(
    ("host", "mount"),
    [
        ("api.example.com", "api.example.com/x"),
        ("API.example.com:8000", "api.example.com/x"),
        ("api.example.com.", "api.example.com/x"),
        ("www.example.com", "*.example.com/x"),
        ("a.b.example.com", "*.b.example.com/x"),
        ("example.com", "/x"),
        ("evil-example.com", "/x"),
        ("[::1]:8000", "[::1]/x"),
        ("", "/x"),
    ],
)
def test_a_mount_for_the_request_s_host_comes_first(host: str, mount: str) -> None:
    """The host's own mount, then the longest wildcard, then any host."""
    hosts = tuple(
        (name, "/x") for name in ("api.example.com", "*.example.com", "*.b.example.com", "[::1]")
    )
    assert found(table("/x", hosts=hosts), "/x/y", host) == mount


def test_what_a_host_does_not_mount_falls_to_any_host() -> None:
    """Mounts without a host answer for every host."""
    mounts = table("/y", hosts=(("api.example.com", "/x"),))
    assert found(mounts, "/y", "api.example.com") == "/y"
    assert found(mounts, "/x", "other.example.com") is None


def scope_of(path: str, **more: Any) -> Scope:
    return {"type": "http", "path": path, "raw_path": path.encode(), "headers": [], **more}


def test_the_service_sees_nothing_of_the_root_application() -> None:
    """A leaked router would send `url_for` to the gateway's routes."""
    scope = scope_of("/x/y", app=1, router=2, route=3, endpoint=4, path_params={}, app_root_path="")
    child = child_scope(scope, Mount("/x", _nothing))
    assert set(child) == {"type", "path", "raw_path", "headers", "root_path", "state"}
    assert (child["path"], child["root_path"]) == ("/x/y", "/x")


def test_a_request_cannot_change_the_service_s_state() -> None:
    """Each request gets its own copy, as ASGI's lifespan state is defined."""
    state = {"pool": 1}
    child = child_scope(scope_of("/x"), Mount("/x", _nothing, state=state))
    child["state"]["mine"] = 2
    assert state == {"pool": 1}


@pytest.mark.parametrize(
    ("may_be_empty", "path"), [(False, "/x/"), (True, "/x")], ids=["asgi", "wsgi"]
)
def test_a_prefix_without_its_slash(may_be_empty: bool, path: str) -> None:
    """ASGI services get the slash; WSGI knows an empty PATH_INFO."""
    child = child_scope(scope_of("/x"), Mount("/x", _nothing, path_may_be_empty=may_be_empty))
    assert (child["path"], child["raw_path"]) == (path, path.encode())


def both_stacks() -> dict[str, Any]:
    flask_app = Flask("web")

    @flask_app.get("/")
    def index() -> str:
        return url_for("index", _external=True)

    @flask_app.get("/where/")
    def where() -> dict[str, str]:
        return {
            "external": url_for("where", _external=True),
            "path": url_for("where"),
            "root": request.script_root,
        }

    @flask_app.get("/go")
    def go() -> Response:
        answer = redirect(url_for("where"))
        answer.set_cookie("seen", "1", path=request.script_root or "/")
        return answer

    fastapi_app = FastAPI()

    @fastapi_app.get("/", name="index")
    async def root(request: Request) -> str:
        return str(request.url_for("index"))

    @fastapi_app.get("/where/", name="where")
    async def fastapi_where(request: Request) -> dict[str, str]:
        return {
            "external": str(request.url_for("where")),
            "path": request.url_for("where").path,
            "root": request.scope["root_path"],
        }

    settings = MountSettings(name="web", prefix="/", app="x:y")
    return {"flask": adapt(flask_app, settings, ServerSettings()), "fastapi": fastapi_app}


def client_at(prefix: str, stack: str, root_path: str = "") -> httpx.AsyncClient:
    mounts = [Mount(prefix, both_stacks()[stack], path_may_be_empty=stack == "flask")]
    table = MountTable(mounts, otherwise=NotFound("Nothing."))
    app = Starlette(routes=[table], middleware=[Middleware(ExchangeMiddleware)])
    transport = httpx.ASGITransport(app=app, root_path=root_path)
    return httpx.AsyncClient(transport=transport, base_url="http://public.test")


@pytest.mark.parametrize("stack", ["flask", "fastapi"])
@pytest.mark.parametrize("prefix", ["/", "/shop", "/a/b"])
async def test_urls_carry_the_prefix(stack: str, prefix: str) -> None:
    """`url_for` and the root path are right in both stacks, under any prefix."""
    root = prefix.rstrip("/")
    async with client_at(prefix, stack) as client:
        answer = (await client.get(f"{root}/where/")).json()
    assert answer == {
        "external": f"http://public.test{root}/where/",
        "path": f"{root}/where/",
        "root": root,
    }


@pytest.mark.parametrize("stack", ["flask", "fastapi"])
@pytest.mark.parametrize("prefix", ["/", "/shop"])
async def test_a_slash_redirect_keeps_host_and_prefix(stack: str, prefix: str) -> None:
    """A missing slash leads to the public address in both stacks."""
    root = prefix.rstrip("/")
    async with client_at(prefix, stack) as client:
        answer = await client.get(f"{root}/where")
    assert answer.status_code == (308 if stack == "flask" else 307)
    assert answer.headers["location"] == f"http://public.test{root}/where/"


@pytest.mark.parametrize("stack", ["flask", "fastapi"])
async def test_the_prefix_without_its_slash_reaches_the_root_view(stack: str) -> None:
    """`/shop` ends at the same view as `/shop/`, in both stacks."""
    async with client_at("/shop", stack) as client:
        answer = await client.get("/shop?q=1", follow_redirects=True)
    assert answer.status_code == 200
    assert "http://public.test/shop/" in answer.text


async def test_redirects_and_cookies_of_flask_carry_the_prefix() -> None:
    """SCRIPT_NAME reaches `redirect` and cookie paths."""
    async with client_at("/shop", "flask") as client:
        answer = await client.get("/shop/go")
    assert answer.headers["location"] == "/shop/where/"
    assert "Path=/shop" in answer.headers["set-cookie"]


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_the_documentation_finds_the_schema_under_the_prefix(path: str) -> None:
    """FastAPI's pages and its schema name the public address."""
    async with client_at("/shop", "fastapi") as client:
        page = (await client.get(f"/shop{path}")).text
        schema = (await client.get("/shop/openapi.json")).json()
    assert "/shop/openapi.json" in page
    assert schema["servers"] == [{"url": "/shop"}]


async def test_a_path_outside_every_prefix_is_a_problem_document() -> None:
    """What no mount has is the gateway's own 404."""
    async with client_at("/shop", "flask") as client:
        answer = await client.get("/shopping")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "root_path", "status"),
    [
        ("/apps/shop/a%2Fb", "", 200),
        ("/apps%2Fshop/a", "", 400),
        ("/apps/shop%2Fa", "", 400),
        ("/apps/a%2Fb", "", 200),
        ("/a%2Fb", "", 200),
        ("/all/apps%2Fshop/a", "/all", 400),
        ("/all/apps/shop/a%2Fb", "/all", 200),
    ],
)
async def test_an_encoded_slash_does_not_decide_who_answers(
    path: str, root_path: str, status: int
) -> None:
    """Within a prefix it is refused; what a service makes of one is the service's affair."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    mounts = [Mount(prefix, answer) for prefix in ("/apps/shop", "/apps", "")]
    app = ExchangeMiddleware(MountTable(mounts, otherwise=_nothing))
    transport = httpx.ASGITransport(app, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        answered = await http.get(path)
    assert answered.status_code == status
