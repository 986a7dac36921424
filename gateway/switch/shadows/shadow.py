"""One shadow: asks the other service what the first has answered, compares, and counts.

Every error is counted and swallowed. Its work is in small steps, behind that of the clients.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import random
import time
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote

from gateway.config import SwitchSettings
from gateway.histogram import bucket_of
from gateway.switch.compare import Answer, Comparison, compare
from gateway.switch.evidence import Evidence
from gateway.switch.evidence.redaction import Asked, sample
from gateway.switch.records import FindingKind, Period
from gateway.switch.rules import SAFE, Rule
from gateway.switch.shadows.asking import Reply, ask
from gateway.switch.shadows.breaker import Breakers
from gateway.switch.shadows.copying import AnswerCopy
from gateway.switch.sides import SideService

T = TypeVar("T")

logger = logging.getLogger("gateway.switch")

# Compared on the event loop: it takes less than a millisecond or two.
_SMALL_BYTES: Final = 8 * 1024
# One step of an event loop that has nothing else to do takes less; how long a shadow steps aside
# where one takes longer, and how often at most.
_IDLE_SECONDS: Final = 0.0001
_ASIDE_SECONDS: Final = 0.002
_ASIDE_TIMES: Final = 25


@dataclass(frozen=True, eq=False)
class Shadow:
    """One request to ask the other service, too.

    Attributes:
        period: What it is evidence of.
        route: Its route, as `Shadows.leaves_out` was asked about it.
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
    route: Hashable
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


class Comparing:
    """Where answers are compared: small ones on the event loop, large ones in a thread beside it.

    Attributes:
        in_thread: How many are, at this moment.
    """

    def __init__(self) -> None:
        self.in_thread = 0
        # One at a time: it is for Python's lock, too.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gateway-comparing")

    async def do(self, work: Callable[..., T], answers: tuple[Answer, Answer], *what: Any) -> T:
        """Do something with two answers, behind what others wait for.

        Args:
            work: What.
            answers: Which decide by their size where.
            what: Arguments of `work`.
        """
        if sum(len(answer.body or b"") for answer in answers) <= _SMALL_BYTES:
            await _until_idle()
            return work(*what)
        self.in_thread += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, functools.partial(work, *what))
        finally:
            self.in_thread -= 1

    def stop(self) -> None:
        """Take no more; wait for none."""
        self._thread.shutdown(wait=False, cancel_futures=True)


@dataclass(eq=False)
class ShadowRun:
    """Asks, compares and counts.

    Attributes:
        shadow: What.
        settings: How long, how large.
        evidence: Where the outcome is counted.
        breakers: Told whether the other service failed.
        comparing: Where answers are compared.
        counted: Whether its outcome was.
    """

    shadow: Shadow
    settings: SwitchSettings
    evidence: Evidence
    breakers: Breakers
    comparing: Comparing
    counted: bool = False
    _left: list[asyncio.Task[None]] = field(default_factory=list)

    async def run(self) -> None:
        """To the end of all that was asked."""
        try:
            legacy = await self._compare()
            noisy = random.random() * 100 < self.settings.noise_percent  # noqa: S311 - no secret
            if legacy is not None and noisy and self.shadow.method in SAFE:
                await self._listen_for_noise(legacy)
        finally:
            if self._left:
                # A service that does not end when told to keeps its place: there are only so many.
                await asyncio.wait(self._left)

    def count_outcome(self, name: str) -> None:
        """What became of it; each has one outcome."""
        if not self.counted:
            self.counted = True
            self.evidence.count(self.shadow.period, name)

    async def _compare(self) -> Answer | None:
        """Ask, compare and count; the legacy answer, where there was something to compare."""
        shadow, evidence, period = self.shadow, self.evidence, self.shadow.period
        reply = await self._ask(shadow.other)
        failed = bool(reply.failure) or _fails(reply.answer)
        self.breakers.note(shadow.route, failed=failed, now=time.monotonic())
        if reply.failure:
            self.count_outcome(f"shadow {reply.failure}")
            logger.debug("shadow %s: %s: %s", period.route, reply.failure, reply.why)
            return None
        found, answers = await self._compared(shadow.answer, reply.answer)
        if _fails(reply.answer) and not _fails(shadow.answer):
            self.count_outcome("shadow error")
            await self._find(found, answers)
            return None
        if found.outcome == "mismatch" and shadow.method in SAFE:
            # The two read at different moments.
            again = [await self._ask(one) for one in (shadow.primary, shadow.other)]
            if not any(one.failure for one in again):
                found, answers = await self._compared(again[0].answer, again[1].answer)
                if found.outcome != "mismatch":
                    evidence.count(period, "mismatch went away")
        self._count(found, reply.seconds)
        if found.outcome == "mismatch":
            await self._find(found, answers)
        return answers[0]

    def _count(self, found: Comparison, seconds: float) -> None:
        """Count what a comparison found, with how long both took."""
        shadow, evidence, period = self.shadow, self.evidence, self.shadow.period
        self.count_outcome(f"shadow {found.outcome}")
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
        found: Comparison,
        answers: tuple[Answer, Answer],
        kind: FindingKind = "mismatch",
    ) -> None:
        """Keep an example, if it is the first of its sort."""
        period = self.shadow.period
        example: Mapping[str, Any] = {}
        if not self.evidence.knows(period, kind, found.signature):
            asked = _asked(self.shadow)
            example = await self.comparing.do(sample, answers, asked, answers, found)
        self.evidence.find(period, kind, found.signature, lambda: example)

    async def _listen_for_noise(self, first: Answer) -> None:
        """Ask the legacy service once more: what differs now is no fault of the candidate."""
        shadow, evidence, period = self.shadow, self.evidence, self.shadow.period
        legacy = shadow.primary if shadow.primary.side == "legacy" else shadow.other
        reply = await self._ask(legacy)
        if reply.failure:
            return
        evidence.count(period, "noise asked")
        second = _answer(shadow, reply.answer)
        both = first, second
        found = await self.comparing.do(compare, both, first, second, shadow.rule.compare)
        if found.outcome == "mismatch":
            evidence.count(period, "noise differed")
            await self._find(found, both, "noise")

    async def _ask(self, service: SideService) -> Reply:
        await _until_idle()
        shadow = self.shadow
        reply = await ask(
            service,
            shadow.request,
            shadow.body,
            seconds=self.settings.shadow_seconds,
            cap=self.settings.shadow_answer_bytes,
            request_id=shadow.request_id,
        )
        if reply.left is not None:
            self._left.append(reply.left)
        return reply

    async def _compared(
        self, primary: AnswerCopy, other: AnswerCopy
    ) -> tuple[Comparison, tuple[Answer, Answer]]:
        shadow = self.shadow
        first = _answer(shadow, primary)
        second = _answer(shadow, other)
        answers = (first, second) if shadow.primary.side == "legacy" else (second, first)
        found = await self.comparing.do(compare, answers, *answers, shadow.rule.compare)
        return found, answers


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


async def _until_idle() -> None:
    """Until nothing else waits for the event loop, or some time has passed.

    A shadow begins at the end of an answer, when the next requests are often there already. Behind
    them, its work is in nobody's way; before them, it would be in the way of all.
    """
    for _ in range(_ASIDE_TIMES):
        asked = time.perf_counter()
        await asyncio.sleep(0)
        if time.perf_counter() - asked < _IDLE_SECONDS:
            return
        await asyncio.sleep(_ASIDE_SECONDS)
