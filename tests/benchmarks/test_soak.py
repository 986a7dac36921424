"""What a soak makes of its figures; the soak itself takes minutes and is not run here."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from random import Random
from xml.etree import ElementTree as ET

import httpx
import pytest

from benchmarks.peers import MEBIBYTE
from benchmarks.soak import abuse
from benchmarks.soak.judge import End, TooShortError, faults, verdicts
from benchmarks.soak.pace import Errand, Pace, drive
from benchmarks.soak.picture import picture, scale
from benchmarks.soak.run import errors
from benchmarks.soak.samples import Sample, gauges, process_figures
from benchmarks.soak.tally import Tally, UnexpectedError
from benchmarks.soak.visitors import Visitors

FLAT = Sample(0, 100 * MEBIBYTE, 30, 80, running=5, connections=20, stuck=0, queued=0)
END = End(0, 0, {"/flask/hello": 200})


def soaked(**late: int) -> list[Sample]:
    """A hundred samples; from the middle on some figures are others."""
    return [replace(FLAT, seconds=n, **(late if n > 50 else {})) for n in range(101)]


def not_flat(samples: Iterable[Sample]) -> list[str]:
    """The names of the figures that moved too far."""
    return [verdict.name for verdict in verdicts(list(samples)) if not verdict.is_flat]


def tally(**outcomes: int) -> Tally:
    """So many of each kind, all as they should be."""
    return Tally(Counter(outcomes), {kind: Counter({"200": n}) for kind, n in outcomes.items()})


@pytest.mark.parametrize(
    ("late", "moved"),
    [
        ({}, []),
        # A tenth, or 10 MiB: here both are as much.
        ({"resident_bytes": 110 * MEBIBYTE}, []),
        ({"resident_bytes": 111 * MEBIBYTE}, ["memory"]),
        ({"resident_bytes": 50 * MEBIBYTE}, []),
        ({"threads": 36, "descriptors": 95}, []),
        ({"threads": 37}, ["threads"]),
        ({"threads": 23}, ["threads"]),
        ({"descriptors": 96}, ["descriptors"]),
        ({"connections": 500, "running": 100}, []),
    ],
)
def test_what_moved_too_far_is_told(late: dict[str, int], moved: list[str]) -> None:
    """Memory may fall; threads and descriptors stay the same but for a small constant."""
    assert not_flat(soaked(**late)) == moved


def test_the_warm_up_and_single_samples_are_not_judged() -> None:
    """Caches fill first, and one moment is not a trend."""
    warm = replace(FLAT, resident_bytes=MEBIBYTE, threads=1, descriptors=1)
    peak = replace(FLAT, resident_bytes=900 * MEBIBYTE, threads=90, descriptors=900)
    found = [
        replace(warm, seconds=n) if n < 20 else replace(peak, seconds=n) if n % 10 == 0 else sample
        for n, sample in enumerate(soaked())
    ]
    assert not_flat(found) == []


@pytest.mark.parametrize("samples", [[], soaked()[:1], soaked()[:8]])
def test_too_few_samples_are_no_verdict(samples: list[Sample]) -> None:
    """Rather than one by chance."""
    with pytest.raises(TooShortError, match="samples"):
        verdicts(samples)


def test_a_flat_soak_has_no_faults() -> None:
    """What the gateway logged is told, and not judged."""
    end = replace(END, errors={"asyncio: slow": 3})
    assert faults(verdicts(soaked()), tally(hello=3), tally(scan=1), end) == []


def test_each_fault_is_a_sentence() -> None:
    """With its figures, so that whoever reads the log of a night knows where to look."""
    good, bad = tally(hello=10), tally(scan=5)
    good.failed("hello", "answered 500")
    bad.failed("scan", "was not let go")
    bad.failed("scan", "was not let go")
    end = End(running=2, connections=3, plain={"/flask/hello": 503, "/fastapi/": 200})
    assert faults(verdicts(soaked(threads=60)), good, bad, end) == [
        "threads: NOT FLAT: 30.0 threads after the warm-up, 60.0 at the end (+30.0; allowed: 6.0).",
        "1 of 10 good requests ended otherwise than they should: hello (1).",
        "2 of 5 abusers ended otherwise than they should: scan (2).",
        "2 requests were still running after the last one had ended.",
        "3 connections were still open after all had left.",
        "After the soak /flask/hello was answered with 503, and not with 200.",
    ]
    assert good.examples == ["hello: answered 500"]


def test_a_soak_without_traffic_proves_nothing() -> None:
    """All is flat where nobody asks."""
    assert faults(verdicts(soaked()), Tally(), Tally(), END) == ["No good request was answered."]


def test_a_tally_is_written_as_json() -> None:
    """All of it."""
    written = json.loads(json.dumps(tally(hello=2).as_json()))
    assert written["asked"] == {"hello": 2}
    assert written["outcomes"] == {"hello": {"200": 2}}


def test_gauges_are_read_over_all_mounts() -> None:
    """From Prometheus' text format."""
    exposition = """\
# TYPE gateway_requests_running gauge
gateway_requests_running 3.0
gateway_connections 7.0
gateway_pool_queued{mount="flask"} 1.0
gateway_pool_queued{mount="work"} 2.0
gateway_pool_threads{mount="flask",state="busy"} 4.0
gateway_pool_threads{mount="flask",state="stuck"} 1.0
gateway_pool_threads{mount="work",state="stuck"} 5.0
"""
    assert gauges(exposition) == {
        "gateway_requests_running": 3,
        "gateway_connections": 7,
        "gateway_pool_queued": 3,
        'gateway_pool_threads{state="stuck"}': 6,
    }
    with pytest.raises(KeyError):
        gauges("")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_process_is_looked_at_from_outside() -> None:
    """Its memory, its threads, its descriptors."""
    before = process_figures(Path("/proc/self"))
    with Path("/proc/self/status").open():
        resident, threads, descriptors = process_figures(Path("/proc/self"))
    assert resident > MEBIBYTE
    assert threads >= 1
    assert descriptors == before[2] + 1


