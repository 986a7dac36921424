"""Prometheus metrics: rate, errors and duration per mount and route template, pools, the process.

Labels have bounds: a route is named by its template and only where one matched, a method only where
it is a known one. A scan of random paths adds no series.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import time
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from gateway.exchange import Exchange
from gateway.telemetry.live import KNOWN_METHODS
from gateway.telemetry.process import is_alive, loop_lags, process_figures

# Where the workers of one gateway keep their figures. prometheus-client's own variable.
SHARED_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
SAMPLE_SECONDS = 1.0
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SERIES_KEPT = 5000


class Pool(Protocol):
    """What a WSGI mount's pool of threads tells of itself."""

    threads: int

    @property
    def busy(self) -> int:
        """Threads that have a request."""

    @property
    def awake(self) -> int:
        """Threads that are not asleep."""

    @property
    def queued(self) -> int:
        """Requests that wait."""

    @property
    def stuck(self) -> int:
        """Threads that are busy with what nobody waits for."""

    @property
    def totals(self) -> Mapping[str, int]:
        """What has become of requests, by name."""


class Connections(Protocol):
    """What a server's connections tell."""

    open: int
    refused: Counts[int]
    crowded_out: int
    not_taking: int


@dataclass
class _Totals:
    """Of one mount."""

    waited: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0


