"""Asks a service a request that no client sent it, and takes its answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from starlette.types import ASGIApp, Message, Scope

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
        seconds: How long the service took, from its call to the end of its answer.
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
    asked = _Asked(exchange, body, cap)
    task = asyncio.ensure_future(asked.call(service.alone, scope))
    task.add_done_callback(_look)
    try:
        return await _outcome(task, asked, seconds)
    except BaseException:
        await _end(task, 0.0)
        raise


class _Asked:
    """What a service is given, and takes, in place of a server.

    Args:
        exchange: Its own.
        body: The request's.
        cap: Bytes of the answer's body that are kept at most; no more are waited for.

    Attributes:
        answer: As far as it came.
        taken: Set when no more is wanted of it.
    """

    def __init__(self, exchange: Exchange, body: bytes, cap: int) -> None:
        self.answer = AnswerCopy(cap)
        self.taken = asyncio.Event()
        self._exchange = exchange
        self._bodies = [{"type": "http.request", "body": body, "more_body": False}]
        self._started = self._stopped = 0.0

    @property
    def seconds(self) -> float:
        """From its call to the end of its answer, as it is measured of a primary, or until now.

        How long it waits for the event loop before and after is a matter of who else runs.
        """
        now = time.perf_counter()
        return (self._stopped or now) - (self._started or now)

    async def call(self, app: ASGIApp, scope: Scope) -> None:
        """Call it."""
        self._started = time.perf_counter()
        try:
            await app(scope, self._receive, self._send)
        except (SystemExit, KeyboardInterrupt) as error:
            # Out of a task, either would end the process.
            raise RuntimeError(f"the service raised {type(error).__name__}") from error
        finally:
            self._stop()

    async def _receive(self) -> Message:
        if self._bodies:
            return self._bodies.pop()
        await self.taken.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.answer.begin(observed(message, self._exchange.observers))
        elif message["type"] == "http.response.body":
            self.answer.add(message)
        if self.answer.absent:
            self.answer.complete = True  # of what is not kept, no more is waited for
        if self.answer.complete:
            self._stop()
            self.taken.set()
        if message["type"] == "http.response.body":
            # A service that sends piece after piece would keep everybody else from running.
            await asyncio.sleep(0)

    def _stop(self) -> None:
        self._stopped = self._stopped or time.perf_counter()


async def _outcome(task: asyncio.Task[None], asked: _Asked, seconds: float) -> Reply:
    answer = asked.answer
    waiting = asyncio.ensure_future(asked.taken.wait())
    try:
        await asyncio.wait({task, waiting}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        taken_in = asked.seconds
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
