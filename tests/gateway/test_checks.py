"""What `gateway check` finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from gateway.checks import Finding, findings
from gateway.config import Settings
from gateway.loading import Service, interface_of

TOKEN = "of-the-test-and-long-enough"
PRODUCTION: dict[str, Any] = {"environment": "production", "admin": {"token": TOKEN}}


def flask_app(key: str = "a-key-of-the-test", **config: Any) -> Flask:
    app = Flask("of_the_test")
    app.secret_key = key
    app.config.update(config)
    return app


def found(
    apps: Mapping[str, Any], environ: Mapping[str, str] | None = None, **settings: Any
) -> list[Finding]:
    """The findings for apps by prefix, each mount named after its prefix."""
    mounts = [
        {"name": prefix.strip("/").replace("/", "-") or "root", "prefix": prefix, "app": "a:b"}
        for prefix in apps
    ]
    sound = Settings.model_validate({"mounts": mounts, **settings})
    services = [
        Service(mount, app, interface_of(app) or "asgi")
        for mount, app in zip(sound.mounts, apps.values(), strict=True)
    ]
    return findings(sound, services, environ or {})


def places(of: list[Finding]) -> list[str]:
    """Where the findings are."""
    return [finding.where for finding in of]


def with_route(app: Flask, rule: str) -> Flask:
    app.add_url_rule(rule, rule, lambda **_: "")
    return app


def test_a_sound_setup_has_no_findings() -> None:
    """Flask and FastAPI under prefixes of their own, sharing a session."""
    assert found({"/flask": flask_app(), "/fastapi": FastAPI()}) == []


@pytest.mark.parametrize(
    ("rule", "hidden"),
    [("/api/items", True), ("/api/<name>", True), ("/apis", False), ("/<name>/items", False)],
)
def test_a_route_under_another_mount_s_longer_prefix_is_never_reached(
    rule: str, hidden: bool
) -> None:
    """A Flask app at the root may have routes where the new API was mounted."""
    of = found({"/": with_route(flask_app(), rule), "/api": FastAPI()})
    assert [finding.where for finding in of if rule in finding.what] == (
        ['mount "root"'] if hidden else []
    )


def test_documentation_of_two_services_on_one_url() -> None:
    """Only one of them can be read."""
    of = found({"/": FastAPI(docs_url="/api/docs"), "/api": FastAPI()})
    assert any("documentation is at /api/docs" in finding.what for finding in of)


def rooted_fastapi() -> FastAPI:
    app = FastAPI()
    app.root_path = "/v1"  # as the deprecated argument sets it
    return app


@pytest.mark.parametrize(
    "app", [rooted_fastapi(), flask_app(APPLICATION_ROOT="/v1")], ids=["fastapi", "flask"]
)
def test_a_root_path_inside_a_service(app: Any) -> None:
    """The mount has one already."""
    assert [f.where for f in found({"/x": app}) if "/v1" in f.what] == ['mount "x"']


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        (flask_app("one-key-of-the-test"), flask_app("another-key-of-the-test"), True),
        (flask_app(), flask_app(), False),
        (flask_app("one-key-of-the-test"), flask_app("other", SESSION_COOKIE_NAME="x"), False),
        (
            flask_app(),
            Starlette(middleware=[Middleware(SessionMiddleware, secret_key="a-key-of-the-test")]),
            True,
        ),
        (flask_app(), Starlette(), False),
    ],
    ids=["two keys", "one key", "two names", "Starlette's own", "none"],
)
def test_session_cookies_that_overwrite_each_other(first: Any, second: Any, clash: bool) -> None:
    """One name, one path, and keys that differ."""
    of = found({"/a": first, "/b": second})
    assert [f.where for f in of if "session cookie" in f.what] == (['mount "b"'] if clash else [])


def test_a_flask_app_in_middleware_shares_nothing_and_that_is_said() -> None:
    """Silently it would mean one login less."""
    wrapped = ProxyFix(flask_app())
    assert places(found({"/a": wrapped, "/b": FastAPI()})) == ["session.shared"]
    assert found({"/a": wrapped, "/b": FastAPI()}, session={"shared": False}) == []


def test_the_session_of_a_mount_that_has_none() -> None:
    """A FastAPI mount has no session settings to share."""
    of = found({"/a": flask_app(), "/b": FastAPI()}, session={"mount": "b"})
    assert "session.mount" in places(of)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_each_worker_would_have_for_itself(workers: int) -> None:
    """Caches and rate limits in memory are one for each process."""
    of = found(
        {"/a": flask_app(CACHE_TYPE="SimpleCache")},
        server={"workers": workers},
        edge={"rate_limit": "100/minute"},
    )
    expected = {"edge.rate_limit_store", 'mount "a"'} if workers > 1 else set()
    assert set(places(of)) == expected


def test_sqlite_in_production() -> None:
    """A replica has a file of its own."""
    environ = {"SHOP_DATABASE_URL": "sqlite:///shop.db", "OTHER_DATABASE_URL": "postgresql://x"}
    hosts: dict[str, Any] = {"edge": {"allowed_hosts": ["example.com"]}}
    assert places(found({"/a": Starlette()}, environ, **PRODUCTION, **hosts)) == [
        "SHOP_DATABASE_URL"
    ]
    assert found({"/a": Starlette()}, environ) == []


def test_an_edge_that_believes_everyone() -> None:
    """Proxies, hosts and origins."""
    edge = {"trusted_proxies": ["*"], "cors_origins": ["*"], "cors_credentials": True}
    of = found({"/a": Starlette()}, edge=edge, **PRODUCTION)
    assert places(of) == ["edge.trusted_proxies", "edge.allowed_hosts", "edge.cors_origins"]


def test_more_connections_than_the_system_allows() -> None:
    """The limit would be reached by an error of the system instead."""
    assert places(found({"/a": Starlette()}, server={"connections": 1_000_000})) == [
        "server.connections"
    ]


def test_each_finding_has_its_mend() -> None:
    """Whoever reads it knows what to do."""
    of = found({"/a": rooted_fastapi()}, server={"connections": 1_000_000})
    assert all(finding.mend and finding.mend in str(finding) for finding in of)


@pytest.mark.parametrize(
    ("of_the_edge", "of_the_mount", "counted"),
    [("10/minute", "", True), ("off", "5/minute", True), ("10/minute", "off", False)],
)
def test_workers_that_count_for_themselves_are_found_where_something_is_counted(
    of_the_edge: str, of_the_mount: str, counted: bool
) -> None:
    """A limit that no mount has is none."""
    mount = {"name": "api", "prefix": "/api", "app": "a:b", "rate_limit": of_the_mount}
    settings = Settings.model_validate(
        {"mounts": [mount], "server": {"workers": 2}, "edge": {"rate_limit": of_the_edge}}
    )
    of = findings(settings, [Service(settings.mounts[0], FastAPI(), "asgi")], {})
    assert ("edge.rate_limit_store" in places(of)) is counted
