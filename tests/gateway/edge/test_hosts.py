"""Hosts that are not served."""

from __future__ import annotations

import pytest

from gateway.edge.hosts import host_name
from tests.gateway.edge.driving import MOUNTS, front

ALLOWED = {"allowed_hosts": ["shop.example", "*.apps.example", "192.0.2.1", "[2001:db8::1]"]}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("shop.example", 200),
        ("SHOP.example", 200),
        ("shop.example:8443", 200),
        ("shop.example.", 200),
        ("a.apps.example", 200),
        ("b.a.apps.example:80", 200),
        ("192.0.2.1", 200),
        ("[2001:DB8::1]:8443", 200),
        ("apps.example", 421),
        ("evilapps.example", 421),
        ("evil.test", 421),
        ("shop.example.evil.test", 421),
        ("evil-shop.example", 421),
        ("xshop.example", 421),
        ("192.0.2.10", 421),
        ("[2001:db8::2]", 421),
        ("", 421),
    ],
)
@pytest.mark.parametrize("mount", MOUNTS)
async def test_only_hosts_that_are_named_are_served(mount: str, host: str, status: int) -> None:
    """Others get 421, before either stack could build a link from them."""
    async with front(edge=ALLOWED) as gateway:
        answer = await gateway.get(f"{mount}/seen", host=host)
    assert answer.status == status
    if status == 421:
        assert "edge.allowed_hosts" in answer.json["detail"]


async def test_probes_may_ask_for_an_address() -> None:
    """What checks the health of a container knows no name of it; the rest is not exempt."""
    for root_path in ("", "/apps"):
        async with front(edge=ALLOWED, server={"root_path": root_path}) as gateway:
            for path, status in (
                ("livez", 200),
                ("readyz", 200),
                ("metrics", 421),
                ("livez/", 421),
            ):
                for before in {"", root_path}:
                    answer = await gateway.get(f"{before}/_gateway/{path}", host="10.1.2.3:8000")
                    assert answer.status == status, (before, path)


async def test_a_host_that_a_proxy_names_must_be_served_as_well() -> None:
    """Being trusted is no leave for any host; and the host behind the proxy does not matter."""
    trusted = {**ALLOWED, "trusted_proxies": ["198.51.100.0/24"]}
    async with front(edge=trusted) as gateway:
        for named, behind, status in (
            ("shop.example", "backend:8000", 200),
            ("evil.test", "shop.example", 421),
        ):
            headers = {"X_Forwarded_Host": named, "host": behind}
            assert (await gateway.get("/flask/seen", **headers)).status == status


async def test_a_websocket_for_another_host_is_refused() -> None:
    """A handshake is a request."""
    async with front(edge=ALLOWED) as gateway:
        for host, first in (("shop.example", "websocket.accept"), ("evil.test", "websocket.close")):
            async with gateway.websocket("/fastapi/ws", host=host) as client:
                assert (await client.next())["type"] == first


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("A.Example:80", "a.example"),
        ("a.example.", "a.example"),
        ("[::1]:80", "[::1]"),
        ("[::1", "[::1]"),
        ("", ""),
    ],
)
def test_a_host_has_one_name(value: str, name: str) -> None:
    """However it is written."""
    assert host_name(value) == name
