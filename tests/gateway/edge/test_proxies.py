"""What is believed of whom: from a peer that is trusted what it says, from others nothing."""

from __future__ import annotations

import ipaddress
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.edge.proxies import PROXY_HEADERS, TrustedProxies
from gateway.exchange import ExchangeMiddleware
from tests.gateway.edge.driving import MOUNTS, STRANGER, Answer, Front, front, service

PROXY = ("10.0.0.1", 50000)
TRUSTED = {"trusted_proxies": ["10.0.0.0/8", "2001:db8:1::/48"]}
Headers = list[tuple[str, str]]

SPOOFS: list[Headers] = [
    [("X-Forwarded-For", "192.0.2.66")],
    [("X-Forwarded-For", "127.0.0.1, 10.0.0.9")],
    [("X-Forwarded-Proto", "https")],
    [("X-Forwarded-Scheme", "https")],
    [("X-Forwarded-Protocol", "https"), ("X-Forwarded-Ssl", "on")],
    [("X-Forwarded-Host", "evil.test")],
    [("X-Forwarded-Server", "evil.test")],
    [("X-Forwarded-Port", "8443")],
    [("X-Forwarded-Prefix", "/evil")],
    [("X-Script-Name", "/evil")],
    [("X-Real-IP", "192.0.2.66")],
    [("Forwarded", "for=192.0.2.66;proto=https;host=evil.test")],
    [("Forwarded", 'for="[2001:db8::66]:80"'), ("Forwarded", "host=evil.test")],
    [("X_Forwarded_For", "192.0.2.66")],
    [("X_Forwarded-For", "192.0.2.66"), ("x-forwarded_proto", "https")],
    [("X_Forwarded_Host", "evil.test"), ("X_Forwarded_Prefix", "/evil")],
    [("X_Real_IP", "192.0.2.66"), ("X_Forwarded_Port", "8443"), ("X_Script_Name", "/evil")],
]


async def seen(
    gateway: Front, mount: str, headers: Headers, client: tuple[str, int] | None
) -> dict[str, Any]:
    answer = await gateway.ask("GET", f"{mount}/seen", headers, client=client)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize(
    ("trusted", "client"),
    [
        ([], STRANGER),
        ([], ("127.0.0.1", 1)),
        ([], None),
        (["10.0.0.0/8", "unix"], STRANGER),
        (["10.0.0.0/8"], None),
        (["10.0.0.0/8"], ("11.0.0.1", 1)),
        (["10.0.0.0/8"], ("::1", 1)),
        (["10.0.0.0/8"], ("2001:db8::a00:1", 1)),
        (["::/0"], STRANGER),
        (["10.0.0.0/8"], ("testclient", 1)),
    ],
)
async def test_nothing_is_believed_from_a_peer_that_is_not_trusted(
    mount: str, trusted: list[str], client: tuple[str, int] | None
) -> None:
    """Whatever it says and however it spells it, a service sees the peer and the Host."""
    async with front(edge={"trusted_proxies": trusted}) as gateway:
        plain = await seen(gateway, mount, [], client)
        for headers in [*SPOOFS, [pair for spoof in SPOOFS for pair in spoof]]:
            fixed = [("X-Request-ID", "same"), *headers]
            found = await seen(gateway, mount, fixed, client)
            del found["headers"]["x-request-id"]
            without_id = {k: v for k, v in plain["headers"].items() if k != "x-request-id"}
            assert found == {**plain, "headers": without_id}, headers
    assert plain["client"] == (client[0] if client else "")
    assert (plain["host"], plain["scheme"]) == ("public.test", "http")
    assert plain["link"] == f"http://public.test{mount}/seen"


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize("client", [PROXY, ("::ffff:10.0.0.1", 1), ("2001:db8:1::1", 1)])
async def test_a_trusted_proxy_says_who_where_and_how(mount: str, client: tuple[str, int]) -> None:
    """Address, host, scheme and prefix, in both stacks, and in what they link to."""
    headers = [
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "shop.example:8443"),
        ("X-Forwarded-Prefix", "/apps/"),
    ]
    async with front(edge=TRUSTED) as gateway:
        found = await seen(gateway, mount, headers, client)
    assert (found["client"], found["host"], found["scheme"]) == (
        "192.0.2.1",
        "shop.example:8443",
        "https",
    )
    assert found["link"] == f"https://shop.example:8443/apps{mount}/seen"


