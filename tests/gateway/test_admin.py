"""Who may see the gateway's own endpoints, asked for through the whole edge."""

from __future__ import annotations

import asyncio
import hmac
import time
from html import unescape
from http.cookies import Morsel, SimpleCookie
from typing import Any
from unittest import mock
from urllib.parse import quote, urlencode, urlsplit

import pytest

from gateway.config import read
from gateway.edge.bodies import BodyRules
from tests.gateway.edge.driving import Answer, Front, front
from tests.gateway.projects import write_project

TOKEN = "correct-horse-battery-staple"
LOOPBACK = ("127.0.0.1", 50000)
METRICS = "/_gateway/metrics"
WITH_TOKEN: dict[str, Any] = {"admin": {"token": TOKEN}}
HTML = {"Accept": "text/html,application/xhtml+xml"}


async def get(
    gateway: Front, path: str = METRICS, client: Any = LOOPBACK, **headers: str
) -> Answer:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return await gateway.ask("GET", path, {"Host": "localhost:8000", **given}, client=client)


async def sign_in(gateway: Front, token: str = TOKEN, target: str = "/", **more: Any) -> Answer:
    body = urlencode({"token": token, "next": target}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", **more.pop("headers", {})}
    prefix = more.pop("prefix", "/_gateway")
    return await gateway.ask("POST", f"{prefix}/sign-in", headers, body, **more)


def cookie_of(answer: Answer) -> Morsel[str]:
    return SimpleCookie(answer.header("set-cookie"))["gateway_admin"]


# --- Without a token ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "client", [LOOPBACK, ("127.9.9.9", 1), ("::1", 1), ("::ffff:127.0.0.1", 1), None]
)
@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "a.localhost"]
)
async def test_without_a_token_this_machine_sees_them_in_development(
    client: Any, host: str
) -> None:
    """A developer needs none."""
    async with front() as gateway:
        assert (await get(gateway, client=client, Host=host)).status == 200


@pytest.mark.parametrize("client", [("198.51.100.7", 1), ("10.0.0.1", 1), ("::2", 1), ("test", 1)])
async def test_without_a_token_nobody_else_sees_them(client: Any) -> None:
    """Not even in the same network."""
    async with front() as gateway:
        refused = await get(gateway, client=client)
    assert refused.status == 403
    assert "GATEWAY_ADMIN__TOKEN" in refused.json["detail"]


@pytest.mark.parametrize(
    "header",
    ["X_Forwarded_For", "Forwarded", "X_Forwarded_Host", "X_Forwarded_Proto", "X_Real_IP"],
)
@pytest.mark.parametrize("trusted", [[], ["127.0.0.0/8"], ["*"]])
async def test_without_a_token_no_proxy_shows_them(header: str, trusted: list[str]) -> None:
    """A proxy on this machine asks for others, whatever address it names, trusted or not."""
    async with front(edge={"trusted_proxies": trusted}) as gateway:
        for value in ("127.0.0.1", "for=127.0.0.1", "localhost"):
            assert (await get(gateway, **{header: value})).status == 403


@pytest.mark.parametrize(
    "host",
    ["evil.test", "localhost.evil.test", "evillocalhost", "127.0.0.1.evil.test", "10.0.0.1", ""],
)
async def test_without_a_token_no_rebound_name_shows_them(host: str) -> None:
    """A page of a stranger can have its own name mean this machine; the name gives it away."""
    async with front() as gateway:
        assert (await get(gateway, Host=host)).status == 403


async def test_without_a_token_there_is_nothing_to_sign_in_with() -> None:
    """An empty token opens nothing."""
    async with front() as gateway:
        answer = await sign_in(gateway, "", headers={"Host": "localhost"})
        assert answer.status == 403
        assert answer.header("set-cookie") is None
        assert (await get(gateway, client=("10.0.0.1", 1), Authorization="Bearer ")).status == 403


def test_production_does_not_start_without_a_token(tmp_path: Any) -> None:
    """It is refused as a configuration; were it not, the endpoints would be shut all the same."""
    toml = 'environment = "production"\n[[mounts]]\nname = "a"\nprefix = "/"\napp = "a:b"\n'
    (fault,) = read(write_project(tmp_path, toml), environ={}).faults
    assert (fault.key, fault.found) == ("admin.token", "nothing, in production")


