"""Many lifespans behind one.

Starlette runs no lifespan of a mounted application. Here each ASGI service's own is run: started in
mount order, stopped in reverse, its state kept for its own requests. A service without lifespan
support is left alone; a start that fails stops what was started and ends the process with the
reason.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.health import Health

logger = logging.getLogger("gateway.lifespan")

_MOMENT_SECONDS = 0.1
_AGAIN_SECONDS = 1.0


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
        on_loss: Called when the service's lifespan fails while the service is running.
    """

    def __init__(self, name: str, app: ASGIApp) -> None:
        self.name = name
        self.state: dict[str, Any] = {}
        self.on_loss: Callable[[], None] = lambda: None
        self._app = app
        self._task: asyncio.Task[None] | None = None
        self._started = False
        self._exit: BaseException | None = None

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
            answer = await self._ask("lifespan.startup", timeout_seconds)
        except TimeoutError:
            await self._abandon()
            raise StartFailed(
                f'service "{self.name}" did not start within {timeout_seconds:g} s '
                "(server.startup_seconds)"
            ) from None
        if self._exit is not None:
            reason = f"{type(self._exit).__name__}: {self._exit}"
            raise StartFailed(f'service "{self.name}" did not start: {reason}') from self._exit
        if answer is None:
            logger.debug('service "%s" has no lifespan', self.name)
        elif answer["type"] == "lifespan.startup.failed":
            await self._abandon()
            raise StartFailed(f'service "{self.name}" did not start: {_reason(answer)}')
        else:
            self._started = not self._task.done()

    async def stop(self, timeout_seconds: float) -> None:
        """Run the service's stop, if it was started.

        Raises:
            StopFailed: It reported a failure, or did not answer in time.
        """
        if self._task is None or self._task.done():
            return
        self._started = False
        try:
            answer = await self._ask("lifespan.shutdown", timeout_seconds)
        except TimeoutError:
            await self._abandon()
            raise StopFailed(
                f'service "{self.name}" did not stop within {timeout_seconds:.3g} s'
            ) from None
        await self._abandon()
        if answer is not None and answer["type"] == "lifespan.shutdown.failed":
            raise StopFailed(f'service "{self.name}" did not stop cleanly: {_reason(answer)}')

    async def _ask(self, event: str, timeout_seconds: float) -> Message | None:
        """Send an event; return its answer, or None where the application ended without one."""
        if self._task is None:
            return None
        while not self._answers.empty():
            self._answers.get_nowait()  # said without being asked
        self._events.put_nowait({"type": event})
        async with asyncio.timeout(timeout_seconds):
            while True:
                answer = asyncio.ensure_future(self._answers.get())
                try:
                    await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    if not answer.done():
                        answer.cancel()
                if not answer.done():
                    return None
                message = answer.result()
                if message["type"] in {f"{event}.complete", f"{event}.failed"}:
                    return message

    async def _abandon(self) -> None:
        """End the application's lifespan call, which has nothing more to say."""
        if self._task is not None:
            # It has a moment to return by itself: most do, right after their last answer.
            await asyncio.wait({self._task}, timeout=_MOMENT_SECONDS)
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=_MOMENT_SECONDS)
        self._task = None

    async def _run(self) -> None:
        scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._events.get, self._answers.put)
        except (SystemExit, KeyboardInterrupt) as error:
            # In the event loop it would end the process here and now, with the others running.
            self._exit = error
        except Exception as error:  # noqa: BLE001 - before an answer, it means "no lifespan"
            self._exit = error if self._started else None
            # Frameworks raise once more after they reported a failure; that one is known already.
            level = logging.DEBUG if self._answers.qsize() else logging.INFO
            logger.log(
                level,
                'service "%s" ended its lifespan with %s: %s',
                self.name,
                type(error).__name__,
                error,
            )
        if self._started and self._exit is not None:
            logger.error('service "%s" lost its lifespan', self.name, exc_info=self._exit)
            self.on_loss()


class LifespanMiddleware:
    """Answers the server's lifespan with those of the services.

    Args:
        app: The rest of the gateway.
        lifespans: In mount order.
        health: Learns which services are ready.
        startup_seconds: How long each may take to start.
        drain_seconds: How long all together may take to stop.
        background: What runs beside the requests, from before the services' start to after their
            end; begun again where it fails.
    """

    def __init__(  # noqa: PLR0913
        self,
        app: ASGIApp,
        lifespans: Sequence[ServiceLifespan],
        health: Health,
        startup_seconds: float,
        drain_seconds: float,
        *,
        background: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        self.app = app
        self._background = background
        self._lifespans = lifespans
        self._health = health
        self._startup_seconds = startup_seconds
        self._drain_seconds = drain_seconds

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Run the lifespans when asked to; pass on everything else."""
        if scope["type"] != "lifespan":
            return self.app(scope, receive, send)
        return self._run(receive, send)

    async def _run(self, receive: Receive, send: Send) -> None:
        background = [asyncio.create_task(_keep_running(work)) for work in self._background]

        async def end_background() -> None:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)

        try:
            await self._run_lifespans(receive, send, end_background)
        finally:
            await end_background()

    async def _run_lifespans(
        self, receive: Receive, send: Send, end_background: Callable[[], Awaitable[None]]
    ) -> None:
        await receive()
        started: list[ServiceLifespan] = []
        try:
            try:
                for lifespan in self._lifespans:
                    lifespan.on_loss = functools.partial(self._set_ready, lifespan.name, False)
                    await lifespan.start(self._startup_seconds)
                    started.append(lifespan)
                    self._set_ready(lifespan.name, True)
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
        # A server waits for nothing after it was told that all is over.
        await end_background()
        if failures:
            await send({"type": "lifespan.shutdown.failed", "message": "\n".join(failures)})
        else:
            await send({"type": "lifespan.shutdown.complete"})

    async def _stop(self, started: list[ServiceLifespan]) -> list[str]:
        """Stop in reverse order; one that fails does not keep the others from stopping.

        The time that is left is shared out, so that one that does not stop leaves some to those
        that were started before it.
        """
        self._health.drain()
        self._health.stop()
        failures = []
        while started:
            share = self._health.left(self._drain_seconds) / (len(started) + 1)
            lifespan = started.pop()
            self._set_ready(lifespan.name, False)
            try:
                await lifespan.stop(max(share - 2 * _MOMENT_SECONDS, _MOMENT_SECONDS))
            except StopFailed as failure:
                failures.append(str(failure))
        return failures

    def _set_ready(self, name: str, ready: bool) -> None:
        self._health.services[name] = ready


async def _keep_running(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Have it run to its end; begin again a second after it failed."""
    while True:
        try:
            await work()
        except Exception:
            logger.exception("%s failed", getattr(work, "__qualname__", work))
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                return  # it failed at its end
        else:
            return
        await asyncio.sleep(_AGAIN_SECONDS)


def _reason(answer: Message) -> str:
    """The service's own words. Starlette sends a whole traceback, whose last line says it."""
    message = str(answer.get("message") or "it gave no reason").strip()
    last = message.splitlines()[-1]
    return last if last == message else f"{last}\n{message}"