@pytest.mark.parametrize(
    ("hops", "client"),
    [
        (["192.0.2.1"], "192.0.2.1"),
        (["192.0.2.1:4711"], "192.0.2.1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["[2001:db8::1]"], "2001:db8::1"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["2001:0DB8:0::0001"], "2001:db8::1"),
        (["::ffff:192.0.2.1"], "192.0.2.1"),
        (["192.0.2.66, 192.0.2.1"], "192.0.2.1"),
        (["192.0.2.66", "192.0.2.1"], "192.0.2.1"),
        (["192.0.2.1, 10.0.0.3, 10.0.0.2"], "192.0.2.1"),
        (["192.0.2.66, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
        (["127.0.0.1, 192.0.2.1, 2001:db8:1::2"], "192.0.2.1"),
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (["unknown"], "10.0.0.1"),
        (["192.0.2.66, unknown"], "10.0.0.1"),
        (["192.0.2.66, unknown, 10.0.0.2"], "10.0.0.2"),
        (["_hidden, 10.0.0.2"], "10.0.0.2"),
        (["unknown, 192.0.2.1"], "192.0.2.1"),
        ([""], "10.0.0.1"),
        ([" , ,"], "10.0.0.1"),
        (["192.0.2.1.1"], "10.0.0.1"),
        (["192.0.2.1 evil"], "10.0.0.1"),
        (["[192.0.2.1]evil"], "10.0.0.1"),
        (["[2001:db8::1"], "10.0.0.1"),
        (["fe80::1%<script>"], "10.0.0.1"),
        (["0x7f.1"], "10.0.0.1"),
        (["2130706433"], "10.0.0.1"),
        (["127.0.0.1\x00"], "10.0.0.1"),
        (["\xe9"], "10.0.0.1"),
    ],
)
@pytest.mark.parametrize("mount", ["/flask", "/fastapi"])
async def test_the_client_is_the_last_hop_that_is_no_proxy_of_ours(
    mount: str, hops: list[str], client: str
) -> None:
    """Proxies append; what stands before the first that is not trusted is anybody's invention."""
    async with front(edge=TRUSTED) as gateway:
        headers = [("X-Forwarded-For", hop) for hop in hops]
        assert (await seen(gateway, mount, headers, PROXY))["client"] == client


@pytest.mark.parametrize(
    ("value", "client", "scheme", "host"),
    [
        ("for=192.0.2.1", "192.0.2.1", "http", "public.test"),
        ('For="192.0.2.1:80"; PROTO=https', "192.0.2.1", "https", "public.test"),
        ('for="[2001:db8::1]:80";host="a.example:1"', "2001:db8::1", "http", "a.example:1"),
        ("for=192.0.2.1;host=b.test;proto=https, for=10.0.0.2", "192.0.2.1", "https", "b.test"),
        # What the client itself has sent stands before what our proxy has added.
        ("for=6.6.6.6;host=evil.test;proto=https, for=192.0.2.1", "192.0.2.1", "http", ""),
        ("host=evil.test;proto=https, for=192.0.2.1", "192.0.2.1", "http", ""),
        ("for=192.0.2.1;proto=http, for=10.0.0.2;proto=https", "192.0.2.1", "http", ""),
        ("for=unknown;proto=https", "10.0.0.1", "https", ""),
        ("for=_hidden", "10.0.0.1", "http", ""),
        ('for="192.0.2.1, 6.6.6.6"', "10.0.0.1", "http", ""),
        ('for="', "10.0.0.1", "http", ""),
        (";;,,==", "10.0.0.1", "http", ""),
    ],
)
@pytest.mark.parametrize("mount", ["/flask", "/fastapi"])
async def test_the_standard_header_says_the_same(
    mount: str, value: str, client: str, scheme: str, host: str
) -> None:
    """`Forwarded` (RFC 7239) is read proxy by proxy, so that no pair is taken from a stranger's."""
    async with front(edge=TRUSTED) as gateway:
        found = await seen(gateway, mount, [("Forwarded", value)], PROXY)
    assert (found["client"], found["scheme"]) == (client, scheme)
    assert found["host"] == (host or "public.test")


async def test_of_both_headers_one_is_believed() -> None:
    """What a proxy passes on in the other language is not mixed with what it says itself."""
    forwarded = ("Forwarded", "for=6.6.6.6;proto=https;host=evil.test")
    async with front(edge=TRUSTED) as gateway:
        older = await seen(
            gateway, "/fastapi", [("X-Forwarded-For", "192.0.2.1"), forwarded], PROXY
        )
        assert (older["client"], older["scheme"], older["host"]) == (
            "192.0.2.1",
            "http",
            "public.test",
        )
        headers = [
            ("Forwarded", "for=192.0.2.1"),
            ("X-Forwarded-Host", "evil.test"),
            ("X-Forwarded-Proto", "https"),
        ]
        newer = await seen(gateway, "/fastapi", headers, PROXY)
        assert (newer["client"], newer["scheme"], newer["host"]) == (
            "192.0.2.1",
            "http",
            "public.test",
        )


@pytest.mark.parametrize(
    ("headers", "scheme", "host"),
    [
        # Two proxies of ours; the client has sent values of its own.
        (
            [
                ("X-Forwarded-For", "6.6.6.6, 192.0.2.1, 10.0.0.2"),
                ("X-Forwarded-Proto", "x, https, http"),
            ],
            "https",
            "public.test",
        ),
        (
            [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Host", "evil.test, a.example")],
            "http",
            "a.example",
        ),
        ([("X-Forwarded-Proto", "https")], "https", "public.test"),
        ([("X-Forwarded-Proto", "HTTPS")], "https", "public.test"),
        ([("X-Forwarded-Proto", "ftp")], "http", "public.test"),
        ([("X-Forwarded-Proto", "javascript:")], "http", "public.test"),
        ([("X-Forwarded-Host", "a.example/evil")], "http", "public.test"),
        ([("X-Forwarded-Host", "user@a.example")], "http", "public.test"),
        ([("X-Forwarded-Host", "a b")], "http", "public.test"),
        ([("X-Forwarded-Host", "")], "http", "public.test"),
        ([("X-Forwarded-Host", "[2001:db8::1]:8443")], "http", "[2001:db8::1]:8443"),
        ([("X-Forwarded-Port", "8443")], "http", "public.test"),
    ],
)
@pytest.mark.parametrize("mount", ["/flask", "/fastapi"])
async def test_what_is_no_scheme_or_host_is_not_believed(
    mount: str, headers: Headers, scheme: str, host: str
) -> None:
    """Also a trusted proxy passes on nonsense; of a chain counts what the client's proxy said."""
    async with front(edge=TRUSTED) as gateway:
        found = await seen(gateway, mount, headers, PROXY)
    assert (found["scheme"], found["host"]) == (scheme, host)


@pytest.mark.parametrize(
    "prefix", ["apps", "/a/../b", "/.", "//evil.test", "/a b", "/a?b", "/", "", "/\u00e9"]
)
@pytest.mark.parametrize("mount", ["/flask", "/fastapi"])
async def test_what_is_no_prefix_is_not_believed(mount: str, prefix: str) -> None:
    """No link is built with it."""
    async with front(edge=TRUSTED) as gateway:
        found = await seen(gateway, mount, [("X-Forwarded-Prefix", prefix)], PROXY)
    assert found["link"] == f"http://public.test{mount}/seen"


@pytest.mark.parametrize("mount", ["/flask", "/fastapi"])
async def test_a_unix_socket_is_trusted_by_its_own_word(mount: str) -> None:
    """It has no address, so a network cannot name it."""
    headers = [("X-Forwarded-For", "192.0.2.1, 10.0.0.5"), ("X-Forwarded-Proto", "https")]
    async with front(edge={"trusted_proxies": ["unix", "10.0.0.0/8"]}) as gateway:
        for client in (None, ("", 0)):
            found = await seen(gateway, mount, headers, client)
            assert (found["client"], found["scheme"]) == ("192.0.2.1", "https")


async def test_everyone_may_be_trusted() -> None:
    """With `*`, the first hop is the client: each before the last is a proxy."""
    async with front(edge={"trusted_proxies": ["*"]}) as gateway:
        headers = [
            ("X-Forwarded-For", "192.0.2.1, 192.0.2.2"),
            ("X-Forwarded-Proto", "https, http"),
        ]
        for client in (STRANGER, None):
            found = await seen(gateway, "/fastapi", headers, client)
            assert (found["client"], found["scheme"]) == ("192.0.2.1", "https")


@pytest.mark.parametrize("mount", MOUNTS)
async def test_a_service_finds_what_was_believed_in_the_headers_too(mount: str) -> None:
    """Middleware of its own, such as ProxyFix for one proxy, comes to the same end."""
    headers = [
        ("X-Forwarded-For", "6.6.6.6, 192.0.2.1, 10.0.0.2"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "shop.example"),
        ("X-Real-IP", "6.6.6.6"),
    ]
    async with front(edge=TRUSTED) as gateway:
        found = (await seen(gateway, mount, headers, PROXY))["headers"]
    assert found["x-forwarded-for"] == "192.0.2.1"
    assert found["x-forwarded-proto"] == "https"
    assert found["host"] == found["x-forwarded-host"] == "shop.example"
    assert "x-real-ip" not in found


async def test_a_websocket_is_told_the_same() -> None:
    """Its scheme has another name for TLS, and its client is nobody else."""
    scopes: list[Any] = []

    async def keep(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            scopes.append(dict(scope))
            await send({"type": "websocket.close"})

    said = {"X_Forwarded_Proto": "https", "X_Forwarded_For": "192.0.2.1"}
    async with (
        front(service(keep, "keep"), edge={"trusted_proxies": ["*"]}) as gateway,
        gateway.websocket("/keep/ws", **said) as client,
    ):
        await client.next()
    assert (scopes[0]["scheme"], scopes[0]["client"][0]) == ("wss", "192.0.2.1")


# --- What is believed ----------------------------------------------------------------------------

SAID = {
    "for": ("X-Forwarded-For", "192.0.2.1"),
    "proto": ("X-Forwarded-Proto", "https"),
    "host": ("X-Forwarded-Host", "shop.example"),
    "prefix": ("X-Forwarded-Prefix", "/apps"),
}


async def scope_after(headers: Headers, believed: list[str] | None) -> dict[str, Any]:
    """A request of a trusted proxy, as what comes next sees it."""
    seen_scopes: list[dict[str, Any]] = []

    async def keep(scope: Any, receive: Any, send: Any) -> None:
        seen_scopes.append(scope)

    trusted = ["10.0.0.0/8"]
    proxies = (
        TrustedProxies(keep, trusted)
        if believed is None
        else TrustedProxies(keep, trusted, believed=believed)
    )
    app = ExchangeMiddleware(proxies)
    lines = [("host", "public.test"), *headers]
    scope = {
        "type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"",
        "root_path": "", "scheme": "http", "client": PROXY,
        "headers": [(name.lower().encode(), value.encode()) for name, value in lines],
    }  # fmt: skip
    await app(scope, None, None)  # type: ignore[arg-type]
    return seen_scopes[0]


def told(scope: dict[str, Any]) -> dict[str, str]:
    fields = {name.decode(): value.decode() for name, value in scope["headers"]}
    return {
        "for": scope["client"][0],
        "proto": scope["scheme"],
        "host": fields["host"],
        "prefix": scope["root_path"],
    }


PLAIN = {"for": "10.0.0.1", "proto": "http", "host": "public.test", "prefix": ""}
FULL = {"for": "192.0.2.1", "proto": "https", "host": "shop.example", "prefix": "/apps"}


@pytest.mark.parametrize(
    "believed",
    [[], ["for"], ["for", "proto"], ["host"], ["prefix", "proto"], sorted(PROXY_HEADERS)],
)
async def test_a_proxy_is_believed_what_it_sets_itself(believed: list[str]) -> None:
    """What it may pass on from a client changes nothing, and no service finds it in the headers."""
    scope = await scope_after(list(SAID.values()), believed)
    assert told(scope) == {what: (FULL if what in believed else PLAIN)[what] for what in FULL}
    names = {name.decode() for name, _ in scope["headers"]}
    left = {what for what in FULL if f"x-forwarded-{what}" in names}
    assert left == set(believed) - {"prefix"}


async def test_a_proxy_is_believed_all_of_them_by_default() -> None:
    """One that sets them all needs nothing but its address."""
    assert told(await scope_after(list(SAID.values()), None)) == FULL


async def test_the_standard_header_is_believed_the_same_parts() -> None:
    """`Forwarded` says three of them at once."""
    headers = [("Forwarded", "for=192.0.2.1;proto=https;host=shop.example")]
    found = told(await scope_after(headers, ["for", "proto"]))
    assert found == {**PLAIN, "for": "192.0.2.1", "proto": "https"}


def test_the_production_configuration_trusts_few() -> None:
    """A network of all machines is one of all that may invent a client."""
    file = Path(__file__).parents[3] / "config" / "gateway.production.toml"
    edge = tomllib.loads(file.read_text(encoding="utf-8"))["edge"]
    networks = [ipaddress.ip_network(entry) for entry in edge["trusted_proxies"]]
    assert sum(network.num_addresses for network in networks) == 1


# --- The prefix ----------------------------------------------------------------------------------

WAYS = ["X-Forwarded-Prefix", "server.root_path", "none"]


async def public(mount: str, path: str, *, strips: bool, way: str, method: str = "GET") -> Answer:
    """What a client of `https://shop.example/apps` is answered through a proxy."""
    headers = [
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "shop.example"),
    ]
    if way == "X-Forwarded-Prefix":
        headers.append((way, "/apps"))
    server = {"root_path": "/apps"} if way == "server.root_path" else {}
    async with front(edge=TRUSTED, server=server) as gateway:
        asked = f"{mount}{path}" if strips else f"/apps{mount}{path}"
        return await gateway.ask(method, asked, headers, client=PROXY)


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("strips", [True, False])
async def test_links_and_redirects_carry_the_public_prefix_once(
    mount: str, way: str, strips: bool
) -> None:
    """Whether or not the proxy has cut it off, and however the gateway is told."""
    link = await public(mount, "/seen", strips=strips, way=way)
    if way == "none":
        # Nobody has said that there is one: what is cut off is unknown, the rest is no mount.
        assert link.status == (200 if strips else 404)
        return
    assert link.json["link"] == f"https://shop.example/apps{mount}/seen"
    turned = await public(mount, "/turn", strips=strips, way=way)
    assert turned.header("location") == f"/apps{mount}/seen"
    slash = await public(mount, "/slash", strips=strips, way=way)
    assert slash.status in {307, 308}
    assert slash.header("location") == f"https://shop.example/apps{mount}/slash/"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("strips", [True, False])
async def test_the_docs_find_their_schema_below_the_public_prefix(way: str, strips: bool) -> None:
    """The page fetches the schema from there, and the schema's server is there."""
    page = await public("/fastapi", "/docs", strips=strips, way=way)
    schema = await public("/fastapi", "/openapi.json", strips=strips, way=way)
    if way == "none" and not strips:
        assert page.status == schema.status == 404
        return
    prefix = "" if way == "none" else "/apps"
    assert f"'{prefix}/fastapi/openapi.json'" in page.text
    assert schema.json["servers"] == [{"url": f"{prefix}/fastapi"}]


@pytest.mark.parametrize("strips", [True, False])
async def test_a_header_wins_over_the_setting(strips: bool) -> None:
    """The proxy that says its prefix knows better than the file."""
    async with front(edge=TRUSTED, server={"root_path": "/file"}) as gateway:
        path = "/flask/seen" if strips else "/header/flask/seen"
        found = await gateway.ask("GET", path, [("X-Forwarded-Prefix", "/header")], client=PROXY)
    assert found.json["link"] == "http://public.test/header/flask/seen"


async def test_a_prefix_of_half_a_segment_is_none() -> None:
    """`/apps` is not the beginning of `/appstore`."""
    async with front(server={"root_path": "/fla"}) as gateway:
        assert (await gateway.get("/flask/seen")).json["link"].endswith("/fla/flask/seen")


async def test_the_gateways_own_endpoints_stand_below_the_prefix() -> None:
    """Probes reach them with and without it."""
    async with front(server={"root_path": "/apps"}) as gateway:
        assert (await gateway.get("/apps/_gateway/livez")).status == 200
        assert (await gateway.get("/_gateway/livez")).status == 200
