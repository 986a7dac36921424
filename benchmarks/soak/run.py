"""The soak itself: the gateway, the traffic, the samples, and what is left in the end."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx

from benchmarks.peers import gateway
from benchmarks.serving import Folder, PeerFailedError, Server, ask, serving
from benchmarks.soak import abuse
from benchmarks.soak.judge import End
from benchmarks.soak.pace import Pace, drive
from benchmarks.soak.samples import Sample, sample
from benchmarks.soak.tally import Tally
from benchmarks.soak.visitors import Visitors, visitors_http

GATEWAY = gateway("soak/gateway.toml")
# About leaks, and not about speed: far below what one core can do.
GOOD = Pace(per_second=110, at_once=60)
ABUSE = Pace(per_second=35, at_once=250)
PLAIN = ("/flask/hello", "/fastapi/")
# How long what was left behind may take to end: longer than any deadline of the gateway's here.
SETTLE_SECONDS = 15.0
_SEED = 20


@dataclass(frozen=True)
class Plan:
    """How long, and how closely.

    Attributes:
        seconds: Of traffic.
        every_seconds: Between two samples.
        folder: An empty one, for the database and the log.
        say: Told how it goes, for the person who waits.
    """

    seconds: float
    every_seconds: float
    folder: Path
    say: Callable[[str], None]


@dataclass
class Soak:
    """What was found.

    Attributes:
        samples: In order, of the time with traffic.
        good: The good traffic.
        abuse: The abuse.
        end: What was left.
    """

    samples: list[Sample] = field(default_factory=list)
    good: Tally = field(default_factory=Tally)
    abuse: Tally = field(default_factory=Tally)
    end: End = field(default_factory=lambda: End(0, 0, {}))


def soak(plan: Plan) -> Soak:
    """Start the gateway, and soak it.

    Raises:
        PeerFailedError: It did not start, or ended meanwhile.
    """
    token = secrets.token_hex(16)
    log = plan.folder / "gateway.log"
    # As in the container.
    variables = {"GATEWAY_ADMIN__TOKEN": token, "MALLOC_ARENA_MAX": "2"}
    with serving(GATEWAY, Folder(plan.folder), None, variables=variables, log=log) as server:
        try:
            return asyncio.run(_soak(server, token, log, plan))
        except (httpx.HTTPError, http.client.HTTPException, OSError) as error:
            told = log.read_text(encoding="utf-8", errors="replace")[-2_000:]
            raise PeerFailedError(
                f"the gateway no longer answers: {type(error).__name__}: {error}\n{told}"
            ) from error


async def _soak(server: Server, token: str, log: Path, plan: Plan) -> Soak:
    found = Soak()
    url = f"127.0.0.1:{server.port}"
    async with visitors_http(f"http://{url}") as customers:
        visitors = Visitors(customers, f"ws://{url}/fastapi/events/ws")
        await visitors.sign_in()
        kinds, strangers = visitors.errands(), abuse.errands(server.port)
        # A server that does not answer the watcher ends all of it at once.
        await _together(
            _watch(server, token, plan, found),
            drive(kinds, GOOD, plan.seconds, Random(_SEED), found.good),
            drive(strangers, ABUSE, plan.seconds, Random(_SEED + 1), found.abuse),
        )
    found.end = await _look_at_the_end(server, token, log)
    return found


async def _together(*parts: Coroutine[Any, Any, None]) -> None:
    """Do all; the first that fails ends the others, and is what is raised."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _watch(server: Server, token: str, plan: Plan, found: Soak) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    due, told = 0.0, 0.0
    while due < plan.seconds:
        await asyncio.sleep(max(begun + due - loop.time(), 0))
        latest = await _sample(server, token, loop.time() - begun)
        found.samples.append(latest)
        if latest.seconds >= told:
            plan.say(f"{latest.seconds:4.0f} s: {_in_words(latest)}; {_counts(found)}")
            told += 30
        due += plan.every_seconds


async def _sample(server: Server, token: str, seconds: float) -> Sample:
    # On a connection of its own: none is left over to be counted.
    exposition = await asyncio.to_thread(_metrics, server.port, token)
    return sample(seconds, Path(f"/proc/{server.pid}"), exposition)


def _metrics(port: int, token: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
        connection.request("GET", "/_gateway/metrics", headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    if answer.status != 200:
        raise PeerFailedError(f"the metrics were answered with {answer.status}: {text[:200]}")
    return text


async def _look_at_the_end(server: Server, token: str, log: Path) -> End:
    """Wait until nothing is under way, but not for long."""
    loop = asyncio.get_running_loop()
    until = loop.time() + SETTLE_SECONDS
    while True:
        last = await _sample(server, token, 0)
        # One connection is the sample's own.
        if (last.running <= 0 and last.connections <= 1) or loop.time() > until:
            break
        await asyncio.sleep(0.5)
    plain = {path: (await asyncio.to_thread(ask, server.port, path)).status for path in PLAIN}
    with log.open(encoding="utf-8", errors="replace") as lines:
        return End(last.running, last.connections - 1, plain, errors(lines))


def errors(log: Iterable[str]) -> dict[str, int]:
    """What the gateway logged as an error, and how often; what a service logs is the service's.

    Args:
        log: Its lines, JSON but for the few that tell a person where it listens.
    """
    found: Counter[str] = Counter()
    for line in log:
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if not isinstance(told, dict) or told.get("level") not in {"error", "critical"}:
            continue
        logger = str(told.get("logger"))
        if logger.startswith(("benchmarks.", "services.")):
            continue
        raised = "".join(f" ({each['exc_type']})" for each in told.get("exception") or ())
        # Lines that differ in a number or an ID only are one.
        first_line, *_ = str(told.get("event")).splitlines() or [""]
        event = re.sub(r"[0-9a-f]{32}|\d+", "...", first_line)
        found[f"{logger}: {event}{raised}"] += 1
    return dict(found.most_common())


def _in_words(latest: Sample) -> str:
    return (
        f"{latest.resident_bytes / 1024 / 1024:.1f} MiB, {latest.threads} threads, "
        f"{latest.descriptors} descriptors, {latest.connections} connections, "
        f"{latest.running} requests running"
    )


def _counts(found: Soak) -> str:
    return (
        f"{found.good.asked.total()} good errands, {found.abuse.asked.total()} abusers, "
        f"{(found.good.unexpected + found.abuse.unexpected).total()} not as expected"
    )
