"""Asks a service a request that no client sent it, and takes its answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.exchange import Exchange, current_exchange
from gateway.problems import Refusal
from gateway.switch.shadows.copying import COPY, AnswerCopy, observed
from gateway.switch.sides import SHADOW, SideService

_EXCHANGE: Final = "gateway.exchange"
# How long a service may take to see that it is no longer wanted, before nobody waits for it.
_MOMENT_SECONDS: Final = 0.1

# RFC 9110, sections 13.1 and 14.2.
_CONDITIONS: Final = frozenset(
    {
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
    }
)

Failure = Literal["", "error", "timeout"]


@dataclass(frozen=True)
class Reply:
    """What became of it.

    Attributes:
        answer: The answer, as far as it came.
        seconds: How long it took to its end.
        failure: "error" where the service raised or did not answer in full, "timeout" where it did
            not in time; empty where all is well.
        why: More about it, in words.
        left: What of the service has not ended yet; None where all has.
    """

    answer: AnswerCopy
    seconds: float
    failure: Failure = ""
    why: str = ""
    left: asyncio.Task[None] | None = None


def request_to_repeat(scope: Scope) -> Scope:
    """A request's scope, kept before a service changes it, without what belongs to its answer."""
    kept = {key: value for key, value in scope.items() if key not in {_EXCHANGE, COPY}}
    # Each service is asked for all of it, whatever the client has already.
    kept["headers"] = [header for header in scope["headers"] if header[0] not in _CONDITIONS]
    kept["extensions"] = {}
    return kept


async def ask(  # noqa: PLR0913
    service: SideService,
    request: Mapping[str, Any],
    body: bytes,
    *,
    seconds: float,
    cap: int,
    request_id: str = "",
) -> Reply:
    """Ask a service, as a shadow: what it answers goes to no client.

    Args:
        service: Whom to ask.
        request: The request's scope.
        body: The request's body.
        seconds: How long it may take.
        cap: Bytes of the answer's body that are kept at most; no more are waited for.
        request_id: What log lines about it carry.
    """
    scope: Scope = {**request, "headers": list(request["headers"]), SHADOW: True}
    service.prepare(scope)
    exchange = Exchange(request_id, scope, dict(scope["headers"]))
    scope[_EXCHANGE] = exchange
    current_exchange.set(exchange)
    answer = AnswerCopy(cap)
    taken = asyncio.Event()
    bodies = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if bodies:
            return bodies.pop()
        await taken.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.begin(observed(message, exchange.observers))
        elif message["type"] == "http.response.body":
            answer.add(message)
        if answer.absent:
            answer.complete = True  # of what is not kept, no more is waited for
        if answer.complete:
            taken.set()
        # A service that sends piece after piece would keep everybody else from running.
        await asyncio.sleep(0)

    started = time.perf_counter()
    task = asyncio.ensure_future(_call(service.alone, scope, receive, send))
    task.add_done_callback(_look)
    try:
        return await _outcome(task, taken, answer, started, seconds)
    except BaseException:
        await _end(task, 0.0)
        raise


async def _call(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    try:
        await app(scope, receive, send)
    except (SystemExit, KeyboardInterrupt) as error:
        # Out of a task, either would end the process.
        raise RuntimeError(f"the service raised {type(error).__name__}") from error


async def _outcome(
    task: asyncio.Task[None],
    taken: asyncio.Event,
    answer: AnswerCopy,
    started: float,
    seconds: float,
) -> Reply:
    waiting = asyncio.ensure_future(taken.wait())
    try:
        await asyncio.wait({task, waiting}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        taken_in = time.perf_counter() - started
    finally:
        waiting.cancel()
    if not answer.complete and not task.done():
        why = f"no answer within {seconds:g} s"
        return Reply(answer, taken_in, "timeout", why, await _end(task))
    if answer.complete:
        # What it does after its answer is its own affair, and ends with it.
        return Reply(answer, taken_in, left=await _end(task))
    error = None if task.cancelled() else task.exception()
    why = "no whole answer" if error is None else f"{type(error).__name__}: {error}"
    late = isinstance(error, Refusal) and error.outcome == "timeout"
    return Reply(answer, taken_in, "timeout" if late else "error", why)


async def _end(
    task: asyncio.Task[None], moment: float = _MOMENT_SECONDS
) -> asyncio.Task[None] | None:
    """Have it end, after a moment of its own; the task, where it takes longer than a moment."""
    await asyncio.wait({task}, timeout=moment)
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_MOMENT_SECONDS)
    if not task.done():
        return task
    return None


def _look(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()  # looked at: an error after the answer is nobody's
