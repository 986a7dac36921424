"""Asks the other service afterwards, compares, and counts; whatever happens, nobody waits for it.

A bounded queue, a few at once, a deadline for each, and a breaker for each route: what does not fit
is dropped and counted. Every error is counted and swallowed.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import logging
import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote

from gateway.config import SwitchSettings
from gateway.histogram import bucket_of
from gateway.switch.asking import Reply, ask
from gateway.switch.compare import Answer, Comparison, compare
from gateway.switch.copying import AnswerCopy
from gateway.switch.evidence import Evidence
from gateway.switch.records import FindingKind, Period
from gateway.switch.redaction import Asked, sample
from gateway.switch.rules import Rule
from gateway.switch.sides import SideService

T = TypeVar("T")

logger = logging.getLogger("gateway.switch")

_FAILURES: Final = 5
_OPEN_SECONDS: Final = 30.0
_ROUTES: Final = 5000
# Compared on the event loop: it takes less than a millisecond or two.
_SMALL_BYTES: Final = 8 * 1024
_MOMENT_SECONDS: Final = 0.1
# Between the beginnings of two shadows, while clients are being served: 20 a second.
_BUSY_SECONDS: Final = 0.05
_SAFE: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, eq=False)
class Shadow:
    """One request to ask the other service, too.

    Attributes:
        period: What it is evidence of.
        rule: Of the request.
        primary: Who has answered it.
        other: Who is asked.
        request: Its scope, as it was before anybody answered.
        body: Its body.
        answer: What was answered.
        seconds: How long that took.
        request_id: Of the exchange.
        template: Of the route that has answered; empty where it is not known.
        context: What it runs in: that of the request before anybody answered.
    """

    period: Period
    rule: Rule
    primary: SideService
    other: SideService
    request: Mapping[str, Any]
    body: bytes
    answer: AnswerCopy
    seconds: float
    request_id: str
    template: str = ""
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    @property
    def method(self) -> str:
        """In capitals."""
        method: str = self.request["method"]
        return method


class Shadows:
    """All shadows of one process.

    Where clients are being served, a shadow begins only so often: what it takes of the event loop
    is then a small share, however many there are. Where nobody is, it begins at once.

    Args:
        settings: How many, how long, how large.
        evidence: Where their outcomes are counted.
        is_busy: Whether clients are being served at this moment.

    Attributes:
        asking: The services that are being asked, with how often at this moment.
    """

    def __init__(
        self,
        settings: SwitchSettings,
        evidence: Evidence,
        is_busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._is_busy = is_busy
        self._begun_at = 0.0
        self._pumping: asyncio.Handle | None = None
        self._settings = settings
        self._evidence = evidence
        self._waiting: deque[Shadow] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._breakers: OrderedDict[tuple[str, str], _Breaker] = OrderedDict()
        self._open = True
        self._loop: asyncio.AbstractEventLoop | None = None
        # Where what is large is compared. One at a time: it is for Python's lock, too.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gateway-comparing")
        self._comparing = 0
        self._chance = random.Random().random  # noqa: S311 - a sample, and no secret

    def put(self, shadow: Shadow) -> None:
        """Have it asked, if there is room; return at once."""
        if not self._open:
            self._evidence.count(shadow.period, "dropped draining")
        elif not self._breaker(shadow).lets_through(time.monotonic()):
            self._evidence.count(shadow.period, "dropped breaker open")
        elif not self.is_full:
            self._waiting.append(shadow)
            if self._pumping is None:
                # Not in the middle of an answer: who sends it has the rest of it to do.
                self._pumping = asyncio.get_running_loop().call_soon(self._pump)
        else:
            self._evidence.count(shadow.period, "dropped queue full")

    @property
    def is_full(self) -> bool:
        """Whether another one would be dropped."""
        most = self._settings.shadows + self._settings.shadow_queue
        return len(self._running) + len(self._waiting) >= most

    def _pump(self) -> None:
        """Begin what may begin, and come back for the rest."""
        self._pumping = None
        while self._open and self._waiting and len(self._running) < self._settings.shadows:
            left = self._begun_at + _BUSY_SECONDS - time.monotonic()
            if left > 0 and self._is_busy():
                self._pumping = asyncio.get_running_loop().call_later(left, self._pump)
                return
            self._begun_at = time.monotonic()
            self._start(self._waiting.popleft())

    def is_asking(self, name: str) -> bool:
        """Whether threads work for shadows at this moment: a service's, or those that compare."""
        return bool(self._comparing) or any(task.get_name() == name for task in self._running)

    def stop(self) -> None:
        """Ask nobody any more: the services are about to stop. From any thread."""
        self._open = False
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it is closed
                self._loop.call_soon_threadsafe(self._end)

    async def keep(self) -> None:
        """Until cancelled; then end those that run."""
        self._loop = asyncio.get_running_loop()
        self._open = True
        try:
            await self._loop.create_future()
        finally:
            self._open = False
            self._end()
            if self._running:
                await asyncio.wait(self._running, timeout=_MOMENT_SECONDS)
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _end(self) -> None:
        for shadow in self._waiting:
            self._evidence.count(shadow.period, "dropped draining")
        self._waiting.clear()
        for task in self._running:
            task.cancel()

    def _start(self, shadow: Shadow) -> None:
        task = asyncio.get_running_loop().create_task(
            self._run(shadow), name=shadow.other.name, context=shadow.context
        )
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("a shadow failed in the gateway itself", exc_info=error)
        if self._pumping is None:
            self._pump()

    def _breaker(self, shadow: Shadow) -> _Breaker:
        key = (shadow.period.switch, shadow.period.route)
        breaker = self._breakers.get(key)
        if breaker is None:
            breaker = self._breakers[key] = _Breaker()
            if len(self._breakers) > _ROUTES:
                self._breakers.popitem(last=False)
        return breaker

    async def _run(self, shadow: Shadow) -> None:
        left: list[asyncio.Task[None]] = []
        try:
            try:
                legacy = await self._compare(shadow, left)
            except asyncio.CancelledError:
                self._evidence.count(shadow.period, "dropped draining")
                raise
            noisy = self._chance() * 100 < self._settings.noise_percent
            if legacy is not None and noisy and shadow.method in _SAFE:
                await self._listen_for_noise(shadow, legacy, left)
        finally:
            if left:
                # A service that does not end when told to keeps its place: there are only so many.
                await asyncio.wait(left)

    async def _compare(self, shadow: Shadow, left: list[asyncio.Task[None]]) -> Answer | None:
        """Ask, compare and count; the legacy answer, where there was something to compare."""
        evidence, period = self._evidence, shadow.period
        reply = await self._ask(shadow, shadow.other, left)
        failed = bool(reply.failure) or _fails(reply.answer)
        self._breaker(shadow).note(failed=failed, now=time.monotonic())
        if reply.failure:
            evidence.count(period, f"shadow {reply.failure}")
            logger.debug("shadow %s: %s: %s", period.route, reply.failure, reply.why)
            return None
        found, answers = await self._compared(shadow, shadow.answer, reply.answer)
        if _fails(reply.answer) and not _fails(shadow.answer):
            evidence.count(period, "shadow error")
            await self._find(shadow, found, answers)
            return None
        if found.outcome == "mismatch" and shadow.method in _SAFE:
            # The two read at different moments.
            again = [await self._ask(shadow, one, left) for one in (shadow.primary, shadow.other)]
            if not any(one.failure for one in again):
                found, answers = await self._compared(shadow, again[0].answer, again[1].answer)
                if found.outcome != "mismatch":
                    evidence.count(period, "mismatch went away")
        self._count(shadow, found, reply.seconds)
        if found.outcome == "mismatch":
            await self._find(shadow, found, answers)
        return answers[0]

    def _count(self, shadow: Shadow, found: Comparison, seconds: float) -> None:
        """Count what a comparison found, with how long both took."""
        evidence, period = self._evidence, shadow.period
        evidence.count(period, f"shadow {found.outcome}")
        for side, its in (
            (shadow.primary.side, shadow.seconds),
            (shadow.other.side, seconds),
        ):
            evidence.count(period, f"paired {side} {bucket_of(its)}")
        for rule, number in found.hits.items():
            evidence.count(period, f"hit {rule}", number)
        if found.not_compared:
            evidence.count(period, f"bodies {found.not_compared}")

    async def _find(
        self,
        shadow: Shadow,
        found: Comparison,
        answers: tuple[Answer, Answer],
        kind: FindingKind = "mismatch",
    ) -> None:
        """Keep an example, if it is the first of its sort."""
        period = shadow.period
        example: Mapping[str, Any] = {}
        if not self._evidence.knows(period, kind, found.signature):
            example = await self._beside(sample, answers, _asked(shadow), answers, found)
        self._evidence.find(period, kind, found.signature, lambda: example)

    async def _listen_for_noise(
        self, shadow: Shadow, first: Answer, left: list[asyncio.Task[None]]
    ) -> None:
        """Ask the legacy service once more: what differs now is no fault of the candidate."""
        legacy = shadow.primary if shadow.primary.side == "legacy" else shadow.other
        reply = await self._ask(shadow, legacy, left)
        if reply.failure:
            return
        evidence, period = self._evidence, shadow.period
        evidence.count(period, "noise asked")
        second = _answer(shadow, reply.answer)
        both = first, second
        found = await self._beside(compare, both, first, second, shadow.rule.compare)
        if found.outcome == "mismatch":
            evidence.count(period, "noise differed")
            await self._find(shadow, found, both, "noise")

    async def _ask(
        self, shadow: Shadow, service: SideService, left: list[asyncio.Task[None]]
    ) -> Reply:
        reply = await ask(
            service,
            shadow.request,
            shadow.body,
            seconds=self._settings.shadow_seconds,
            cap=self._settings.shadow_answer_bytes,
            request_id=shadow.request_id,
        )
        if reply.left is not None:
            left.append(reply.left)
        return reply

    async def _compared(
        self, shadow: Shadow, primary: AnswerCopy, other: AnswerCopy
    ) -> tuple[Comparison, tuple[Answer, Answer]]:
        first = _answer(shadow, primary)
        second = _answer(shadow, other)
        answers = (first, second) if shadow.primary.side == "legacy" else (second, first)
        return await self._beside(compare, answers, *answers, shadow.rule.compare), answers

    async def _beside(
        self, work: Callable[..., T], answers: tuple[Answer, Answer], *what: Any
    ) -> T:
        """Do it here where the answers are small, else in a thread: the loop has others waiting."""
        if sum(len(answer.body or b"") for answer in answers) <= _SMALL_BYTES:
            return work(*what)
        self._comparing += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, functools.partial(work, *what))
        finally:
            self._comparing -= 1


