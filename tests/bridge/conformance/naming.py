"""Headers, paths and names, as the environ has them."""

from __future__ import annotations

import contextvars
import io
import os
import sys
import time
from typing import Any

from tests.bridge.conformance.cases import Adapt, Recorded, Section
from tests.bridge.driver import ask

case = Section("Headers, paths, names")


async def environ_of(adapt: Adapt, path: str = "/", **options: Any) -> dict[str, Any]:
    app = Recorded(dict)
    await ask(adapt(app), path, **options)
    seen: dict[str, Any] = app.seen
    return seen


@case("a header name with an underscore does not reach the application")
async def underscore(adapt: Adapt) -> None:
    headers = [(b"x_forwarded_for", b"evil"), (b"x-forwarded-for", b"good")]
    environ = await environ_of(adapt, headers=headers)
    assert environ["HTTP_X_FORWARDED_FOR"] == "good"


@case("`Proxy` does not become HTTP_PROXY")
async def httpoxy(adapt: Adapt) -> None:
    assert "HTTP_PROXY" not in await environ_of(adapt, headers=[(b"proxy", b"http://evil")])


@case("several Cookie lines are joined by `; `, other headers by a comma")
async def cookies(adapt: Adapt) -> None:
    headers = [(b"cookie", b"a=1"), (b"x-a", b"1"), (b"cookie", b"b=2"), (b"x-a", b"2")]
    environ = await environ_of(adapt, headers=headers)
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["HTTP_X_A"].replace(" ", "") == "1,2"


@case("a header that is repeated 40,000 times costs linear time")
async def many_copies(adapt: Adapt) -> None:
    async def cost(copies: int) -> float:
        before = time.process_time()
        await environ_of(adapt, headers=[(b"x-a", b"v" * 20)] * copies)
        return time.process_time() - before

    few = min([await cost(10_000) for _ in range(3)])
    # Four times where it is linear, sixteen times and more where it is not.
    ratios: list[float] = []
    while len(ratios) < 3 and min(ratios, default=10.0) >= 10.0:
        ratios.append(await cost(40_000) / few)
    assert min(ratios) < 10.0, ratios


@case("bytes of a path survive")
async def path_bytes(adapt: Adapt) -> None:
    environ = await environ_of(adapt, "/a\ufffdb", raw_path=b"/a%FFb")
    assert environ["PATH_INFO"].encode("latin-1") == b"/a\xffb"


@case("a path of UTF-8 is passed as PEP 3333 says")
async def path_utf8(adapt: Adapt) -> None:
    environ = await environ_of(adapt, "/grün", raw_path=b"/gr%C3%BCn")
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/grün"


@case("a query string of any bytes is passed on")
async def query_bytes(adapt: Adapt) -> None:
    environ = await environ_of(adapt, query=b"q=\xff\xfe")
    assert environ["QUERY_STRING"].encode("latin-1") == b"q=\xff\xfe"


@case("the prefix is in SCRIPT_NAME and not in PATH_INFO")
async def prefix(adapt: Adapt) -> None:
    environ = await environ_of(adapt, "/shop/items", root_path="/shop")
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/shop", "/items")


@case("an environment variable SCRIPT_NAME is ignored")
async def script_name_variable(adapt: Adapt) -> None:
    os.environ["SCRIPT_NAME"] = "/evil"
    try:
        environ = await environ_of(adapt, "/shop/items", root_path="/shop")
    finally:
        del os.environ["SCRIPT_NAME"]
    assert environ["SCRIPT_NAME"] == "/shop"


@case("`wsgi.errors` is standard error")
async def errors(adapt: Adapt) -> None:
    app = Recorded(lambda e: e["wsgi.errors"].write("a line for the log\n"))
    stream, sys.stderr = sys.stderr, io.StringIO()
    try:
        await ask(adapt(app))
        written = sys.stderr.getvalue()
    finally:
        sys.stderr = stream
    assert "a line for the log" in written


@case("CONTENT_TYPE and CONTENT_LENGTH have no HTTP_ in front")
async def special_names(adapt: Adapt) -> None:
    headers = [(b"content-type", b"text/x"), (b"content-length", b"1")]
    environ = await environ_of(adapt, method="POST", body=[b"x"], headers=headers)
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("text/x", "1")
    assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} & set(environ)


@case("the ASGI scope and the request's contextvars reach the application")
async def context(adapt: Adapt) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("of the request")
    app = Recorded(lambda e: (variable.get(), e["asgi.scope"]["type"]))
    await ask(adapt(app))
    assert app.seen == ("of the request", "http")