def test_only_errors_of_the_gateway_are_counted() -> None:
    """Those that differ in a number alone are one; what a service logs is its own."""
    ours = {"level": "error", "logger": "gateway.problems"}
    lines = [
        ours | {"event": "request 12 failed"},
        ours | {"event": "request 13 failed", "exception": [{"exc_type": "KeyError"}]},
        ours | {"event": "request 14 failed"},
        {"level": "error", "logger": "benchmarks.flask_app", "event": "Exception on /upload"},
        {"level": "info", "logger": "gateway.access", "event": "request"},
    ]
    assert errors(["The gateway listens on a port", *map(json.dumps, lines)]) == {
        "gateway.problems: request ... failed": 2,
        "gateway.problems: request ... failed (KeyError)": 1,
    }


async def test_errands_keep_their_pace_and_are_never_too_many() -> None:
    """Whoever is slow is not asked more often than it can bear."""
    running, most = 0, 0

    async def slow(_: Random) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.1)
        running -= 1
        return "200"

    found = Tally()
    await drive([Errand("slow", 1, slow)], Pace(100, at_once=3), 0.3, Random(1), found)
    assert most == 3
    assert running == 0
    assert found.asked["slow"] + found.skipped == 30
    assert found.outcomes["slow"]["200"] == found.asked["slow"]
    assert found.slowest["slow"] >= 0.1


async def test_what_ends_badly_is_counted_and_ends_nothing_else() -> None:
    """Neither an unexpected answer nor an error of the client's library stops the soak."""

    async def wrong(_: Random) -> str:
        raise UnexpectedError("answered 500")

    async def broken(_: Random) -> str:
        raise httpx.ReadError("reset")

    found = Tally()
    errands = [Errand("wrong", 1, wrong), Errand("broken", 1, broken)]
    await drive(errands, Pace(1000, at_once=50), 0.03, Random(1), found)
    assert found.unexpected.total() == found.asked.total() == 30
    assert set(found.examples) == {"wrong: answered 500", "broken: ReadError: reset"}


async def test_kinds_are_told_apart_and_come_up_often_enough() -> None:
    """In a soak of a quarter of an hour each is done many times."""
    async with httpx.AsyncClient(trust_env=False) as http:
        good = Visitors(http, "").errands()
    for errands, per_second in ((good, 110), (abuse.errands(1), 35)):
        names = [errand.name for errand in errands]
        assert len(set(names)) == len(names)
        whole = sum(errand.weight for errand in errands)
        assert all(per_second * 900 * errand.weight / whole > 100 for errand in errands)


def test_the_picture_is_xml_with_the_verdicts_in_it() -> None:
    """Each panel is named, and says where it is not flat."""
    samples = soaked(threads=60)
    drawn = picture(samples, verdicts(samples))
    words = [element.text or "" for element in ET.fromstring(drawn).iter()]
    assert "threads: 30.0, then 60.0, NOT FLAT" in words
    assert "memory, MiB: 100.0, then 100.0" in words
    assert "open connections" in words


@pytest.mark.parametrize(
    ("most", "ends"), [(0, (1, 0.5)), (7, (8, 2)), (130, (150, 50)), (15, (15, 5)), (0.9, (1, 0.5))]
)
def test_a_scale_has_round_marks(most: float, ends: tuple[float, float]) -> None:
    """And holds the value."""
    assert scale(most) == ends