async def test_production_without_a_token_shows_nothing_to_this_machine() -> None:
    """Should it start after all."""
    async with front(environment="production") as gateway:
        assert (await get(gateway)).status == 403


# --- With a token ---------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_token_opens_them_from_everywhere(scheme: str) -> None:
    """Prometheus sends it; the scheme's name knows no case (RFC 9110, 11.1)."""
    async with front(**WITH_TOKEN) as gateway:
        for client in (LOOPBACK, ("198.51.100.7", 1), None):
            answer = await get(gateway, client=client, Authorization=f"{scheme} {TOKEN}")
            assert answer.status == 200


@pytest.mark.parametrize(
    "given",
    [
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        "Bearer ",
        "Bearer",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN.upper()}",
        "Bearer \xe9",
    ],
)
async def test_a_wrong_token_does_not(given: str) -> None:
    """Nor does this machine, once there is a token."""
    async with front(**WITH_TOKEN) as gateway:
        refused = await get(gateway, Authorization=given)
    assert refused.status == 401
    assert (refused.header("www-authenticate") or "").startswith("Bearer")
    assert TOKEN not in refused.text


@pytest.mark.parametrize("path", ["/", "/metrics", "/nothing", "/livez/", "/readyz/x", "/sign-out"])
async def test_everything_but_the_probes_is_closed(path: str) -> None:
    """Also what does not exist: a stranger does not learn which is which."""
    async with front(**WITH_TOKEN) as gateway:
        answer = await get(gateway, f"/_gateway{path}")
    assert answer.status == (405 if path == "/sign-out" else 401)


async def test_the_probes_are_always_open() -> None:
    """What watches the process has no token; a wrong one does not matter, nor too many."""
    for settings in ({}, WITH_TOKEN, {**WITH_TOKEN, "environment": "production"}):
        async with front(**settings) as gateway:
            for _ in range(12):
                for path, client in (("livez", ("198.51.100.7", 1)), ("readyz", None)):
                    answer = await get(
                        gateway, f"/_gateway/{path}", client, Authorization="Bearer wrong-token"
                    )
                    assert answer.status == 200


async def test_wrong_tokens_are_limited() -> None:
    """After ten in a minute a client gets 429 for more, and its form is not read; others go on."""
    async with front(**WITH_TOKEN) as gateway:
        for _ in range(5):
            assert (await get(gateway, Authorization="Bearer wrong")).status == 401
            assert (await sign_in(gateway, "wrong", client=LOOPBACK)).status == 401
        for _ in range(2):
            limited = await get(gateway, Authorization="Bearer wrong")
            assert limited.status == 429
            assert limited.header("retry-after") == "60"
        assert (await sign_in(gateway, client=LOOPBACK)).status == 429
        other = await get(gateway, client=("198.51.100.7", 1), Authorization=f"Bearer {TOKEN}")
        assert other.status == 200


async def test_who_guesses_locks_out_nobody_with_the_token() -> None:
    """An operator's Prometheus may come from the same address as whoever guesses."""
    async with front(**WITH_TOKEN) as gateway:
        for _ in range(30):
            await get(gateway, Authorization="Bearer wrong")
        assert (await get(gateway, Authorization=f"Bearer {TOKEN}")).status == 200
        assert (await get(gateway, Authorization="Bearer wrong")).status == 429


async def test_right_tokens_are_not_limited() -> None:
    """However often they come."""
    async with front(**WITH_TOKEN) as gateway:
        for _ in range(30):
            assert (await get(gateway, Authorization=f"Bearer {TOKEN}")).status == 200
            assert (await sign_in(gateway, client=LOOPBACK)).status == 303


async def test_attempts_at_the_same_time_are_limited_as_well() -> None:
    """Forms that were begun together are judged one after the other."""
    async with front(**WITH_TOKEN) as gateway:
        body = urlencode({"token": "wrong"}).encode()
        pieces = [body[:5], body[5:]]
        answers = await asyncio.gather(
            *(
                gateway.ask("POST", "/_gateway/sign-in", (), pieces, client=LOOPBACK, pause=0.05)
                for _ in range(30)
            )
        )
    statuses = [answer.status for answer in answers]
    assert (statuses.count(401), statuses.count(429)) == (10, 20)


