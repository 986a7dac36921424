"""How often one client may ask, counted in this process or in a real Redis."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from limits import parse

from gateway.edge.counts import MemoryCounts
from gateway.edge.rate_limit import RateLimits, counted_address
from gateway.sessions import SessionCookie
from tests.gateway.edge.driving import KEY, MOUNTS, Answer, Front, both, front, service
from tests.gateway.edge.redis_server import OwnRedis, own_redis


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[OwnRedis]:
    with own_redis(tmp_path) as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return "memory://"
    server: OwnRedis = request.getfixturevalue("redis")
    return server.url


def limited(store: str, limit: str = "3/hour", **more: Any) -> dict[str, Any]:
    return {"rate_limit": limit, "rate_limit_store": store, **more}


async def statuses(gateway: Front, path: str, count: int, **headers: str) -> list[int]:
    return [(await gateway.get(path, **headers)).status for _ in range(count)]


def left(answer: Answer) -> tuple[str, int, int]:
    found = re.fullmatch(r'"(\w+)";r=(\d+);t=(\d+)', answer.header("ratelimit") or "")
    assert found, answer.headers
    return found[1], int(found[2]), int(found[3])


@pytest.fixture(autouse=True)
def _early_in_the_hour() -> Iterator[None]:
    """Windows stand at full hours: no test runs over the end of one."""
    offset = 3_600 - time.time() % 3_600 + 60
    real = time.time
    with mock.patch("time.time", side_effect=lambda: real() + offset):
        yield


@pytest.mark.parametrize("mount", MOUNTS)
async def test_above_the_limit_is_429_with_what_to_know(mount: str, store: str) -> None:
    """The last that is allowed passes; the next is told when to come again; others go on."""
    async with front(edge=limited(store)) as gateway:
        for expected in (2, 1, 0):
            answer = await gateway.get(f"{mount}/seen")
            name, remaining, seconds = left(answer)
            assert (answer.status, name, remaining) == (200, "gateway", expected)
            assert 0 < seconds <= 3600
            assert answer.header("ratelimit-policy") == '"gateway";q=3;w=3600'
        refused = await gateway.get(f"{mount}/seen")
        assert refused.status == 429
        assert left(refused)[1] == 0
        assert refused.header("ratelimit-policy") == '"gateway";q=3;w=3600'
        assert refused.header("retry-after") == str(left(refused)[2])
        assert refused.json["title"] == "Too Many Requests"
        # Somebody else, and what is no service.
        other = await gateway.ask("GET", f"{mount}/seen", client=("203.0.113.1", 1))
        assert other.status == 200
        assert (await gateway.get("/_gateway/livez")).status == 200


async def test_all_mounts_count_together_and_one_for_itself(store: str) -> None:
    """The edge's limit is one for all; a mount's own is in its place, or off."""
    flask, old, fastapi = both()
    services = [
        service(flask.app, "flask", "wsgi", rate_limit="1/hour"),
        service(old.app, "old", "wsgi", rate_limit="off"),
        fastapi,
        service(fastapi.app, "twin"),
    ]
    async with front(*services, edge=limited(store, "2/hour")) as gateway:
        assert await statuses(gateway, "/flask/seen", 2) == [200, 429]
        assert await statuses(gateway, "/old/seen", 5) == [200] * 5
        assert await statuses(gateway, "/fastapi/seen", 1) == [200]
        assert await statuses(gateway, "/twin/seen", 2) == [200, 429]
        assert left(await gateway.get("/flask/seen"))[0] == "flask"


async def test_who_counts_may_be_a_header(store: str) -> None:
    """Each key has its own count, wherever it comes from; without one, the address counts."""
    edge = limited(store, "2/hour", rate_limit_key="header:X-API-Key")
    async with front(edge=edge) as gateway:
        assert await statuses(gateway, "/flask/seen", 3, X_API_Key="a") == [200, 200, 429]
        assert await statuses(gateway, "/fastapi/seen", 1, X_API_Key="a") == [429]
        assert await statuses(gateway, "/fastapi/seen", 3, X_API_Key="b") == [200, 200, 429]
        assert await statuses(gateway, "/fastapi/seen", 3) == [200, 200, 429]
        headers = {"X-API-Key": "a"}
        elsewhere = await gateway.ask("GET", "/flask/seen", headers, client=("203.0.113.1", 1))
        assert elsewhere.status == 429


async def test_who_counts_may_be_a_user_of_the_session(store: str) -> None:
    """A signed session says who asks; a forged one says nothing."""
    dumps = SessionCookie.from_keys(KEY, [], "session").serializer.dumps
    edge = limited(store, "2/hour", rate_limit_key="session:user_id")
    async with front(edge=edge) as gateway:
        for user in (1, 2):
            cookie = f"session={dumps({'user_id': user})}"
            assert await statuses(gateway, "/flask/seen", 2, Cookie=cookie) == [200, 200]
            assert await statuses(gateway, "/fastapi/seen", 1, Cookie=cookie) == [429]
        forged = [f"session={dumps({'user_id': 3})}x{n}" for n in range(3)]
        assert [(await gateway.get("/flask/seen", Cookie=c)).status for c in forged] == [
            200,
            200,
            429,
        ]


async def test_the_address_is_the_one_that_a_trusted_proxy_names() -> None:
    """And nobody gets a fresh count by naming one himself."""
    for trusted, expected in (([], [200, 429, 429]), (["198.51.100.0/24"], [200, 200, 200])):
        edge = limited("memory://", "1/hour", trusted_proxies=trusted)
        async with front(edge=edge) as gateway:
            found = [
                (await gateway.get("/flask/seen", X_Forwarded_For=f"192.0.2.{n}")).status
                for n in range(1, 4)
            ]
        assert found == expected


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("", ""),
        ("testclient", "testclient"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:0DB8:0001:0002::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("64:ff9b::192.0.2.1", "192.0.2.1"),
        ("64:ff9b:1::192.0.2.1", "64:ff9b:1::/64"),
        ("not:an:address", "not:an:address"),
    ],
)
def test_an_ipv6_client_counts_by_its_network(address: str, counted: str) -> None:
    """Else each has as many counts as it has addresses, which is 2^64."""
    assert counted_address(address) == counted


async def test_another_address_of_the_same_network_is_no_fresh_count(store: str) -> None:
    """Whichever of its addresses an IPv6 client takes; its neighbours have counts of their own."""
    async with front(edge=limited(store, "1/hour")) as gateway:
        for client, expected in (
            ("2001:db8:1:2::1", 200),
            ("2001:db8:1:2:ffff::9", 429),
            ("2001:db8:1:3::1", 200),
            ("192.0.2.1", 200),
            ("::ffff:192.0.2.1", 429),
        ):
            answer = await gateway.ask("GET", "/flask/seen", client=(client, 1))
            assert answer.status == expected, client


async def test_a_websocket_counts_too(store: str) -> None:
    """A handshake is a request; above the limit it is refused."""
    async with front(edge=limited(store, "1/hour")) as gateway:
        for first in ("websocket.accept", "websocket.close"):
            async with gateway.websocket("/fastapi/ws") as client:
                assert (await client.next())["type"] == first


@pytest.mark.parametrize("limit", ["1/minute", "2/minute", "7/minute", "60/minute"])
async def test_retry_after_is_when_it_is_allowed_again(limit: str) -> None:
    """Not later, and not much sooner, in whichever state the windows are."""
    item, limits = parse(limit), RateLimits("memory://")
    now, longest = 999_999_960.0, 0
    with mock.patch("time.time", side_effect=lambda: now):
        for turn in range(300):
            counted = await limits.count(item, "key")
            assert counted is not None
            allowed, left, seconds = counted
            assert 0 <= left < item.amount
            assert 0 < seconds <= 61
            if not allowed:
                assert left == 0
                now += seconds - 1.001
                again = await limits.count(item, "key")
                assert again is not None
                assert not again[0]
                now += 1.001
                after = await limits.count(item, "key")
                assert after is not None
                assert after[0]
                longest = max(longest, seconds)
            now += (0.0, 0.3, 5.0, 0.0, 0.0, 20.25)[turn % 6] / item.amount * 3
    assert longest > 0


@pytest.mark.parametrize(("fail_open", "status"), [(True, 200), (False, 503)])
async def test_while_redis_is_gone_the_setting_decides(
    redis: OwnRedis, fail_open: bool, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Open passes, closed answers 503; and when it is back, counting is by itself."""
    edge = limited(redis.url, "2/hour", rate_limit_fail_open=fail_open)
    caplog.set_level(logging.WARNING, "gateway.edge")
    async with front(edge=edge) as gateway:
        assert await statuses(gateway, "/flask/seen", 3) == [200, 200, 429]
        redis.stop()
        assert await statuses(gateway, "/flask/seen", 10) == [status] * 10
        assert await statuses(gateway, "/fastapi/seen", 10) == [status] * 10
        answer = await gateway.get("/fastapi/seen")
        assert answer.header("ratelimit") is None
        if not fail_open:
            assert answer.header("retry-after") == "1"
        assert len([r for r in caplog.records if r.levelno >= logging.ERROR]) == 1
        redis.start()
        deadline = time.monotonic() + 20
        while (await gateway.get("/flask/seen")).header("ratelimit") is None:
            assert time.monotonic() < deadline, "counting did not come back"
        assert "the store is back" in caplog.text
        # It counts anew, as Redis does, from the one that found out.
        assert await statuses(gateway, "/fastapi/seen", 2) == [200, 429]