class _Breaker:
    """Lets no shadows through for a while after repeated failures; then one, to see."""

    def __init__(self) -> None:
        self._failures = 0
        self._closed_from = 0.0

    def lets_through(self, now: float) -> bool:
        if self._failures < _FAILURES:
            return True
        if now < self._closed_from:
            return False
        self._closed_from = now + _OPEN_SECONDS
        return True

    def note(self, *, failed: bool, now: float) -> None:
        self._failures = self._failures + 1 if failed else 0
        if self._failures >= _FAILURES:
            self._closed_from = now + _OPEN_SECONDS


def _fails(answer: AnswerCopy) -> bool:
    return answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _answer(shadow: Shadow, copy: AnswerCopy) -> Answer:
    request = shadow.request
    host = dict(request["headers"]).get(b"host", b"localhost").decode("latin-1")
    url = f"{request.get('scheme', 'http')}://{host}{_target(request)}"
    # A service may answer HEAD with a body, which no client gets. Why another is absent may be
    # known only after it was asked for.
    body = b"" if shadow.method == "HEAD" else copy.body
    return Answer(copy.status, copy.headers, body, copy.absent, url, request["root_path"])


def _asked(shadow: Shadow) -> Asked:
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in shadow.request["headers"]
    )
    return Asked(
        shadow.method,
        _target(shadow.request),
        headers,
        shadow.body or None,
        shadow.template or shadow.rule.path,
    )


def _target(request: Mapping[str, Any]) -> str:
    raw: bytes = request.get("raw_path") or quote(request["path"]).encode()
    query: bytes = request.get("query_string", b"")
    return (raw + (b"?" + query if query else b"")).decode("latin-1")
