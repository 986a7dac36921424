"""The time that it takes to find a request's mount, beside Starlette's own list of mounts."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.routing import BaseRoute, Match
from starlette.routing import Mount as StarletteMount
from starlette.types import Receive, Scope, Send

from benchmarks.ratios import Ratio, ratio
from gateway.mounts import Mount, MountTable, child_scope

SIZES = (2, 101, 10_001)
# Enough places in the table, from its first to its last, to stand for them all.
_SAMPLES = 50
_SECONDS_PER_TIMING = 0.2


@dataclass(frozen=True)
class LookupTimes:
    """Seconds per lookup, one per round.

    Attributes:
        mounts: How many there were.
        table: The gateway's.
        routes: Starlette's.
    """

    mounts: int
    table: tuple[float, ...]
    routes: tuple[float, ...]

    @property
    def to_starlette(self) -> Ratio:
        """The gateway's time over Starlette's."""
        return ratio(self.table, self.routes)


def measure(rounds: int) -> list[LookupTimes]:
    """Time the lookups with few mounts and with many.

    Both sides end with the scope that the service is to be called with, for paths that are spread
    evenly over the mounts.
    """
    return [_measure_size(size, rounds) for size in SIZES]


def growth(times: list[LookupTimes], figures: Callable[[LookupTimes], tuple[float, ...]]) -> Ratio:
    """The time with the most mounts over the time with the fewest."""
    return ratio(figures(times[-1]), figures(times[0]))


def _measure_size(size: int, rounds: int) -> LookupTimes:
    prefixes = [f"/service-{number:05d}" for number in range(size)]
    scopes = [_scope(prefix) for prefix in prefixes[:: max(1, size // _SAMPLES)]]
    table = MountTable([Mount(prefix, _answer) for prefix in prefixes], otherwise=_answer)
    routes: list[BaseRoute] = [StarletteMount(prefix, app=_answer) for prefix in prefixes]

    def look_up_table() -> None:
        for scope in scopes:
            mount = table.find(scope["path"])
            assert mount is not None
            child_scope(dict(scope), mount)  # it changes what it is given

    # Starlette's router writes into the scope; this takes that, and leaves the path as it was.
    written: dict[str, Any] = {}

    def look_up_routes() -> None:
        for scope in scopes:
            for route in routes:
                match, changes = route.matches(scope)
                if match is Match.FULL:
                    written.update(changes)
                    break

    timings = [(_time(look_up_table), _time(look_up_routes)) for _ in range(rounds)]
    return LookupTimes(
        size,
        table=tuple(ours / len(scopes) for ours, _ in timings),
        routes=tuple(theirs / len(scopes) for _, theirs in timings),
    )


def _time(work: Callable[[], None]) -> float:
    """Seconds that one call takes, over as many calls as make the clock's steps small."""
    timer = timeit.Timer(work)
    number = max(1, int(_SECONDS_PER_TIMING / max(timer.timeit(1), 1e-9)))
    return timer.timeit(number) / number


def _scope(prefix: str) -> Scope:
    path = f"{prefix}/items/1"
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8000"), (b"accept", b"*/*")],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8_000),
        "state": {},
    }


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Stand in for a service; the lookup ends where it would be called."""
