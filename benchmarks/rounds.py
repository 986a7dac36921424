"""Measures the peers of a comparison in turn, round after round."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from statistics import median

from benchmarks import wrk
from benchmarks.cores import Cores, pinned
from benchmarks.limit import flask_call_ms
from benchmarks.peers import Comparison, Figure, Limit, Peer, Row
from benchmarks.ratios import Ratio, ratio
from benchmarks.serving import Answer, Folder, PeerFailedError, Server, ask, reading, serving
from benchmarks.wrk import Measurement

WARM_UP_SECONDS = 1
# How long a background goes on after what it is the background of.
_OVERLAP_SECONDS = 1


@dataclass(frozen=True)
class Plan:
    """How to measure.

    Attributes:
        rounds: How often each peer is started and measured.
        seconds: How long each row is loaded in a round.
        cores: Where the server and the load run.
        folder: The files that all peers use, one after the other.
        say: Told what happens, for the person who waits.
    """

    rounds: int
    seconds: int
    cores: Cores
    folder: Folder
    say: Callable[[str], None]


@dataclass(frozen=True)
class LimitMeasurement:
    """CPU times, in milliseconds, of one round.

    Attributes:
        empty_ms: What an empty answer costs the server.
        call_ms: What the Flask call costs by itself.
    """

    empty_ms: float
    call_ms: float


@dataclass
class Result:
    """What a comparison found, one measurement per round.

    Attributes:
        comparison: What was compared.
        measurements: Of each peer and row.
        backgrounds: What was measured of a peer's background while a row was.
        limits: What the limit consists of; empty where it is not known.
    """

    comparison: Comparison
    measurements: dict[tuple[Peer, Row], list[Measurement]] = field(default_factory=dict)
    backgrounds: dict[tuple[Peer, Row], list[Measurement]] = field(default_factory=dict)
    limits: list[LimitMeasurement] = field(default_factory=list)

    def figure(self, name: Figure, baseline: Peer, row: Row) -> Ratio | None:
        """One of the contender's figures as a ratio to a baseline's; None where it is not known."""
        found = self.backgrounds if name == "background" else self.measurements
        ours, theirs = (
            [_figure(name, m) or 0.0 for m in found.get((peer, row), ())]
            for peer in (self.comparison.contender, baseline)
        )
        if not (ours and theirs and all(ours) and all(theirs)):
            return None
        return ratio(ours, theirs)

    def limit(self) -> Ratio | None:
        """The contender's CPU time per answer, as a ratio to the limit's; None: not known."""
        if self.comparison.limit is None or not self.limits:
            return None
        found = self.measurements[self.comparison.contender, self.comparison.limit.row]
        if not all(m.cpu_ms for m in found):
            return None
        return ratio(
            [m.cpu_ms or 0.0 for m in found], [m.empty_ms + m.call_ms for m in self.limits]
        )

    def p99_ms(self, row: Row) -> float:
        """The contender's own 99th percentile, in milliseconds: the median of the rounds."""
        return median(m.p99_ms for m in self.measurements[self.comparison.contender, row])


def order(peers: Sequence[Peer], number: int) -> list[Peer]:
    """The peers in the order of a round: every second one goes backwards.

    What drifts while it is measured (heat, other work on the machine) then meets each peer alike.
    """
    return list(peers) if number % 2 == 0 else list(reversed(peers))


def measure(comparison: Comparison, plan: Plan) -> Result:
    """Measure all peers in all rounds; they are started anew in each, and wait while one is loaded.

    So the measurements of a row follow each other closely: other work on the machine that lasts for
    longer slows them alike.

    Raises:
        PeerFailedError: A peer does not start, or answers other than the first one that was asked.
        LoadFailedError: A request failed under load.
    """
    result = Result(comparison)
    plan = replace(plan, seconds=plan.seconds * comparison.times)
    expected: dict[Row, Answer] = {}
    for number in range(plan.rounds):
        plan.say(f"{comparison.name}: round {number + 1} of {plan.rounds}")
        with ExitStack() as running:
            servers: dict[Peer, Server] = {}
            for peer in comparison.peers:
                if comparison.one_server and servers:
                    servers[peer] = servers[comparison.baselines[0]]
                else:
                    server = serving(peer, plan.folder, plan.cores.server)
                    servers[peer] = running.enter_context(server)
            for row in comparison.rows:
                turns: dict[Peer, list[Measurement]] = {}
                for turn in range(comparison.turns):
                    for peer in order(comparison.peers, number + turn):
                        _check_answers(peer, servers[peer], row, expected)
                        warm = comparison.one_server and turn > 0
                        with reading(servers[peer].port, peer.stream):
                            found = _measure_row(peer, servers[peer], row, plan, result, warm)
                        turns.setdefault(peer, []).append(found)
                for peer, measured in turns.items():
                    result.measurements.setdefault((peer, row), []).append(median_of(measured))
            if comparison.limit is not None:
                _measure_limit(comparison.limit, plan, result)
    return result


