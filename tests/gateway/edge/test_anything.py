"""Anything at all, asked of the whole edge over both stacks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from services.catalog.settings import CatalogSettings
from services.fastapi_service import create_app
from tests.gateway.edge.driving import Front, both, front, service

EVERYTHING = {
    "trusted_proxies": ["198.51.100.0/24", "unix"],
    "allowed_hosts": ["public.test", "*.example", "localhost"],
    "concurrency": 100,
    "rate_limit": "1000000/second",
    "rate_limit_key": "header:X-Key",
    "security_headers": {"X-Frame-Options": "DENY"},
    "cors_origins": ["https://app.example"],
    "cors_headers": ["Authorization"],
    "compression": True,
}
BOUNDED = settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


class Running:
    """A gateway that outlives the examples of a test."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()

    def start(self, *services: Any, **more: Any) -> Front:
        return self._runner.run(self._stack.enter_async_context(front(*services, **more)))

    def run(self, coroutine: Any) -> Any:
        return self._runner.run(coroutine)

    def stop(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    one = Running()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def gateway(running: Running) -> Front:
    """With everything on, and admin endpoints behind a token."""
    return running.start(*both(), edge=EVERYTHING, admin={"token": "correct-horse-battery"})


TOKEN = st.text(
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCXYZ", min_size=1, max_size=20
)
METHODS = st.one_of(
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"]),
    TOKEN,
)
SEGMENT = st.one_of(
    st.sampled_from(
        ["seen", "turn", "slash", "read", "text", "own-headers", "docs", "", ".", ".."]
    ),
    st.sampled_from(
        ["%2e%2e", "%2F", "%5c..", "%00", "%0d%0a", "%ff", "%C3%A9", "a;b", "a:b", "@"]
    ),
    st.binary(max_size=6).map(quote),
)
PATHS = st.builds(
    lambda mount, segments, query: (mount + "".join(f"/{s}" for s in segments), query),
    st.sampled_from(["", "/flask", "/old", "/fastapi", "/_gateway", "/flask%2f", "/FLASK"]),
    st.lists(SEGMENT, max_size=4),
    st.one_of(st.just(b""), st.binary(max_size=20).map(lambda raw: quote(raw).encode())),
).filter(lambda target: target[0].startswith("/") and not target[0].endswith("/fail"))
# What a server lets through: no line ends, no NUL (RFC 9110, section 5.5).
VALUE = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=30).map(
    str.strip
)
NAMES = st.one_of(
    TOKEN,
    st.sampled_from(
        [
            "Accept",
            "Accept-Encoding",
            "Access-Control-Request-Headers",
            "Access-Control-Request-Method",
            "Authorization",
            "Connection",
            "Content-Type",
            "Cookie",
            "Expect",
            "Forwarded",
            "If-Modified-Since",
            "If-None-Match",
            "Origin",
            "Proxy",
            "Range",
            "Sec-Fetch-Site",
            "Traceparent",
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "X-Forwarded-Prefix",
            "X-Forwarded-Proto",
            "X-Key",
            "X-Request-ID",
            "X_Forwarded_For",
        ]
    ),
).filter(lambda name: name.lower() not in {"content-length", "transfer-encoding", "host"})
TELLING = st.sampled_from(
    [
        "for=192.0.2.1;proto=https",
        "192.0.2.1, 10.0.0.1",
        "https",
        "shop.example",
        "/apps",
        "gzip, br, zstd",
        "text/html",
        "https://app.example",
        "cross-site",
        "bytes=0-1",
        "bytes=9-1,x",
        "Bearer x",
        "session=x.y.z; gateway_admin=a.b.c",
        "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
        "*",
        'W/"x", *',
        "multipart/form-data; boundary=",
        "application/x-www-form-urlencoded",
    ]
)
HEADERS = st.lists(st.tuples(NAMES, st.one_of(VALUE, TELLING)), max_size=6)
HOSTS = st.one_of(
    st.just("public.test"),
    st.sampled_from(
        ["a.example:8443", "localhost", "[::1]:80", "evil.test", "", ":80", "a b", "public.test:x"]
    ),
    VALUE,
)
BODIES = st.one_of(
    st.none(), st.binary(max_size=200), st.lists(st.binary(max_size=50), min_size=1, max_size=4)
)
CLIENTS = st.sampled_from([("198.51.100.7", 1), ("203.0.113.1", 1), ("::1", 1), None])


REQUESTS = st.fixed_dictionaries(
    {
        "method": METHODS,
        "target": PATHS,
        "headers": HEADERS,
        "host": HOSTS,
        "body": BODIES,
        "client": CLIENTS,
    }
)


@BOUNDED
@given(asked=REQUESTS)
def test_nothing_that_is_asked_makes_it_fail(
    running: Running, gateway: Front, asked: dict[str, Any]
) -> None:
    """Every request has one whole answer that is no error of the server's, with one ID."""
    raw, query = asked["target"]
    answer = running.run(
        gateway.ask(
            asked["method"],
            unquote(raw),
            [("Host", asked["host"]), *asked["headers"]],
            asked["body"],
            client=asked["client"],
            raw_path=raw.encode(),
            query_string=query,
        )
    )
    assert answer.raised is None
    assert answer.complete
    assert 200 <= answer.status < 500
    assert len([name for name, _ in answer.headers if name == "x-request-id"]) == 1
    assert answer.header("x-content-type-options") == "nosniff"
    for name, value in answer.headers:
        assert not set("\r\n\0") & set(name + value)
    if answer.header("content-type") == "application/problem+json":
        assert answer.json["status"] == answer.status
        assert answer.json["request_id"] == answer.header("x-request-id")


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    response_schema_conformance,
    content_type_conformance,
]


@pytest.fixture(scope="module")
def reference(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Front:
    """The reference service, with the edge on."""
    folder: Path = tmp_path_factory.mktemp("catalog")
    app = create_app(CatalogSettings(database_url=f"sqlite:///{folder / 'catalog.db'}"))
    return running.start(service(app, "fastapi"), edge=EVERYTHING)


@settings(BOUNDED, max_examples=150)
@given(data=st.data())
def test_the_reference_service_keeps_its_schema_through_the_gateway(
    running: Running, reference: Front, data: st.DataObject
) -> None:
    """Whatever the schema allows, and what it does not, is answered as the schema says."""
    document = running.run(reference.get("/fastapi/openapi.json")).json
    schema = schemathesis.openapi.from_dict(document)
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    operation = data.draw(st.sampled_from([one for one in operations if "/events" not in one.path]))
    mode = data.draw(st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE]))
    case = data.draw(operation.as_strategy(generation_mode=mode))
    answer = running.run(ask(reference, case))
    assert answer.headers.get_list("x-request-id") != []
    case.validate_response(answer, checks=CHECKS)


async def ask(gateway: Front, case: Any) -> httpx.Response:
    kwargs = case.as_transport_kwargs(base_url="http://public.test/fastapi")
    kwargs = {name: value for name, value in kwargs.items() if value is not None}
    cookies = kwargs.pop("cookies", {})
    if "data" in kwargs:
        kwargs["content"] = kwargs.pop("data")
    transport = httpx.ASGITransport(gateway.app)
    async with httpx.AsyncClient(transport=transport, cookies=cookies) as http:
        return await http.request(**kwargs)
