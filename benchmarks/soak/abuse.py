"""Abuse: what strangers, scanners and broken clients do, and what each has to get for it."""

from __future__ import annotations

import asyncio
import base64
import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from benchmarks.peers import MEBIBYTE
from benchmarks.soak.pace import Errand
from benchmarks.soak.raw import (
    BAD_FRAMES,
    JSON,
    UNFINISHED,
    UNFINISHED_STREAM,
    UPGRADE,
    WEBSOCKET,
    request,
)
from benchmarks.soak.strangers import Stranger
from benchmarks.soak.tally import UnexpectedError

_LEFT = "left"
_CLOSED = "closed"
_FILE_BYTES = 10 * MEBIBYTE
_SMALL_BUFFER = 4096
# Longer than the gateway's `write_seconds` and `write_timeout_seconds` in this soak.
_TAKES_NOTHING_SECONDS = 8.0

Act = Callable[[Stranger, Random], Awaitable[str]]


@dataclass(frozen=True)
class Abuse:
    """One kind of abuse.

    Attributes:
        name: In reports.
        weight: How often it is done, relative to the others.
        act: Does it on a new connection, and says how it ended.
        allowed: How it may end: a status, "closed" without an answer, "left" by the stranger.
        receive_bytes: What is kept of an answer that is not read; 0 for the system's default.
    """

    name: str
    weight: float
    act: Act
    allowed: frozenset[str]
    receive_bytes: int = 0


def errands(port: int) -> list[Errand]:
    """All kinds of abuse, each on connections of its own."""
    return [
        Errand(kind.name, kind.weight, functools.partial(_commit, kind, port)) for kind in KINDS
    ]


async def _commit(kind: Abuse, port: int, chance: Random) -> str:
    async with Stranger(port, chance, kind.receive_bytes) as stranger:
        outcome = await kind.act(stranger, chance)
    if outcome not in kind.allowed:
        allowed = " or ".join(sorted(kind.allowed))
        raise UnexpectedError(f"ended with {outcome} where {allowed} is expected")
    return outcome


def _sends(*choices: bytes) -> Act:
    """Send one of these, and wait for the end."""

    async def act(stranger: Stranger, chance: Random) -> str:
        await stranger.send(chance.choice(choices))
        return await stranger.answer()

    return act


def _sends_and_finishes(*choices: bytes) -> Act:
    """Send one of these, say that this was all, and wait for the end."""

    async def act(stranger: Stranger, chance: Random) -> str:
        await stranger.send(chance.choice(choices))
        stranger.finish()
        return await stranger.answer()

    return act


def _sends_and_leaves(*choices: bytes) -> Act:
    """Send one of these, and leave a little later."""

    async def act(stranger: Stranger, chance: Random) -> str:
        await stranger.send(chance.choice(choices))
        await asyncio.sleep(chance.uniform(0, 0.3))
        return _LEFT

    return act


def _leaves_while_answered(*choices: bytes) -> Act:
    """Take the beginning of an answer, and leave."""

    async def act(stranger: Stranger, chance: Random) -> str:
        await stranger.send(chance.choice(choices))
        first = await stranger.receive(chance.randint(64, 64 * 1024))
        if not first.startswith(b"HTTP/1.1 200 "):
            raise UnexpectedError(f"answered with {first[:100]!r}")
        return _LEFT

    return act


async def _says_nothing(stranger: Stranger, _: Random) -> str:
    return await stranger.answer()


async def _drips(stranger: Stranger, _: Random) -> str:
    """A head that never ends, byte by byte."""
    for byte in request("GET /flask/hello", "X-Slow: " + "x" * 1000):
        if not await stranger.send(bytes([byte])):
            break
        await asyncio.sleep(0.2)
    return await stranger.answer()


async def _takes_nothing(stranger: Stranger, _: Random) -> str:
    """Ask for much, and do not read it."""
    await stranger.send(request("GET /load/file"))
    await asyncio.sleep(_TAKES_NOTHING_SECONDS)
    first, count = await stranger.rest()
    if count >= _FILE_BYTES:
        raise UnexpectedError("the whole file came to a client that took nothing for long")
    return _CLOSED if first.startswith(b"HTTP/1.1 200 ") else repr(first[:40])


async def _takes_little(stranger: Stranger, _: Random) -> str:
    """Read much, but slowly, and leave in the end."""
    await stranger.send(request("GET /load/file"))
    for _number in range(20):
        if not await stranger.receive(2048):
            return _CLOSED
        await asyncio.sleep(0.2)
    return _LEFT


def _upgrades_and_sends(*choices: bytes) -> Act:
    """Become a WebSocket, send one of these, and wait for the end."""

    async def act(stranger: Stranger, chance: Random) -> str:
        await stranger.send(WEBSOCKET)
        first = await stranger.receive(4096)
        if not first.startswith(b"HTTP/1.1 101 "):
            raise UnexpectedError(f"answered with {first[:100]!r}")
        await stranger.send(chance.choice(choices))
        await stranger.rest()
        return _CLOSED

    return act


