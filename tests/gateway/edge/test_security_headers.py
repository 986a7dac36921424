"""Headers that tell browsers to be careful."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.edge.driving import MOUNTS, both, front, service

SET = {"security_headers": {"X-Frame-Options": "DENY", "Strict-Transport-Security": "max-age=1"}}


@pytest.mark.parametrize("mount", MOUNTS)
async def test_every_answer_has_them(mount: str) -> None:
    """Those of the default and those of the settings, in both stacks, on refusals and errors."""
    async with front(edge={**SET, "allowed_hosts": ["public.test"]}) as gateway:
        answers = [
            await gateway.get(f"{mount}/seen"),
            await gateway.get(f"{mount}/nothing"),
            await gateway.get(f"{mount}/fail"),
            await gateway.get(f"{mount}/seen", host="evil.test"),
            await gateway.get(f"{mount}/../seen"),
            await gateway.get("/nothing"),
            await gateway.get("/_gateway/livez"),
        ]
    assert [answer.status for answer in answers] == [200, 404, 500, 421, 400, 404, 200]
    for answer in answers:
        assert answer.header("x-content-type-options") == "nosniff"
        assert answer.header("referrer-policy") == "strict-origin-when-cross-origin"
        assert answer.header("x-frame-options") == "DENY"
        assert answer.header("strict-transport-security") == "max-age=1"


@pytest.mark.parametrize("mount", MOUNTS)
async def test_the_services_own_win(mount: str) -> None:
    """A service knows its pages; its header is sent once, as it was set."""
    async with front(edge=SET) as gateway:
        answer = await gateway.get(f"{mount}/own-headers")
    assert answer.header("x-frame-options") == "of the service"
    assert answer.header("x-content-type-options") == "nosniff"


async def test_a_mount_differs_where_it_says_so() -> None:
    """Its headers are over the edge's; an empty value, however it is spelled, leaves one out."""
    flask, _, fastapi = both()
    own = {"x-frame-options": "SAMEORIGIN", "REFERRER-POLICY": "", "X-More": "1"}
    flask = service(flask.app, "flask", "wsgi", security_headers=own)
    async with front(flask, fastapi, edge=SET) as gateway:
        answer, other = await gateway.get("/flask/seen"), await gateway.get("/fastapi/seen")
    assert answer.header("x-frame-options") == "SAMEORIGIN"
    assert answer.header("referrer-policy") is None
    assert answer.header("x-more") == "1"
    assert answer.header("strict-transport-security") == "max-age=1"
    assert other.header("x-frame-options") == "DENY"
    assert other.header("referrer-policy") == "strict-origin-when-cross-origin"
    assert other.header("x-more") is None


async def test_an_answer_without_any_headers_gets_them() -> None:
    """ASGI lets a service leave out the list; names in capitals are names all the same."""

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            start = {"type": "http.response.start", "status": 204}
            if scope["path"] == "/bare/capitals":
                start["headers"] = [(b"X-Frame-Options", b"own")]
            await send(start)
            await send({"type": "http.response.body"})

    async with front(service(bare, "bare"), edge={**SET, "rate_limit": "100/minute"}) as gateway:
        answer = await gateway.get("/bare/")
        capitals = await gateway.get("/bare/capitals")
    assert answer.status == 204
    assert answer.header("x-frame-options") == "DENY"
    assert capitals.header("x-frame-options") == "own"