def _check_answers(peer: Peer, server: Server, row: Row, expected: dict[Row, Answer]) -> None:
    """Refuse to compare servers that do not do the same work."""
    for asked in (row, peer.background):
        if asked is None:
            continue
        answer = ask(server.port, peer.prefix + asked.path, asked.body_bytes)
        wanted = expected.setdefault(asked, answer)
        if answer.status != 200 or answer.body != wanted.body:
            raise PeerFailedError(
                f"{peer.name} answers {peer.prefix}{asked.path} with {answer.status} "
                f"{answer.body[:200]!r}, where 200 {wanted.body[:200]!r} is expected"
            )


def median_of(measured: Sequence[Measurement]) -> Measurement:
    """One measurement of several: the median of each figure, and all requests."""
    cpu = [one.cpu_ms for one in measured if one.cpu_ms is not None]
    return Measurement(
        median(one.requests_per_second for one in measured),
        median(one.p50_ms for one in measured),
        median(one.p99_ms for one in measured),
        sum(one.requests for one in measured),
        sum(one.errors for one in measured),
        median(cpu) if len(cpu) == len(measured) else None,
    )


def _measure_row(  # noqa: PLR0913, PLR0917
    peer: Peer, server: Server, row: Row, plan: Plan, result: Result, warm: bool
) -> Measurement:
    with pinned(plan.cores.load), _background(peer, server, plan) as background:
        found = _load(peer, server, row, plan, warm)
        if background is not None:
            result.backgrounds.setdefault((peer, row), []).append(background.result())
            # The server's processor time is for the background's answers too.
            found = replace(found, cpu_ms=None)
    return found


def _measure_limit(limit: Limit, plan: Plan, result: Result) -> None:
    with serving(limit.peer, plan.folder, plan.cores.server) as server, pinned(plan.cores.load):
        empty = _load(limit.peer, server, limit.row, plan, warm=False)
    with pinned(plan.cores.server):
        call_ms = flask_call_ms(limit.row.path)
    if empty.cpu_ms is not None:
        result.limits.append(LimitMeasurement(empty.cpu_ms, call_ms))


@contextmanager
def _background(peer: Peer, server: Server, plan: Plan) -> Iterator[Future[Measurement] | None]:
    """Keep the peer's background going for as long as one row takes."""
    if peer.background is None:
        yield None
        return
    seconds = WARM_UP_SECONDS + plan.seconds + _OVERLAP_SECONDS
    # The thread, and so the process that it starts, is pinned as this one is.
    with ThreadPoolExecutor(max_workers=1) as executor:
        yield executor.submit(_run, peer, server, peer.background, seconds)


def _load(peer: Peer, server: Server, row: Row, plan: Plan, warm: bool) -> Measurement:
    if not warm:
        _run(peer, server, row, WARM_UP_SECONDS)
    before = server.cpu_seconds()
    measurement = _run(peer, server, row, plan.seconds)
    after = server.cpu_seconds()
    if before is None or after is None:
        return measurement
    return replace(measurement, cpu_ms=1000 * (after - before) / measurement.requests)


def _run(peer: Peer, server: Server, row: Row, seconds: int) -> Measurement:
    return wrk.run(
        f"http://127.0.0.1:{server.port}{peer.prefix}{row.path}",
        connections=row.connections,
        seconds=seconds,
        body_bytes=row.body_bytes,
        pause_ms=row.pause_ms,
    )


def _figure(name: Figure, measurement: Measurement) -> float | None:
    match name:
        case "CPU":
            return measurement.cpu_ms
        case "p50":
            return measurement.p50_ms
        case "p99":
            return measurement.p99_ms
        case _:
            return measurement.requests_per_second
