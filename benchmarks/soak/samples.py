"""What the server's process holds, looked at from outside, and what it says of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_SERIES = re.compile(r"^(gateway_\w+)(?:\{([^}]*)\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Sample:
    """The server at one moment.

    Attributes:
        seconds: Since the soak began.
        resident_bytes: Its memory (`VmRSS`).
        threads: Its threads.
        descriptors: Its open descriptors.
        running: Requests that are being answered.
        connections: That are open.
        stuck: Threads that are busy with what nobody waits for.
        queued: Requests that wait for a thread.
    """

    seconds: float
    resident_bytes: int
    threads: int
    descriptors: int
    running: int
    connections: int
    stuck: int
    queued: int


def process_figures(process: Path) -> tuple[int, int, int]:
    """Resident bytes, threads and descriptors of a process (proc(5)).

    Args:
        process: Its folder in `/proc`.

    Raises:
        OSError: It is gone.
    """
    status = dict(
        line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line
    )
    resident = int(status["VmRSS"].split()[0]) * 1024
    return resident, int(status["Threads"]), sum(1 for _ in (process / "fd").iterdir())


def sample(seconds: float, process: Path, exposition: str) -> Sample:
    """Make one of what the process holds, and of its metrics in Prometheus' text format."""
    told = gauges(exposition)
    # The request for the metrics is one of those that are running.
    return Sample(
        seconds,
        *process_figures(process),
        running=told["gateway_requests_running"] - 1,
        connections=told["gateway_connections"],
        stuck=told['gateway_pool_threads{state="stuck"}'],
        queued=told["gateway_pool_queued"],
    )


def gauges(exposition: str) -> Mapping[str, int]:
    """The figures of interest, each over all mounts.

    Raises:
        KeyError: One of them is not there.
    """
    totals: dict[str, float] = {}
    for name, labels, value in _SERIES.findall(exposition):
        state = re.search(r'state="\w+"', labels)
        key = f"{name}{{{state[0]}}}" if state else name
        totals[key] = totals.get(key, 0.0) + float(value)
    names = ("gateway_requests_running", "gateway_connections", "gateway_pool_queued")
    return {key: int(totals[key]) for key in (*names, 'gateway_pool_threads{state="stuck"}')}