async def test_a_redis_that_hangs_is_gone(redis: OwnRedis) -> None:
    """No request waits long for a count, and those after it not at all."""
    async with front(edge=limited(redis.url, "100/hour")) as gateway:
        assert await statuses(gateway, "/fastapi/seen", 1) == [200]
        redis.pause()
        try:
            answers = [await gateway.get("/fastapi/seen") for _ in range(20)]
        finally:
            redis.go_on()
    assert {answer.status for answer in answers} == {200}
    assert {answer.header("ratelimit") for answer in answers} == {None}


async def test_while_the_store_is_gone_one_request_asks_for_it() -> None:
    """The others pass meanwhile: a limit is no reason to wait."""
    limits = RateLimits("memory://")
    calls = 0

    async def fail(*args: Any) -> bool:
        nonlocal calls
        calls += 1
        raise ConnectionError

    with mock.patch.object(limits._limiter, "hit", fail):
        for _ in range(5):
            assert await limits.count(parse("1/hour"), "x") is None
        assert calls == 1
        limits._gone_until = time.monotonic() - 1
        for _ in range(5):
            assert await limits.count(parse("1/hour"), "x") is None
        assert calls == 2
    limits._gone_until = time.monotonic() - 1
    assert await limits.count(parse("1/hour"), "x") is not None