async def _scans(stranger: Stranger, chance: Random) -> str:
    """A path, a host, a query and an ID that nobody has heard of, one after the other."""
    word = base64.urlsafe_b64encode(chance.randbytes(9)).decode()
    prefix = chance.choice(["", "/flask", "/fastapi", "/load", "/_gateway", "/flask/items"])
    end = chance.choice(["", ".php", "/", "/.env", "?q=" + word])
    fields = [f"X-Request-ID: {word}", f"User-Agent: {word}", f"X-{word.strip('-_')}: 1"]
    strange = request(
        f"GET {prefix}/{word}{end}", *fields, "Connection: close", host=f"{word.lower()}.example"
    )
    await stranger.send(strange)
    return await stranger.answer()


async def _uses_odd_methods(stranger: Stranger, chance: Random) -> str:
    method = "".join(chance.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=8))
    path = chance.choice(["/flask/hello", "/fastapi/", "/nowhere"])
    await stranger.send(request(f"{method} {path}", "Connection: close"))
    return await stranger.answer()


async def _guesses(stranger: Stranger, chance: Random) -> str:
    """A token, a session, a password that is none."""
    word = chance.randbytes(12).hex()
    login = f'{{"username": "{word}", "password": ""}}'.encode()
    length = f"Content-Length: {len(login)}"
    guess = chance.choice(
        [
            request("GET /_gateway/metrics", f"Authorization: Bearer {word}", "Connection: close"),
            request("GET /flask/me", f"Cookie: session={word}", "Connection: close"),
            request("GET /fastapi/me", f"Cookie: session={word}", "Connection: close"),
            request("POST /flask/login", JSON, length, "Connection: close", body=login),
            request("POST /fastapi/login", JSON, length, "Connection: close", body=login),
        ]
    )
    await stranger.send(guess)
    return await stranger.answer()


def _statuses(*allowed: int | str) -> frozenset[str]:
    return frozenset(map(str, allowed))


KINDS = (
    Abuse("connects and says nothing", 1, _says_nothing, _statuses(_CLOSED, 408)),
    Abuse(
        "half a head",
        2,
        _sends(b"GET /fastapi/ HTTP/1.1\r\nHost: lo", b"GE", b"POST /flask/login HTTP/1.1\r\n"),
        _statuses(408),
    ),
    Abuse("a head byte by byte", 0.5, _drips, _statuses(408, _CLOSED)),
    Abuse(
        "too large a head",
        2,
        _sends(
            request("GET /flask/hello", "X-Large: " + "x" * 100_000),
            request("GET /fastapi/", *(f"X-{number}: 1" for number in range(200))),
            request("GET /" + "x" * 20_000),
        ),
        _statuses(414, 431, _CLOSED),
    ),
    Abuse("bad framing", 4, _sends(*BAD_FRAMES), _statuses(400, 501, 505)),
    Abuse("a body cut short", 2, _sends_and_finishes(*UNFINISHED), _statuses(400, _CLOSED)),
    Abuse("a body that stalls", 2, _sends(*UNFINISHED), _statuses(408, _CLOSED)),
    # Flask has begun by then, and answers by itself: 500 where the body is in chunks, as for Flask
    # that is an OSError like any other.
    Abuse(
        "a streamed body that stalls",
        0.5,
        _sends(*UNFINISHED_STREAM),
        _statuses(400, 408, 500, _CLOSED),
    ),
    Abuse(
        "leaves within its body",
        2,
        _sends_and_leaves(*UNFINISHED, *UNFINISHED_STREAM),
        _statuses(_LEFT),
    ),
    Abuse(
        "leaves before the answer",
        3,
        _sends_and_leaves(
            request("GET /fastapi/async"),
            request("GET /load/sleep"),
            request("GET /load/compute"),
            request("GET /flask/report"),
            request("GET /flask/hello") * 20,
            request("GET /fastapi/items/1") * 20,
        ),
        _statuses(_LEFT),
    ),
    Abuse(
        "leaves within the answer",
        3,
        _leaves_while_answered(
            request("GET /load/file"),
            request("GET /load/stream"),
            request("GET /flask/export.csv"),
            request("GET /fastapi/events"),
        ),
        _statuses(_LEFT),
    ),
    Abuse("takes nothing", 0.5, _takes_nothing, _statuses(_CLOSED), _SMALL_BUFFER),
    Abuse("takes little", 0.5, _takes_little, _statuses(_CLOSED, _LEFT), _SMALL_BUFFER),
    Abuse("scans for paths", 6, _scans, _statuses(400, 401, 404, 429)),
    Abuse("odd methods", 1, _uses_odd_methods, _statuses(404, 405, 501)),
    Abuse("guesses", 1.5, _guesses, _statuses(401, 422)),
    Abuse(
        "leaves a WebSocket",
        1,
        _sends_and_leaves(WEBSOCKET, WEBSOCKET + b"\x81\x85\x00\x00\x00\x00hello"),
        _statuses(_LEFT),
    ),
    Abuse(
        "a broken WebSocket",
        1,
        # A client's frames must be masked; the other one is none.
        _upgrades_and_sends(b"\x81\x05hello", b"\xff\xff" + b"\xff" * 20),
        _statuses(_CLOSED),
    ),
    Abuse(
        "half a WebSocket handshake",
        1,
        _sends(
            request("GET /fastapi/events/ws", "Upgrade: websocket", "Connection: Upgrade"),
            request("GET /fastapi/nowhere", *UPGRADE),
        ),
        _statuses(400, 403, 404, 426),
    ),
)
