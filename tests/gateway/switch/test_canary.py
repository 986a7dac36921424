"""The gateway's own cookie: who is one user where nothing else tells."""

from __future__ import annotations

from http.cookies import SimpleCookie
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from gateway.exchange import ExchangeMiddleware, exchange_of
from gateway.switch.canary import COOKIE, cookie_of
from tests.gateway.switch.sides import Client, piece, request, start


async def asked(scope: Scope) -> tuple[str, list[str]]:
    """Who asks, and the cookies that the answer sets."""
    found: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found.append(cookie_of(scope, exchange_of(scope)))
        await send(start(200, (b"set-cookie", b"own=1")))
        await send(piece())

    client = Client()
    await ExchangeMiddleware(app)(scope, client.receive, client.send)
    headers = client.sent[0]["headers"]
    return found[0], [value.decode() for name, value in headers if name == b"set-cookie"]


def with_cookie(line: str, **more: Any) -> Scope:
    return request("GET", "/api/items", (b"cookie", line.encode("latin-1")), **more)


async def test_who_comes_for_the_first_time_gets_a_cookie() -> None:
    """Beside the service's own; it keeps for a year, for the switch's prefix, out of reach."""
    who, (own, ours) = await asked(request())
    assert own == "own=1"
    morsel = SimpleCookie(ours)[COOKIE]
    assert morsel.value == who
    assert (morsel["path"], morsel["samesite"], morsel["secure"]) == ("/api", "Lax", "")
    assert morsel["httponly"]
    assert int(morsel["max-age"]) == 365 * 24 * 3600


async def test_who_comes_again_is_the_same() -> None:
    """And no cookie is set anew."""
    who, _ = await asked(request())
    again, cookies = await asked(with_cookie(f"a=1; {COOKIE}={who}; b=2"))
    assert again == who
    assert cookies == ["own=1"]


async def test_two_users_are_not_one() -> None:
    """As good as never."""
    keys = {(await asked(request()))[0] for _ in range(50)}
    assert len(keys) == 50


@pytest.mark.parametrize(
    "line",
    [
        f"{COOKIE}=",
        f"{COOKIE}=short",
        f"{COOKIE}={'x' * 23}",
        f"{COOKIE}={'x' * 5000}",
        f"not_{COOKIE}={'x' * 22}",
        f"a={COOKIE}",
        f"{COOKIE}",
        "\xff\xfe=;;;==",
    ],
)
async def test_what_is_no_cookie_of_ours_is_replaced(line: str) -> None:
    """Whatever somebody has made of it."""
    who, cookies = await asked(with_cookie(line))
    assert len(who) == 22
    assert len(cookies) == 2


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True), ("wss", True)])
async def test_over_tls_it_stays_there(scheme: str, secure: bool) -> None:
    """As the session does."""
    _, cookies = await asked(request(scheme=scheme))
    assert ("Secure" in cookies[1].split("; ")) == secure


async def test_a_switch_at_the_root_has_it_everywhere() -> None:
    """The path of a cookie is never empty."""
    _, cookies = await asked(request("GET", "/items", root_path=""))
    assert "Path=/" in cookies[1].split("; ")
