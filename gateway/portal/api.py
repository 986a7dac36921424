"""The portal's facts: asked of all workers, for its pages and, in JSON, for scripts."""

from __future__ import annotations

import asyncio
import functools
import json
import platform
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gateway import __version__
from gateway.config import Configuration
from gateway.health import Health
from gateway.loading import Service
from gateway.portal import effective, facts
from gateway.portal.api_document import api_document
from gateway.portal.documents import UNCACHED, Fresh, json_answer
from gateway.portal.history import History
from gateway.telemetry.group import Answers, WorkerGroup
from gateway.telemetry.lines import RememberedLines
from gateway.telemetry.live import Live, merge_routes
from gateway.telemetry.metrics import Pool
from gateway.telemetry.process import Worker
from gateway.telemetry.recent import RecentRequests

STREAM_SECONDS = 2.0


@dataclass(frozen=True)
class Watched:
    """What one worker knows.

    Attributes:
        worker: Itself.
        live: Rates, errors and durations.
        recent: The last requests.
        lines: The last log lines.
        pools: The pool of each WSGI mount that has one, by the mount's name.
        health: What starts and stops.
    """

    worker: Worker
    live: Live
    recent: RecentRequests
    lines: RememberedLines
    pools: Mapping[str, Pool]
    health: Health

    @property
    def answers(self) -> Answers:
        """What the other workers may ask."""
        return {"overview": self.overview, "routes": self.live.routes, "request": self.request}

    def overview(self, since: int) -> dict[str, Any]:
        """How this worker is doing.

        Args:
            since: The first window of the figures that is wanted.
        """
        return {
            "worker": self.worker.figures(),
            "draining": self.health.draining,
            "services": dict(self.health.services),
            "pools": {
                mount: {
                    "allowed": pool.threads,
                    "busy": pool.busy,
                    "queued": pool.queued,
                    "stuck": pool.stuck,
                }
                for mount, pool in self.pools.items()
            },
            "live": self.live.snapshot(since),
            "errors": self.recent.errors(),
        }

    def request(self, request_id: str) -> dict[str, Any]:
        """What this worker has kept of one request."""
        return {
            "pid": self.worker.pid,
            "record": self.recent.record(request_id),
            "lines": self.lines.of_request(request_id),
        }


class GroupFacts:
    """What all workers know together.

    Args:
        read: The configuration.
        services: The service of each mount.
        watched: What this worker knows.
        group: All workers.
        find: What `gateway check` finds.
    """

    def __init__(
        self,
        read: Configuration,
        services: Sequence[Service],
        watched: Watched,
        group: WorkerGroup,
        find: Callable[[], Iterable[effective.Finding]],
    ) -> None:
        self._read = read
        self._services = services
        self._watched = watched
        self._group = group
        self._find = find
        self._history = History()
        self._about: facts.About | None = None
        self._listed: tuple[list[facts.ListedRoute], list[dict[str, Any]]] | None = None
        self.shared = {"overview": Fresh(self._overview), "routes": Fresh(self._routes)}

    async def keep(self) -> None:
        """Answer the other workers, until cancelled."""
        await self._group.keep(self._watched.answers)

    async def overview(self) -> dict[str, Any]:
        """The process group and its mounts, a second old at most."""
        return await self.shared["overview"].get()

    async def routes(self) -> dict[str, Any]:
        """Every route of every service, and the pairs among them, a second old at most."""
        return await self.shared["routes"].get()

    async def request(self, request_id: str) -> dict[str, Any]:
        """What is kept of one request."""
        told = await self._group.ask("request", request_id=request_id)
        return facts.request(request_id, told.answers, told.silent)

    async def configuration(self) -> dict[str, Any]:
        """The effective settings, and what `gateway check` finds."""
        found = await asyncio.to_thread(lambda: list(self._find()))
        return effective.configuration(self._read, found)

    async def _overview(self) -> dict[str, Any]:
        if self._about is None:
            # It reads the metadata of all that is installed.
            self._about = await asyncio.to_thread(self._describe)
        told = await self._group.ask("overview", since=self._history.since(time.monotonic()))
        # Beside the event loop: the first time it is 15 minutes of all workers.
        return await asyncio.to_thread(
            facts.overview, self._about, told.answers, self._history, time.time(), told.silent
        )

    async def _routes(self) -> dict[str, Any]:
        told = await self._group.ask("routes")
        # Beside the event loop, as there may be thousands.
        return await asyncio.to_thread(self._routes_of, told.answers)

    def _routes_of(self, answers: Iterable[Iterable[Sequence[Any]]]) -> dict[str, Any]:
        if self._listed is None:
            settings = self._read.checked()
            root_path = settings.server.root_path
            documents = f"{root_path}{settings.admin.prefix}/docs"
            listed = facts.listed_routes(self._services, root_path, documents)
            behind = {service.name for service in self._services if service.hidden}
            self._listed = listed, facts.listed_pairs(listed, behind)
        return facts.routes(*self._listed, merge_routes(row for rows in answers for row in rows))

    def _describe(self) -> facts.About:
        distributions = _distribution_versions(self._services)
        return facts.About(
            __version__,
            platform.python_version(),
            self._read.checked().environment,
            self._services,
            {one.name: facts.service_version(one, distributions) for one in self._services},
        )


def api_routes(
    group_facts: GroupFacts, health: Health, stream_seconds: float = STREAM_SECONDS
) -> list[Route]:
    """The routes of the JSON API, below the admin prefix, but for `/api/compare`.

    Args:
        group_facts: What they tell.
        health: Tells of the stop.
        stream_seconds: How often a stream has news.
    """

    @functools.cache
    def own_document() -> bytes:
        return json.dumps(api_document(__version__)).encode()

    async def document(request: Request) -> Response:
        return Response(own_document(), media_type="application/json", headers=UNCACHED)

    async def overview(request: Request) -> Response:
        return await json_answer(await group_facts.overview())

    async def stream(request: Request) -> Response:
        return StreamingResponse(
            overviews(group_facts, health, stream_seconds),
            media_type="text/event-stream",
            headers={**UNCACHED, "X-Accel-Buffering": "no"},
        )

    async def routes(request: Request) -> Response:
        return await json_answer(await group_facts.routes())

    async def one_request(request: Request) -> Response:
        found = await group_facts.request(request.path_params["request_id"])
        return await json_answer(found)

    async def configuration(request: Request) -> Response:
        return await json_answer(await group_facts.configuration())

    return [
        Route("/api/openapi.json", document),
        Route("/api/overview", overview),
        Route("/api/overview/stream", stream),
        Route("/api/routes", routes),
        # An ID may have slashes.
        Route("/api/requests/{request_id:path}", one_request),
        Route("/api/configuration", configuration),
    ]


async def overviews(
    group_facts: GroupFacts, health: Health, stream_seconds: float
) -> AsyncIterator[str]:
    """The overview as server-sent events, again and again while the gateway serves."""
    while not health.stopping:
        document = await group_facts.overview()
        text = await asyncio.to_thread(json.dumps, document)
        yield f"event: overview\ndata: {text}\n\n"
        await asyncio.sleep(stream_seconds)


def _distribution_versions(services: Iterable[Service]) -> dict[str, list[str]]:
    """Of the distributions that the services' top-level modules belong to, by module."""
    installed = metadata.packages_distributions()
    modules = {facts.top_level_module(service) for service in services}
    return {
        module: [metadata.version(name) for name in sorted(set(installed.get(module, ())))]
        for module in modules
    }