async def test_tokens_are_compared_in_constant_time() -> None:
    """How long it takes says nothing of how much was right."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    async with front(**WITH_TOKEN) as gateway:
        with mock.patch("gateway.admin.hmac") as patched:
            patched.compare_digest = compare
            await get(gateway, Authorization="Bearer one")
            await sign_in(gateway, "other", client=LOOPBACK)
    assert compared == [(b"one", TOKEN.encode()), (b"other", TOKEN.encode())]


# --- Signing in -----------------------------------------------------------------------------------


async def test_a_browser_is_led_to_the_page_and_back() -> None:
    """A page, a cookie that no script and no other site can use, and on to where one wanted."""
    async with front(**WITH_TOKEN) as gateway:
        led = await gateway.ask("GET", METRICS, HTML)
        assert (led.status, led.header("location")) == (303, "/_gateway/sign-in?next=/metrics")
        page = await gateway.ask("GET", "/_gateway/sign-in?next=/metrics", HTML)
        assert (page.status, page.header("cache-control")) == (200, "no-store")
        assert "default-src 'none'" in (page.header("content-security-policy") or "")
        assert 'name="next" value="/metrics"' in page.text
        signed = await sign_in(gateway, target="/metrics")
        assert (signed.status, signed.header("location")) == (303, METRICS)
        cookie = cookie_of(signed)
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (
            True,
            "Strict",
            "/_gateway",
        )
        assert cookie["secure"] == ""
        assert TOKEN not in cookie.value
        seen = await get(gateway, Cookie=f"a=b; gateway_admin={cookie.value}; c=d")
        assert seen.status == 200


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/compare?path=%2Fitems%2F1%3Fa%3Db&method=GET&q=", ""),
        # The path as a server hands it on, decoded.
        ("/requests/a b%c", "/requests/a%20b%25c"),
        ("/routes?q=a+b%26c", ""),
        (f"/routes?q={'x' * 4000}", "/"),
    ],
)
async def test_signing_in_keeps_the_query(wanted: str, reached: str) -> None:
    """A link to one comparison leads to that one; what fits no form does not stand in the way."""
    async with front(**WITH_TOKEN) as gateway:
        led = await gateway.ask("GET", f"/_gateway{wanted}", HTML)
        page = await gateway.ask("GET", led.header("location") or "", HTML)
        hidden = unescape(page.text.partition('name="next" value="')[2].partition('"')[0])
        signed = await sign_in(gateway, target=hidden)
    assert signed.header("location") == f"/_gateway{reached or wanted}"


async def test_over_tls_the_cookie_is_for_tls_alone() -> None:
    """Also where a trusted proxy ends it."""
    async with front(edge={"trusted_proxies": ["*"]}, **WITH_TOKEN) as gateway:
        direct = await sign_in(gateway, scheme="https")
        proxied = await sign_in(gateway, headers={"X-Forwarded-Proto": "https"})
    assert cookie_of(direct)["secure"] is True
    assert cookie_of(proxied)["secure"] is True


async def test_below_a_public_prefix_the_cookie_and_the_links_have_it() -> None:
    """The browser sends the cookie where the endpoints are for it."""
    async with front(server={"root_path": "/apps"}, **WITH_TOKEN) as gateway:
        led = await gateway.ask("GET", METRICS, HTML)
        assert led.header("location") == "/apps/_gateway/sign-in?next=/metrics"
        signed = await sign_in(gateway, target="/metrics", prefix="/apps/_gateway")
    assert cookie_of(signed)["path"] == "/apps/_gateway"
    assert signed.header("location") == "/apps/_gateway/metrics"


async def test_a_cookie_that_is_forged_foreign_or_old_opens_nothing() -> None:
    """It proves that its holder knew this token, not long ago."""
    async with front(**WITH_TOKEN) as gateway:
        value = cookie_of(await sign_in(gateway)).value
    async with front(admin={"token": TOKEN + "2"}) as gateway:
        for forged in (value, value[:-1], "admin", "", "a.b.c", "\xe9", "admin.." + value[-20:]):
            assert (await get(gateway, Cookie=f"gateway_admin={forged}")).status == 401
    async with front(**WITH_TOKEN) as gateway:
        assert (await get(gateway, Cookie=f"gateway_admin={value}")).status == 200
        assert (await get(gateway, Cookie=f"session={value}")).status == 401
        later = time.time() + 12 * 3600 + 5
        with mock.patch("itsdangerous.timed.time.time", return_value=later):
            assert (await get(gateway, Cookie=f"gateway_admin={value}")).status == 401


async def test_signing_out_takes_the_cookie_away() -> None:
    """By a form only: no link of a stranger's does it."""
    async with front(**WITH_TOKEN) as gateway:
        out = await gateway.ask("POST", "/_gateway/sign-out")
        assert (out.status, out.header("location")) == (303, "/_gateway/sign-in")
        cookie = cookie_of(out)
        assert (cookie.value, cookie["max-age"], cookie["path"]) == ("", "0", "/_gateway")
        linked = await gateway.ask("GET", "/_gateway/sign-out")
        assert (linked.status, linked.header("allow")) == (405, "POST")
        assert linked.header("set-cookie") is None


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.test",
        "//evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "///evil.test",
        "javascript:alert(1)",
        "/../evil",
        "/metrics/../../flask/seen",
        "/./..",
        "/..",
        "/a//evil.test",
        "evil",
        "",
        "/\r\nSet-Cookie: a=b",
        "/\t/evil.test",
        "/@evil.test",
        "/%2e%2e/flask",
        "/a%2f..%2f..%2fflask",
        "/%0d%0a",
        '/?"<//evil.test>\r\n\\=\t',
        "/?next=//evil.test#x",
        '/"><script>',
    ],
)
async def test_signing_in_leads_nowhere_else(target: str) -> None:
    """Wherever the form says to go, it is below the admin prefix and on this host."""
    async with front(**WITH_TOKEN) as gateway:
        signed = await sign_in(gateway, target=target)
        page = await gateway.ask("GET", f"/_gateway/sign-in?next={quote(target, safe='')}", HTML)
    location = signed.header("location") or ""
    parts = urlsplit(location)
    assert (parts.scheme, parts.netloc) == ("", "")
    assert parts.path.startswith("/_gateway/")
    assert not {"..", "."} & set(parts.path.split("/"))
    assert "//" not in location
    assert not set('\\\r\n\t"<>') & set(location)
    assert "<script>" not in page.text


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_no_other_page_signs_anybody_in_or_out(site: str) -> None:
    """The one rule against cross-site request forgery holds here, too."""
    async with front(edge={"trusted_origins": ["https://app.example"]}, **WITH_TOKEN) as gateway:
        headers = {"Sec-Fetch-Site": site, "Origin": "https://app.example"}
        assert (await sign_in(gateway, headers=headers)).status == 403
        assert (await gateway.ask("POST", "/_gateway/sign-out", headers)).status == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"token",
        b"token=",
        b"token=%ff%fe",
        b"\xff\xfe",
        b"&" * 100,
        b"&".join(b"a%d=b" % number for number in range(100)),
        b"next=/metrics",
    ],
)
async def test_a_form_of_any_other_shape_is_a_wrong_token(body: bytes) -> None:
    """Whatever is sent, the gateway does not fail."""
    async with front(**WITH_TOKEN) as gateway:
        answer = await gateway.ask("POST", "/_gateway/sign-in", HTML, body)
    assert answer.status == 401
    assert "That is not the token." in answer.text
    assert answer.header("set-cookie") is None


async def test_a_form_is_small_and_soon_there() -> None:
    """What is larger is no token, announced or not; what stalls is not waited for without end."""
    right = b"token=" + TOKEN.encode()
    async with front(**WITH_TOKEN) as gateway:
        for padding in (b"x" * 4097, [b"&x=" + b"x" * 4000, b"x" * 97]):
            body = right + padding if isinstance(padding, bytes) else [right, *padding]
            answer = await gateway.ask("POST", "/_gateway/sign-in", HTML, body)
            assert answer.status == 401
    with mock.patch("gateway.edge._ADMIN", BodyRules(4096, 0.1, 0.1)):
        async with front(**WITH_TOKEN) as gateway:
            answer = await gateway.ask("POST", "/_gateway/sign-in", (), [b"token="], stalls=True)
            assert answer.status == 408
            answer = await gateway.ask("POST", "/_gateway/sign-in", (), b"x" * 4097)
            assert answer.status == 413


async def test_a_websocket_is_refused_or_finds_nothing() -> None:
    """There is none, and without credentials one does not learn even that."""
    async with front(**WITH_TOKEN) as gateway:
        for path in ("/_gateway/sign-in", METRICS):
            async with gateway.websocket(path) as client:
                assert (await client.next())["type"] == "websocket.close"
