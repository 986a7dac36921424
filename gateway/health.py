"""Whether the process lives, and whether it should be sent requests."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


@dataclass
class Health:
    """The state of the process and of each service.

    Attributes:
        draining: The process was told to stop. Never turns back.
        deadline: When the process has to be gone, once it was told to stop (monotonic seconds).
        services: Whether each service is ready, by the name of its mount.
        stopping: The process takes no more connections. Never turns back.
        on_stop: Called when it begins to stop, in whatever the process is doing then.
    """

    draining: bool = False
    deadline: float | None = None
    services: dict[str, bool] = field(default_factory=dict)
    stopping: bool = False
    on_stop: list[Callable[[], None]] = field(default_factory=list)

    def drain(self, seconds: float = math.inf) -> None:
        """Ask to be sent nothing more. The first call counts.

        Args:
            seconds: When everything has to be over, from now.
        """
        if self.draining:
            return
        self.draining = True
        self.deadline = time.monotonic() + seconds

    def stop(self) -> None:
        """End what has no end of its own. The first call counts."""
        if self.stopping:
            return
        self.stopping = True
        for act in self.on_stop:
            act()

    def left(self, at_most: float) -> float:
        """Seconds until the deadline of the drain, if there is one; else `at_most`."""
        if self.deadline is None:
            return at_most
        return min(max(self.deadline - time.monotonic(), 0.0), at_most)

    @property
    def ready(self) -> bool:
        """Whether requests are welcome."""
        return not self.draining and all(self.services.values())


def health_routes(health: Health) -> list[Route]:
    """`livez` and `readyz`, below the admin prefix.

    `livez` answers 200 while the event loop turns, also when draining: a process that is finishing
    its requests must not be killed for it. `readyz` answers 503 from the moment that shutdown
    starts, or while a service is not ready.
    """

    async def livez(request: Request) -> JSONResponse:
        return _uncached({"status": "ok"}, HTTPStatus.OK)

    async def readyz(request: Request) -> JSONResponse:
        services = {name: "ok" if ok else "not ready" for name, ok in health.services.items()}
        status = "draining" if health.draining else "ok" if health.ready else "not ready"
        code = HTTPStatus.OK if health.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return _uncached({"status": status, "services": services}, code)

    return [Route("/livez", livez), Route("/readyz", readyz)]


def _uncached(document: dict[str, object], status: HTTPStatus) -> JSONResponse:
    return JSONResponse(document, status, {"Cache-Control": "no-store"})
