"""The order of measurement, and what is made of the measurements."""

from dataclasses import replace

import pytest

from benchmarks.peers import Bar, Comparison, Limit, Peer, Row
from benchmarks.ratios import Ratio
from benchmarks.report import as_json, comparison_table, figures_of, lines, verdict
from benchmarks.rounds import LimitMeasurement, Result, median_of, order
from benchmarks.wrk import Measurement

OTHER = Peer("other", ("other", "--port", "{port}"))
GATEWAY = Peer("gateway", ("gateway",), "/flask")
ROW = Row("/hello")
BAR = Bar("other", "throughput", 0.90)
COMPARISON = Comparison("flask", GATEWAY, (OTHER,), (ROW,), (BAR,))
BUSY = Row("/compute", connections=16)


def measurement(requests_per_second: float, milliseconds: float) -> Measurement:
    """A run in which every answer took about as long, half of it computing."""
    cpu_ms = milliseconds / 2
    return Measurement(requests_per_second, milliseconds, 2 * milliseconds, 100, 0, cpu_ms)


def cells(table: str, row: int) -> list[str]:
    """What one row of a Markdown table says."""
    return [cell.strip() for cell in table.splitlines()[2 + row].split("|")[1:-1]]


def test_every_second_round_goes_backwards() -> None:
    """No peer is always the first."""
    assert [peer.name for number in range(3) for peer in order((OTHER, GATEWAY), number)] == [
        *("other", "gateway"),
        *("gateway", "other"),
        *("other", "gateway"),
    ]


def test_of_several_turns_the_median_of_each_figure_counts() -> None:
    """And one that was disturbed does not."""
    turns = [measurement(1000, 1), measurement(300, 9), measurement(900, 2)]
    assert median_of(turns) == Measurement(900, 2, 4, 300, 0, 1.0)
    assert median_of([*turns, replace(turns[0], cpu_ms=None)]).cpu_ms is None


def test_a_peer_is_told_its_port() -> None:
    """The port stands where the command says."""
    assert OTHER.command_on(4321) == ["other", "--port", "4321"]


def test_a_result_compares_the_contender_with_each_baseline() -> None:
    """Throughput, CPU and both percentiles, in a table that names the bar."""
    result = Result(COMPARISON)
    result.measurements[OTHER, ROW] = [measurement(1000, 10), measurement(1000, 10)]
    result.measurements[GATEWAY, ROW] = [measurement(2000, 5), measurement(3000, 4)]
    assert result.figure("throughput", OTHER, ROW) == Ratio(2.5, 2.0, 3.0)
    assert result.figure("p50", OTHER, ROW) == Ratio(0.45, 0.4, 0.5)
    assert result.p99_ms(ROW) == 9.0
    assert cells(comparison_table(result), 0) == [
        "GET /hello, 32 connections",
        "gateway / other",
        "2.50 (2.00..3.00)",
        *("0.45 (0.40..0.50)",) * 3,
        "throughput at least 0.9: held",
    ]
    assert (
        as_json({}, [result], [], [])["comparisons"][0]["ratios"][0]["names"] == "gateway / other"
    )


def test_cpu_time_is_compared_only_where_it_is_known() -> None:
    """Other systems than Linux do not tell it."""
    result = Result(COMPARISON)
    result.measurements[OTHER, ROW] = [measurement(1000, 10)]
    result.measurements[GATEWAY, ROW] = [replace(measurement(1000, 10), cpu_ms=None)]
    assert result.figure("CPU", OTHER, ROW) is None
    assert "not known" in comparison_table(result)


def test_the_limit_is_the_sum_of_what_no_adapter_can_save() -> None:
    """An empty answer and the call alone, round by round."""
    limit = Limit(OTHER, ROW, at_most=1.35, aim=1.15)
    result = Result(replace(COMPARISON, limit=limit))
    result.measurements[OTHER, ROW] = [measurement(1000, 1)] * 2
    result.measurements[GATEWAY, ROW] = [measurement(1000, 1), measurement(1000, 1)]
    result.limits += [LimitMeasurement(0.1, 0.3), LimitMeasurement(0.2, 0.3)]
    assert result.limit() == pytest.approx(Ratio(0.5 / 0.45, 1.0, 1.25))
    assert cells(comparison_table(result), 1)[-1] == (
        "CPU per answer at most 1.35: held, aim 1.15: reached"
    )


def test_a_background_is_compared_where_all_have_the_same() -> None:
    """Its throughput is a figure then; where one is idle there is nothing to compare."""
    busy, other = replace(GATEWAY, background=BUSY), replace(OTHER, background=BUSY)
    comparison = Comparison("beside", busy, (other,), (ROW,), (Bar("other", "background", 1.0),))
    result = Result(comparison)
    for peer, rate in ((busy, 190.0), (other, 200.0)):
        result.measurements[peer, ROW] = [measurement(1000, 1)]
        result.backgrounds[peer, ROW] = [measurement(rate, 1)]
    assert lines(result)[0].figures["background"] == Ratio(0.95, 0.95, 0.95)
    assert cells(comparison_table(result), 0)[-1] == ("background's throughput at least 1: MISSED")
    assert "gateway: at the same time GET /compute, 16 connections." in comparison_table(result)
    idle = replace(comparison, baselines=(OTHER,))
    assert figures_of(idle) == ("throughput", "p50", "p99")


def test_a_stream_that_is_read_meanwhile_is_said() -> None:
    """With the processor's time, which is for the stream, too: that is what is asked."""
    comparison = replace(COMPARISON, contender=replace(GATEWAY, stream="/events"))
    result = Result(comparison)
    for peer in comparison.peers:
        result.measurements[peer, ROW] = [measurement(1000, 1)]
    assert "CPU" in figures_of(comparison)
    assert "- gateway: at the same time one reader of /events." in comparison_table(result)


def test_a_bar_can_be_for_some_rows_and_one_baseline() -> None:
    """Others are not judged by it."""
    bar = replace(BAR, rows=(ROW,))
    comparison = replace(COMPARISON, bars=(bar,))
    assert comparison.bars_of(OTHER, ROW) == (bar,)
    assert comparison.bars_of(OTHER, BUSY) == ()
    assert comparison.bars_of(replace(OTHER, name="third"), ROW) == ()


@pytest.mark.parametrize(
    ("bar", "found", "said"),
    [
        (BAR, 0.90, "throughput at least 0.9: held"),
        (BAR, 0.8999, "throughput at least 0.9: MISSED"),
        (Bar("other", "p99", 1.5, aim=1.1), 1.5, "p99 at most 1.5: held, aim 1.1: not reached"),
        (Bar("other", "p99", 1.5, aim=1.1), 1.51, "p99 at most 1.5: MISSED, aim 1.1: not reached"),
        (Bar("other", "p99", None, aim=1.0), 1.0, "p99 at most aim 1: reached"),
        (Bar("other", "throughput", 1.0), None, "throughput at least 1: not known"),
    ],
)
def test_a_missed_bar_is_said(bar: Bar, found: float | None, said: str) -> None:
    """By the ratio itself, not by what is printed of it."""
    assert verdict(bar, None if found is None else Ratio(found, 0.8, 2.0)) == said
