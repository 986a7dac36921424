"""Many lifespans behind one.

Starlette runs no lifespan of a mounted application. Here each ASGI service's own is run: started in
mount order, stopped in reverse, its state kept for its own requests. A service without lifespan
support is left alone; a start that fails stops what was started and ends the process with the
reason.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.health import Health

logger = logging.getLogger("gateway.lifespan")


class StartFailed(Exception):
    """A service did not start; the text says which and why."""


class StopFailed(Exception):
    """A service did not stop cleanly; the text says which and why."""


class ServiceLifespan:
    """The lifespan of one service, driven by the ASGI lifespan protocol.

    Args:
        name: The service's name, for messages.
        app: The service.

    Attributes:
        state: What the service's lifespan put into `scope["state"]`.
    """

    def __init__(self, name: str, app: ASGIApp) -> None:
        self.name = name
        self.state: dict[str, Any] = {}
        self._app = app
        self._task: asyncio.Task[None] | None = None

    async def start(self, timeout_seconds: float) -> None:
        """Run the service's start.

        An application that raises or returns without answering does not support lifespans, which
        is not an error (ASGI, Lifespan Protocol: "the server must continue but not send any
        lifespan events").

        Raises:
            StartFailed: It reported a failure, or did not answer in time.
        """
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._task = asyncio.create_task(self._run(), name=f"lifespan of {self.name}")
        try:
            answer = await self._exchange("lifespan.startup", timeout_seconds)
        except TimeoutError:
            await self._abandon()
            raise StartFailed(
                f'service "{self.name}" did not start within {timeout_seconds:g} s '
                "(server.startup_seconds)"
            ) from None
        if answer is None:
            logger.debug('service "%s" has no lifespan', self.name)
        elif answer["type"] == "lifespan.startup.failed":
            await self._abandon()
            raise StartFailed(f'service "{self.name}" did not start: {_reason(answer)}')

    async def stop(self, timeout_seconds: float) -> None:
        """Run the service's stop, if it was started.

        Raises:
            StopFailed: It reported a failure, or did not answer in time.
        """
        if self._task is None or self._task.done():
            return
        try:
            answer = await self._exchange("lifespan.shutdown", timeout_seconds)
        except TimeoutError:
            await self._abandon()
            raise StopFailed(
                f'service "{self.name}" did not stop within {timeout_seconds:g} s'
            ) from None
        await self._abandon()
        if answer is not None and answer["type"] == "lifespan.shutdown.failed":
            raise StopFailed(f'service "{self.name}" did not stop cleanly: {_reason(answer)}')

    async def _exchange(self, event: str, timeout_seconds: float) -> Message | None:
        """Send an event; return the answer, or None where the application ended without one."""
        if self._task is None:
            return None
        self._events.put_nowait({"type": event})
        answer = asyncio.ensure_future(self._answers.get())
        try:
            async with asyncio.timeout(timeout_seconds):
                await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not answer.done():
                answer.cancel()
        if answer.done() and not answer.cancelled():
            return answer.result()
        return None if self._answers.empty() else self._answers.get_nowait()

    async def _abandon(self) -> None:
        """End the application's lifespan call, which has nothing more to say."""
        if self._task is not None:
            # It has a moment to return by itself: most do, right after their last answer.
            await asyncio.wait({self._task}, timeout=1)
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=1)
        self._task = None

    async def _run(self) -> None:
        scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._events.get, self._answers.put)
        except Exception as error:  # noqa: BLE001 - any error here means "no lifespan", by the spec
            # Frameworks raise once more after they reported a failure; that one is known already.
            level = logging.DEBUG if self._answers.qsize() else logging.INFO
            logger.log(
                level,
                'service "%s" ended its lifespan with %s: %s',
                self.name,
                type(error).__name__,
                error,
            )


class LifespanMiddleware:
    """Answers the server's lifespan with those of the services.

    Args:
        app: The rest of the gateway.
        lifespans: In mount order.
        health: Learns which services are ready.
        startup_seconds: How long each may take to start.
        drain_seconds: How long all together may take to stop.
    """

    def __init__(
        self,
        app: ASGIApp,
        lifespans: Sequence[ServiceLifespan],
        health: Health,
        startup_seconds: float,
        drain_seconds: float,
    ) -> None:
        self.app = app
        self._lifespans = lifespans
        self._health = health
        self._startup_seconds = startup_seconds
        self._drain_seconds = drain_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the lifespans when asked to; pass on everything else."""
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
        await receive()
        started: list[ServiceLifespan] = []
        try:
            try:
                for lifespan in self._lifespans:
                    await lifespan.start(self._startup_seconds)
                    started.append(lifespan)
                    self._health.services[lifespan.name] = True
            except StartFailed as failure:
                await self._stop(started)
                await send({"type": "lifespan.startup.failed", "message": str(failure)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        except asyncio.CancelledError:
            await self._stop(started)
            raise
        failures = await self._stop(started)
        if failures:
            await send({"type": "lifespan.shutdown.failed", "message": "\n".join(failures)})
        else:
            await send({"type": "lifespan.shutdown.complete"})

    async def _stop(self, started: list[ServiceLifespan]) -> list[str]:
        """Stop in reverse order; one that fails does not keep the others from stopping."""
        self._health.drain()
        failures = []
        deadline = asyncio.get_running_loop().time() + self._drain_seconds
        while started:
            lifespan = started.pop()
            self._health.services[lifespan.name] = False
            left = max(deadline - asyncio.get_running_loop().time(), 0.1)
            try:
                await lifespan.stop(left)
            except StopFailed as failure:
                failures.append(str(failure))
        return failures


def _reason(answer: Message) -> str:
    """The service's own words. Starlette sends a whole traceback, whose last line says it."""
    message = str(answer.get("message") or "it gave no reason").strip()
    last = message.splitlines()[-1]
    return last if last == message else f"{last}\n{message}"