async def test_counts_in_memory_do_not_pile_up() -> None:
    """Keys whose time is over are forgotten, also those of limits that nobody meets any more."""
    limits = RateLimits("memory://")
    memory = limits._limiter.storage
    assert isinstance(memory, MemoryCounts)
    now = 1_000_000_000.0
    with mock.patch("time.time", side_effect=lambda: now):
        for key in range(1000):
            await limits.count(parse("1/minute"), f"minute-{key}")
        for key in range(10_000):
            now += 1.0
            await limits.count(parse("1/second"), f"second-{key}")
    assert len(memory.storage) <= 3
    assert sum(map(len, memory._ends.values())) == len(memory.storage)


async def test_counts_in_memory_have_a_bound(caplog: pytest.LogCaptureFixture) -> None:
    """Beyond it those that would end soonest are forgotten, which is said once in a while."""
    memory, now = MemoryCounts(100), 1_000_000_000.0
    with mock.patch("time.time", side_effect=lambda: now):
        for key in range(50):
            await memory.incr(f"long-{key}", 7200)
        for key in range(50):
            now += 0.001
            await memory.incr(f"short-{key}", 120)
        for key in range(20):
            now += 0.001
            await memory.incr(f"new-{key}", 3600)
        assert len(memory.storage) == 100
        assert [await memory.get(f"short-{key}") for key in (0, 19, 20, 49)] == [0, 0, 1, 1]
        assert [await memory.get(f"long-{key}") for key in range(50)] == [1] * 50
        # What is forgotten is counted anew, and what is kept goes on.
        assert await memory.incr("short-0", 120) == 1
        assert await memory.incr("short-49", 120) == 2
        assert await memory.decr("short-0") == 0
        assert await memory.decr("short-1") == 0
    assert caplog.text.count("more than 100 counts") == 1


async def test_one_count_costs_the_same_with_many_of_them() -> None:
    """A flood of new keys is no work that grows, before the bound, at it and when windows end."""
    memory, now = MemoryCounts(2000), 1_000_000_000.0
    looked_at = 0
    forget = memory._forget_first

    def counted(ends: Any) -> None:
        nonlocal looked_at
        looked_at += 1
        forget(ends)

    with (
        mock.patch("time.time", side_effect=lambda: now),
        mock.patch.object(memory, "_forget_first", counted),
    ):
        for key in range(10_000):
            before = looked_at
            now += random.Random(key).choice([0.0, 0.0, 0.01, 30.0])
            await memory.incr(f"{key}", (20, 120)[key % 2])
            # Two of each of the two lengths, and one for the bound.
            assert looked_at - before <= 5
            assert len(memory.storage) <= 2000


async def test_connections_that_redis_has_closed_cost_nobody_a_count(redis: OwnRedis) -> None:
    """A Redis that was started anew between two requests was never gone for them."""
    edge = limited(redis.url, "1000/hour", rate_limit_fail_open=False)
    async with front(edge=edge) as gateway:
        for _ in range(2):
            answers = await asyncio.gather(*(gateway.get("/fastapi/seen") for _ in range(10)))
            assert [answer.status for answer in answers] == [200] * 10
            redis.stop()
            redis.start()
