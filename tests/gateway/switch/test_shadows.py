"""Shadows by themselves: where they run, and in what."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
import time
from typing import Any

import pytest
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request

from gateway.config import SwitchSettings
from gateway.switch.compare import Comparison, compare
from gateway.switch.evidence import Evidence
from gateway.switch.records import Period
from gateway.switch.rules import Rule
from gateway.switch.shadows import Shadows
from gateway.switch.shadows import shadow as module
from gateway.switch.shadows.asking import request_to_repeat
from gateway.switch.shadows.copying import AnswerCopy
from gateway.switch.shadows.shadow import Shadow
from tests.gateway.switch.sides import answering, piece, request, side_of, start

JSON = (b"content-type", b"application/json")
ROUTE = "GET /items"
PERIOD = Period("api", "GET /items", "GET /items", 0, "shadow")
SETTINGS = SwitchSettings(noise_percent=0.0, shadow_queue=2, shadows=1, shadow_seconds=0.2)


def shadow(body: bytes, other: Any, **more: Any) -> Shadow:
    """One that was answered with this, and asks the other service."""
    answer = AnswerCopy(1_000_000)
    answer.begin(start(200, JSON))
    answer.add(piece(body))
    app = answering(start(200, JSON), piece(body))
    asked = request_to_repeat(request())
    legacy, candidate = side_of(app, "legacy"), side_of(other)
    rule = Rule("/items", ("GET",), "shadow")
    return Shadow(PERIOD, ROUTE, rule, legacy, candidate, asked, b"", answer, 0.01, "id", **more)


async def outcomes(shadows: Shadows, evidence: Evidence, number: int) -> dict[str, int]:
    """The counts, once so many shadows have an outcome."""
    told: dict[str, int] = {}
    until = time.monotonic() + 10
    while sum(told.values()) < number and time.monotonic() < until:
        await asyncio.sleep(0.01)
        counts = evidence.kept[PERIOD].counts if PERIOD in evidence.kept else {}
        told = {n: c for n, c in counts.items() if n.startswith(("shadow ", "dropped "))}
    return told


@pytest.mark.parametrize(("size", "beside"), [(10, False), (20_000, True)])
async def test_large_answers_are_compared_beside_the_event_loop(
    monkeypatch: pytest.MonkeyPatch, size: int, beside: bool
) -> None:
    """Whoever else is served does not wait for it."""
    threads = []

    def watched(*what: Any) -> Comparison:
        threads.append(threading.current_thread() is not threading.main_thread())
        return compare(*what)

    monkeypatch.setattr(module, "compare", watched)
    evidence = Evidence()
    shadows = Shadows(SETTINGS, evidence)
    body = json.dumps({"text": "x" * size}).encode()
    shadows.put(shadow(body, answering(start(200, JSON), piece(body))))
    assert await outcomes(shadows, evidence, 1) == {"shadow match": 1}
    assert threads == [beside]


async def test_a_shadow_runs_in_what_was_there_before_the_primary() -> None:
    """What a service keeps for one request is not there for another."""
    whose = contextvars.ContextVar("whose", default="nobody")
    seen = []

    async def other(scope: Any, receive: Any, send: Any) -> None:
        seen.append(whose.get())
        await answering(start(200, JSON), piece(b"{}"))(scope, receive, send)

    before = contextvars.copy_context()
    whose.set("the primary")
    evidence = Evidence()
    shadows = Shadows(SETTINGS, evidence)
    shadows.put(shadow(b"{}", other, context=before))
    await outcomes(shadows, evidence, 1)
    assert seen == ["nobody"]


async def test_when_told_to_stop_all_are_dropped_and_counted() -> None:
    """Those that run, those that wait, and those that come."""
    evidence = Evidence()
    shadows = Shadows(SETTINGS, evidence)
    keeping = asyncio.create_task(shadows.keep())
    await asyncio.sleep(0)

    async def hangs(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(10)

    for _ in range(3):
        shadows.put(shadow(b"{}", hangs))
    await asyncio.sleep(0.05)
    await asyncio.to_thread(shadows.stop)
    shadows.put(shadow(b"{}", hangs))
    assert await outcomes(shadows, evidence, 4) == {"dropped draining": 4}
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping


async def test_a_service_that_hangs_keeps_no_more_than_its_place() -> None:
    """The next are asked when it was given up; what is over the queue is dropped."""
    evidence = Evidence()
    shadows = Shadows(SETTINGS, evidence)

    async def hangs(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(10)

    for _ in range(5):
        shadows.put(shadow(b"{}", hangs))
    assert await outcomes(shadows, evidence, 5) == {"shadow timeout": 3, "dropped queue full": 2}


async def test_a_shadow_runs_behind_what_waits_for_the_event_loop() -> None:
    """Requests that are there already are served before it begins."""
    evidence = Evidence()
    shadows = Shadows(SETTINGS, evidence)
    order = []

    async def other(scope: Any, receive: Any, send: Any) -> None:
        order.append("shadow")
        await answering(start(200, JSON), piece(b"{}"))(scope, receive, send)

    def serve(left: int) -> None:
        order.append("client")
        time.sleep(0.001)
        if left:
            asyncio.get_running_loop().call_soon(serve, left - 1)

    shadows.put(shadow(b"{}", other))
    serve(5)
    await outcomes(shadows, evidence, 1)
    assert order == ["client"] * 6 + ["shadow"]


async def test_a_shadow_begins_in_the_end_where_the_event_loop_is_never_idle() -> None:
    """Under full load there is evidence, too."""
    evidence = Evidence()
    shadows = Shadows(SETTINGS, evidence)
    serving = True

    async def serve() -> None:
        while serving:
            time.sleep(0.0005)  # noqa: ASYNC251 - as what computes
            await asyncio.sleep(0)

    clients = asyncio.create_task(serve())
    shadows.put(shadow(b"{}", answering(start(200, JSON), piece(b"{}"))))
    assert await outcomes(shadows, evidence, 1) == {"shadow match": 1}
    serving = False
    await clients


async def test_of_many_requests_some_are_left_out_and_counted_as_that() -> None:
    """Before anybody has answered them, so that none is for its answer."""
    settings = SwitchSettings(shadows_per_second=0.001, shadows=3)
    shadows = Shadows(settings, Evidence())
    assert [shadows.leaves_out(ROUTE) for _ in range(5)] == [
        "",
        "",
        "",
        *["unsampled requests"] * 2,
    ]


@pytest.mark.parametrize("in_a_task", [False, True])
async def test_a_shadow_that_keeps_the_event_loop_counts_as_many(in_a_task: bool) -> None:
    """What a candidate that computes takes from everybody is bounded, in a task of its own, too."""
    settings = SwitchSettings(shadows_per_second=1.0, shadows=10, noise_percent=0.0)
    evidence = Evidence()
    shadows = Shadows(settings, evidence)
    factory = asyncio.get_running_loop().get_task_factory()

    async def computes(scope: Any, receive: Any, send: Any) -> None:
        time.sleep(0.05)  # noqa: ASYNC251 - as what computes
        await answering(start(200, JSON), piece(b"{}"))(scope, receive, send)

    async def pass_on(asked: Request, call_next: Any) -> Any:
        return await call_next(asked)

    app = BaseHTTPMiddleware(computes, pass_on) if in_a_task else computes
    assert not shadows.leaves_out(ROUTE)
    shadows.put(shadow(b"{}", app))
    assert await outcomes(shadows, evidence, 1) == {"shadow match": 1}
    assert shadows.leaves_out(ROUTE) == "unsampled requests"
    await asyncio.sleep(0.01)
    assert asyncio.get_running_loop().get_task_factory() is factory


async def test_what_cannot_be_compared_is_sampled_and_takes_no_place() -> None:
    """So that its share of what was counted is its share of the requests."""
    shadows = Shadows(SwitchSettings(shadows_per_second=0.001, shadows=1), Evidence())
    assert [shadows.would_leave_out(ROUTE) for _ in range(3)] == [""] * 3
    assert not shadows.leaves_out(ROUTE)
    assert shadows.would_leave_out(ROUTE) == "unsampled requests"


async def test_a_drain_before_the_first_step_is_counted() -> None:
    """The task was made, and has not run."""
    evidence = Evidence()
    shadows = Shadows(SETTINGS, evidence)
    keeping = asyncio.create_task(shadows.keep())
    await asyncio.sleep(0)
    shadows.put(shadow(b"{}", answering(start(200, JSON), piece(b"{}"))))
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    assert await outcomes(shadows, evidence, 1) == {"dropped draining": 1}


async def test_a_drain_after_the_outcome_does_not_count_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The example is lost then, and not the count."""
    evidence = Evidence()
    shadows = Shadows(SETTINGS, evidence)
    keeping = asyncio.create_task(shadows.keep())

    def long(*what: Any) -> dict[str, str]:
        shadows.stop()
        time.sleep(0.3)
        return {}

    monkeypatch.setattr(module, "sample", long)
    await asyncio.sleep(0)
    other = json.dumps({"text": "y" * 20_000}).encode()
    shadows.put(shadow(b'{"text": "x"}', answering(start(200, JSON), piece(other))))
    await asyncio.sleep(0.6)
    assert await outcomes(shadows, evidence, 1) == {"shadow mismatch": 1}
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping


async def test_a_route_that_only_fails_is_left_alone() -> None:
    """For a while; others are not."""
    evidence = Evidence()
    shadows = Shadows(SwitchSettings(shadows_per_second=100_000.0), evidence)
    for _ in range(5):
        await asyncio.sleep(0.001)
        assert not shadows.leaves_out(ROUTE)
        shadows.put(shadow(b"{}", answering(start(500, JSON), piece(b"{}"))))
    assert await outcomes(shadows, evidence, 5) == {"shadow error": 5}
    assert shadows.leaves_out(ROUTE) == "dropped breaker open"
    assert not shadows.leaves_out("GET /others")