class Metrics:
    """The figures of one process, or, where several share a folder, of all.

    Args:
        version: The gateway's.
        pools: The pool of each WSGI mount that has one, by the mount's name.
        running: The exchanges that are open.
        connections: What the server's connections have seen, where it counts them.

    Attributes:
        switches: What became of shadows and fallbacks since the process began, by switch, by
            "shadow" or "fallback", and by outcome or reason.
    """

    def __init__(
        self,
        version: str,
        pools: Mapping[str, Pool],
        running: Sized = (),
        connections: Connections | None = None,
    ) -> None:
        self.switches: Callable[[], Mapping[tuple[str, str, str], int]] = dict
        self._shared = os.environ.get(SHARED_FOLDER_VARIABLE, "")
        self._pools = pools
        self._exchanges = running
        self._connections = connections
        self._counted: dict[tuple[str, str], float] = {}
        self._cpu_seconds = 0.0
        # When a series was made is told to nobody who asks for it here, and doubles their number.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._seen: dict[tuple[str, str, str, str, int, str], Callable[[float], None]] = {}
        self._totals: dict[str, _Totals] = {}
        registry = self._registry = CollectorRegistry()
        labels = ["mount", "stack", "route", "method", "status", "outcome"]
        self._duration = Histogram(
            "gateway_request_duration_seconds",
            "Time from a request's headers to the end of its answer.",
            labels,
            registry=registry,
            buckets=_BUCKETS,
        )
        self._running = self._gauge("gateway_requests_running", "Requests being answered.")
        self._waited = Counter(
            "gateway_thread_wait_seconds",
            "Time that requests waited for a thread.",
            ["mount"],
            registry=registry,
        )
        self._bytes = Counter(
            "gateway_body_bytes",
            "Bytes of bodies, received and sent.",
            ["mount", "direction"],
            registry=registry,
        )
        self._pool_threads = self._gauge(
            "gateway_pool_threads", "A mount's threads by state.", ["mount", "state"]
        )
        self._pool_queued = self._gauge(
            "gateway_pool_queued", "Requests that wait for a thread.", ["mount"]
        )
        self._pool_events = Counter(
            "gateway_pool_requests",
            "What became of the requests to a mount's pool.",
            ["mount", "result"],
            registry=registry,
        )
        self._shadows = Counter(
            "gateway_switch_shadows",
            "What became of the requests that were to be compared.",
            ["switch", "outcome"],
            registry=registry,
        )
        self._fallbacks = Counter(
            "gateway_switch_fallbacks",
            "Requests that the legacy service answered in the candidate's place.",
            ["switch", "reason"],
            registry=registry,
        )
        self._lag = self._gauge(
            "gateway_event_loop_lag_seconds",
            "How late the event loop was in the last second: the most of all workers.",
            mode="livemax",
        )
        self._memory = self._gauge(
            "process_resident_memory_bytes", "Resident memory of all workers."
        )
        self._descriptors = self._gauge("process_open_fds", "Open descriptors of all workers.")
        self._threads = self._gauge("process_threads", "Threads of all workers.")
        self._cpu = Counter(
            "process_cpu_seconds", "CPU time of all workers, user and system.", registry=registry
        )
        self._open = self._gauge("gateway_connections", "Open connections.")
        self._refused = Counter(
            "gateway_refused_requests",
            "Requests refused before the edge saw them, by status.",
            ["status"],
            registry=registry,
        )
        self._closed = Counter(
            "gateway_closed_connections",
            "Connections closed by the gateway: for newer ones, or as nothing was taken.",
            ["reason"],
            registry=registry,
        )
        self._workers = self._gauge("gateway_workers", "Serving processes.")
        self._workers.set(1)
        self._gauge(
            "gateway_build_info",
            "The gateway and the Python that it runs on.",
            ["version", "python"],
            mode="livemax",
        ).labels(version, platform.python_version()).set(1)

    def closed(self, exchanges: Iterable[Exchange]) -> None:
        """They are over."""
        for exchange in exchanges:
            key = (
                exchange.mount,
                exchange.stack,
                exchange.route,
                exchange.method,
                exchange.status,
                exchange.outcome,
            )
            observe = self._seen.get(key) or self._series(key)
            observe(exchange.ended - exchange.started)
            # Counters proper cost a lock each; these are handed to them at the next sample.
            totals = self._totals.get(exchange.mount)
            if totals is None:
                totals = self._totals[exchange.mount] = _Totals()
            totals.waited += exchange.waited
            totals.bytes_in += exchange.bytes_in
            totals.bytes_out += exchange.bytes_out

    def _series(self, key: tuple[str, str, str, str, int, str]) -> Callable[[float], None]:
        """Where the durations of such requests go."""
        mount, stack, route, method, status, outcome = key
        known = method in KNOWN_METHODS
        if len(self._seen) >= _SERIES_KEPT:
            # No service has so many routes; one that makes them up as it goes may.
            route, status = "(more)", 0
        labels = (mount, stack, route, method if known else "other", str(status), outcome)
        observe: Callable[[float], None] = self._duration.labels(*labels).observe
        if known and route != "(more)":
            self._seen[key] = observe
        return observe

    async def sample(self) -> None:
        """Keep the gauges right, until cancelled; and leave the counters so."""
        self._sample()
        try:
            async for late in loop_lags(SAMPLE_SECONDS):
                self._lag.set(late)
                self._sample()
        finally:
            self._sample()

    async def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        await asyncio.sleep(0)  # what ended before is told of in this step of the event loop
        # Here, beside nothing else that counts; thousands of lines are no work for an event loop.
        self._sample()
        return await asyncio.to_thread(self._text)

    def _text(self) -> bytes:
        if not self._shared:
            return prometheus_client.generate_latest(self._registry)
        _forget_dead(Path(self._shared))
        registry = CollectorRegistry()
        MultiProcessCollector(registry, self._shared)  # type: ignore[no-untyped-call]
        return prometheus_client.generate_latest(registry)

    def _gauge(
        self, name: str, purpose: str, labels: list[str] | None = None, mode: str = "livesum"
    ) -> Gauge:
        return Gauge(
            name,
            purpose,
            labels or [],
            registry=self._registry,
            multiprocess_mode=mode,  # type: ignore[arg-type]
        )

    def _sample(self) -> None:
        self._running.set(len(self._exchanges))
        for mount, totals in self._totals.items():
            self._raise(self._waited.labels(mount), ("waited", mount), totals.waited)
            self._raise(self._bytes.labels(mount, "in"), ("in", mount), totals.bytes_in)
            self._raise(self._bytes.labels(mount, "out"), ("out", mount), totals.bytes_out)
        self._sample_pools()
        self._sample_connections()
        self._sample_switches()
        self._sample_process()

    def _sample_pools(self) -> None:
        for mount, pool in self._pools.items():
            self._pool_queued.labels(mount).set(pool.queued)
            for state, count in (
                ("allowed", pool.threads),
                ("busy", pool.busy),
                ("awake", pool.awake),
                ("stuck", pool.stuck),
            ):
                self._pool_threads.labels(mount, state).set(count)
            for result, total in pool.totals.items():
                self._raise(self._pool_events.labels(mount, result), (mount, result), total)

    def _sample_connections(self) -> None:
        connections = self._connections
        if connections is None:
            return
        self._open.set(connections.open)
        for status, total in connections.refused.items():
            self._raise(self._refused.labels(status), ("refused", str(status)), total)
        for reason, total in (
            ("crowded out", connections.crowded_out),
            ("nothing taken", connections.not_taking),
        ):
            self._raise(self._closed.labels(reason), ("closed", reason), total)

    def _sample_switches(self) -> None:
        for (switch, kind, what), total in self.switches().items():
            counter = self._shadows if kind == "shadow" else self._fallbacks
            self._raise(counter.labels(switch, what), (kind, f"{switch}\0{what}"), total)

    def _raise(self, counter: Counter, key: tuple[str, str], total: float) -> None:
        """Bring a counter up to a total that is counted elsewhere."""
        counter.inc(total - self._counted.get(key, 0))
        self._counted[key] = total

    def _sample_process(self) -> None:
        cpu_seconds = time.process_time()
        self._cpu.inc(max(cpu_seconds - self._cpu_seconds, 0.0))
        self._cpu_seconds = cpu_seconds
        figures = process_figures()
        if figures is not None:
            self._memory.set(figures.memory_bytes)
            self._descriptors.set(figures.descriptors)
            self._threads.set(figures.threads)


def _forget_dead(folder: Path) -> None:
    """Leave out the gauges of workers that are gone; what they have counted stays."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not is_alive(pid):
            # Whoever else is asked at this moment does the same.
            with contextlib.suppress(FileNotFoundError):
                mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
