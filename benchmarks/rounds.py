"""Measures the peers of a comparison in turn, round after round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks import wrk
from benchmarks.cores import Cores, pinned
from benchmarks.peers import Comparison, Peer, Row
from benchmarks.ratios import Ratio, ratio
from benchmarks.serving import Answer, PeerFailedError, Server, ask, serving
from benchmarks.wrk import Measurement

WARM_UP_SECONDS = 1


@dataclass(frozen=True)
class Plan:
    """How to measure.

    Attributes:
        rounds: How often each peer is started and measured.
        seconds: How long each row is loaded in a round.
        cores: Where the server and the load run.
        database: The SQLite file that all peers use, one after the other.
        say: Told what happens, for the person who waits.
    """

    rounds: int
    seconds: int
    cores: Cores
    database: Path
    say: Callable[[str], None]


@dataclass
class Result:
    """What a comparison found: the measurements of each peer and row, one per round."""

    comparison: Comparison
    measurements: dict[tuple[Peer, Row], list[Measurement]] = field(default_factory=dict)

    def throughput(self, peer: Peer, row: Row) -> Ratio:
        """Requests per second, as a ratio to the baseline's: more is better."""
        return self._ratio(peer, row, lambda m: m.requests_per_second)

    def p50(self, peer: Peer, row: Row) -> Ratio:
        """Median time to the answer, as a ratio to the baseline's: less is better."""
        return self._ratio(peer, row, lambda m: m.p50_ms)

    def p99(self, peer: Peer, row: Row) -> Ratio:
        """99th percentile of the time to the answer, as a ratio: less is better."""
        return self._ratio(peer, row, lambda m: m.p99_ms)

    def cpu(self, peer: Peer, row: Row) -> Ratio | None:
        """CPU time of the server per answer, as a ratio: less is better."""
        both = self.measurements[peer, row] + self.measurements[self.comparison.baseline, row]
        if not all(m.cpu_ms for m in both):
            return None
        return self._ratio(peer, row, lambda m: m.cpu_ms or 0.0)

    def _ratio(self, peer: Peer, row: Row, figure: Callable[[Measurement], float]) -> Ratio:
        baseline = self.measurements[self.comparison.baseline, row]
        return ratio(
            [figure(m) for m in self.measurements[peer, row]], [figure(m) for m in baseline]
        )


def order(peers: Sequence[Peer], number: int) -> list[Peer]:
    """The peers in the order of a round: every second one goes backwards.

    What drifts while it is measured (heat, other work on the machine) then meets each peer alike.
    """
    return list(peers) if number % 2 == 0 else list(reversed(peers))


def measure(comparison: Comparison, plan: Plan) -> Result:
    """Measure all peers in all rounds; all are started anew in each, and wait while one is loaded.

    So the measurements of a row follow each other closely: other work on the machine that lasts for
    longer slows them alike.

    Raises:
        PeerFailedError: A peer does not start, or answers other than the first one that was asked.
        LoadFailedError: A request failed under load.
    """
    result = Result(comparison)
    expected: dict[Row, Answer] = {}
    for number in range(plan.rounds):
        plan.say(f"{comparison.name}: round {number + 1} of {plan.rounds}")
        with ExitStack() as running:
            servers = {
                peer: running.enter_context(serving(peer, plan.database, plan.cores.server))
                for peer in comparison.peers
            }
            for row in comparison.rows:
                for peer in order(comparison.peers, number):
                    _check_answer(peer, servers[peer], row, expected)
                    measurement = _load(peer, servers[peer], row, plan)
                    result.measurements.setdefault((peer, row), []).append(measurement)
    return result


def _check_answer(peer: Peer, server: Server, row: Row, expected: dict[Row, Answer]) -> None:
    """Refuse to compare servers that do not do the same work."""
    answer = ask(server.port, peer.prefix + row.path)
    wanted = expected.setdefault(row, answer)
    if answer.status != 200 or answer.body != wanted.body:
        raise PeerFailedError(
            f"{peer.name} answers {peer.prefix}{row.path} with {answer.status} "
            f"{answer.body[:200]!r}, where 200 {wanted.body[:200]!r} is expected"
        )


def _load(peer: Peer, server: Server, row: Row, plan: Plan) -> Measurement:
    url = f"http://127.0.0.1:{server.port}{peer.prefix}{row.path}"
    with pinned(plan.cores.load):
        wrk.run(url, connections=row.connections, seconds=WARM_UP_SECONDS)
        before = server.cpu_seconds()
        measurement = wrk.run(url, connections=row.connections, seconds=plan.seconds)
        after = server.cpu_seconds()
    if before is None or after is None:
        return measurement
    return replace(measurement, cpu_ms=1000 * (after - before) / measurement.requests)
