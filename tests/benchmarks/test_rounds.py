"""The order of measurement, and what is made of the measurements."""

from dataclasses import replace

import pytest

from benchmarks.peers import Comparison, Peer, Row
from benchmarks.ratios import Ratio
from benchmarks.report import comparison_table, verdict
from benchmarks.rounds import Result, order
from benchmarks.wrk import Measurement

OTHER = Peer("other", ("other", "--port", "{port}"))
GATEWAY = Peer("gateway", ("gateway",), "/flask")
COMPARISON = Comparison("flask", (OTHER, GATEWAY), (Row("/hello"),), least_throughput=0.90)


def measurement(requests_per_second: float, milliseconds: float) -> Measurement:
    """A run in which every answer took about as long, half of it computing."""
    cpu_ms = milliseconds / 2
    return Measurement(requests_per_second, milliseconds, 2 * milliseconds, 100, 0, cpu_ms)


def test_every_second_round_goes_backwards() -> None:
    """No peer is always the first."""
    assert [peer.name for number in range(3) for peer in order((OTHER, GATEWAY), number)] == [
        *("other", "gateway"),
        *("gateway", "other"),
        *("other", "gateway"),
    ]


def test_a_peer_is_told_its_port() -> None:
    """The port stands where the command says."""
    assert OTHER.command_on(4321) == ["other", "--port", "4321"]


def test_a_result_compares_each_contender_with_the_baseline() -> None:
    """Throughput and both percentiles, in a table that names the bar."""
    row = COMPARISON.rows[0]
    result = Result(COMPARISON)
    result.measurements[OTHER, row] = [measurement(1000, 10), measurement(1000, 10)]
    result.measurements[GATEWAY, row] = [measurement(2000, 5), measurement(3000, 4)]
    assert result.throughput(GATEWAY, row) == Ratio(2.5, 2.0, 3.0)
    assert result.p50(GATEWAY, row) == Ratio(0.45, 0.4, 0.5)
    cells = [cell.strip() for cell in comparison_table(result).splitlines()[-1].split("|")[1:-1]]
    assert cells == [
        "GET /hello, 32 connections",
        "gateway / other",
        "2.50 (2.00..3.00)",
        *("0.45 (0.40..0.50)",) * 3,
        "at least 0.90: held",
    ]


def test_cpu_time_is_compared_only_where_it_is_known() -> None:
    """Other systems than Linux do not tell it."""
    row = COMPARISON.rows[0]
    result = Result(COMPARISON)
    result.measurements[OTHER, row] = [measurement(1000, 10)]
    result.measurements[GATEWAY, row] = [replace(measurement(1000, 10), cpu_ms=None)]
    assert result.cpu(GATEWAY, row) is None
    assert "not known" in comparison_table(result)


@pytest.mark.parametrize(
    ("throughput", "said"), [(0.90, "at least 0.90: held"), (0.8999, "at least 0.90: MISSED")]
)
def test_a_missed_bar_is_said(throughput: float, said: str) -> None:
    """By the ratio itself, not by what is printed of it."""
    assert verdict(COMPARISON, Ratio(throughput, 0.8, 1.0)) == said
