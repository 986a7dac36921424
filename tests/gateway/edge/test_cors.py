"""Pages of other origins that may read and write."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.edge.driving import MOUNTS, both, front, service

APP, EVIL = "https://app.example", "https://evil.test"
EDGE: dict[str, Any] = {
    "cors_origins": [APP],
    "cors_headers": ["Authorization"],
    "cors_credentials": True,
}


def preflight(origin: str, method: str = "PUT", headers: str = "authorization") -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
        "Sec-Fetch-Site": "cross-site",
    }


@pytest.mark.parametrize("mount", MOUNTS)
async def test_a_preflight_is_answered_for_both_stacks(mount: str) -> None:
    """The named origin may; another is told so; neither reaches the service."""
    async with front(edge=EDGE) as gateway:
        allowed = await gateway.ask("OPTIONS", f"{mount}/seen", preflight(APP))
        refused = await gateway.ask("OPTIONS", f"{mount}/seen", preflight(EVIL))
        header = await gateway.ask("OPTIONS", f"{mount}/seen", preflight(APP, headers="x-other"))
        method = await gateway.ask("OPTIONS", f"{mount}/seen", preflight(APP, "PURGE"))
    assert allowed.status == 200
    assert allowed.header("access-control-allow-origin") == APP
    assert allowed.header("access-control-allow-credentials") == "true"
    assert "PUT" in (allowed.header("access-control-allow-methods") or "")
    assert "Authorization" in (allowed.header("access-control-allow-headers") or "")
    assert (refused.status, refused.header("access-control-allow-origin")) == (400, None)
    assert (header.status, method.status) == (400, 400)


@pytest.mark.parametrize("mount", MOUNTS)
async def test_only_the_named_origin_may_read_and_write(mount: str) -> None:
    """Its pages are told that they may, others are not; and others' writes are refused."""
    async with front(edge=EDGE) as gateway:
        for origin, granted, status in ((APP, APP, 200), (EVIL, None, 403)):
            headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
            read = await gateway.ask("GET", f"{mount}/seen", headers)
            assert (read.status, read.header("access-control-allow-origin")) == (200, granted)
            assert "Origin" in (read.header("vary") or "")
            written = await gateway.ask("POST", f"{mount}/read", headers, b"x")
            assert (written.status, written.header("access-control-allow-origin")) == (
                status,
                granted,
            )
        assert (await gateway.get(f"{mount}/seen")).header("access-control-allow-origin") is None


@pytest.mark.parametrize("mount", ["/flask", "/fastapi"])
async def test_a_page_can_read_a_refusal(mount: str) -> None:
    """413, 429 and 500 carry the permission, so that a program learns what is wrong."""
    edge = {**EDGE, "rate_limit": "3/hour"}
    async with front(edge=edge, mount={"max_body_bytes": 10}) as gateway:
        headers = {"Origin": APP}
        answers = [
            await gateway.ask("POST", f"{mount}/read", headers, b"x" * 11),
            await gateway.ask("POST", f"{mount}/read", headers, [b"x" * 6, b"x" * 6]),
            await gateway.ask("GET", f"{mount}/fail", headers),
            await gateway.ask("GET", f"{mount}/seen", headers),
        ]
    assert [answer.status for answer in answers] == [413, 413, 500, 429]
    for answer in answers:
        assert answer.header("access-control-allow-origin") == APP
        exposed = (answer.header("access-control-expose-headers") or "").split(", ")
        assert {"X-Request-ID", "Retry-After", "RateLimit"} <= set(exposed)


async def test_a_mount_has_origins_of_its_own() -> None:
    """In place of the edge's; an empty list is none."""
    flask, old, fastapi = both()
    services = [
        service(flask.app, "flask", "wsgi", cors_origins=["https://Own.example"]),
        service(old.app, "old", "wsgi", cors_origins=[]),
        fastapi,
    ]
    async with front(*services, edge=EDGE) as gateway:
        granted = {
            (mount, origin): (await gateway.get(f"{mount}/seen", Origin=origin)).header(
                "access-control-allow-origin"
            )
            for mount in MOUNTS
            for origin in (APP, "https://own.example")
        }
    assert {pair: value for pair, value in granted.items() if value} == {
        ("/flask", "https://own.example"): "https://own.example",
        ("/fastapi", APP): APP,
    }


@pytest.mark.parametrize("mount", MOUNTS)
async def test_everyone_may_write_what_needs_no_cookie(mount: str) -> None:
    """With `*`, any page writes with a token of its own, and none with the user's cookies."""
    async with front(edge={"cors_origins": ["*"]}) as gateway:
        for extra, status in (
            ({}, 200),
            ({"Authorization": "Bearer x"}, 200),
            ({"Cookie": "session=x"}, 403),
            ({"Authorization": "Basic eDp5"}, 403),
        ):
            headers = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site", **extra}
            answer = await gateway.ask("POST", f"{mount}/read", headers, b"x")
            assert answer.status == status, extra
            assert answer.header("access-control-allow-origin") == "*"


async def test_without_origins_a_service_speaks_for_itself() -> None:
    """Off, nothing is added, and a preflight is the service's."""
    async with front() as gateway:
        assert (await gateway.ask("OPTIONS", "/flask/seen", preflight(APP))).header("allow")
        answer = await gateway.get("/fastapi/seen", Origin=APP)
    assert not [name for name, _ in answer.headers if name.startswith("access-control")]
