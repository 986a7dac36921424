"""The two services of a switch, asked within this process, with no gateway running."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import httpx
from starlette.types import ASGIApp

from gateway.app import create_app
from gateway.config import Settings
from gateway.health import Health
from gateway.lifespan import ServiceLifespan
from gateway.loading import Service
from gateway.migration import Migration
from gateway.portal.in_process import InProcess
from gateway.switch.compare import Answer
from gateway.switch.recording import Recorded
from gateway.switch.records import Side
from gateway.switch.remote import RemoteService
from gateway.switch.replay import Ask, Reply

# Where a service is that only lends its session's key: no request that is replayed leads there.
_ASIDE = "/~beside"


@asynccontextmanager
async def asking(settings: Settings, migration: Migration, seconds: float) -> AsyncIterator[Ask]:
    """Asks either service at the switch's prefix; their lifespans run meanwhile.

    Args:
        settings: The gateway's.
        migration: The switch and its services.
        seconds: How long an answer may take.
    """
    apps: dict[Side, ASGIApp] = {"legacy": _alone(settings, migration, migration.legacy, [])}
    root_path = ""
    if migration.candidate is None:
        sides = migration.mount.switch
        apps["candidate"] = RemoteService(sides.candidate if sides else "")
        root_path = migration.mount.prefix.rstrip("/")
    else:
        apps["candidate"] = _alone(settings, migration, migration.candidate, [migration.legacy])
    root_paths: Mapping[Side, str] = {"legacy": "", "candidate": root_path}
    async with AsyncExitStack() as stack:
        for side, app in apps.items():
            lifespan = ServiceLifespan(side, app)
            await lifespan.start(settings.server.startup_seconds)
            stack.push_async_callback(lifespan.stop, settings.server.drain_seconds)
        clients = {side: InProcess(app) for side, app in apps.items()}

        async def ask(side: Side, recorded: Recorded) -> Reply:
            return await _ask(clients[side], migration, recorded, root_paths[side], seconds)

        yield ask


def _alone(
    settings: Settings, migration: Migration, service: Service, beside: Sequence[Service]
) -> ASGIApp:
    """A gateway that serves one service at the switch's prefix."""
    switch = migration.mount
    own = service.mount.model_copy(update={"prefix": switch.prefix, "host": switch.host})
    aside = [
        replace(
            one,
            mount=one.mount.model_copy(update={"prefix": _ASIDE, "host": ""}),
            hidden=False,
        )
        for one in beside
    ]
    services = [replace(service, mount=own, hidden=False), *aside]
    mounts = tuple(one.mount for one in services)
    edge = settings.edge.model_copy(update={"rate_limit": "off", "allowed_hosts": ()})
    server = settings.server.model_copy(update={"access_log": False, "root_path": ""})
    alone = settings.model_copy(update={"mounts": mounts, "edge": edge, "server": server})
    return create_app(alone, services, Health())


async def _ask(
    client: InProcess, migration: Migration, recorded: Recorded, root_path: str, seconds: float
) -> Reply:
    host = migration.mount.host
    host = "localhost" if not host or host.startswith("*.") else host
    request = httpx.Request(
        recorded.method,
        f"http://{host}{recorded.target}",
        headers=[(name.encode(), value.encode()) for name, value in recorded.headers],
        content=recorded.body or None,
    )
    scope = {"client": ("127.0.0.1", 0), "server": ("127.0.0.1", 0)}
    reply = await client.ask(request, scope, root_path, seconds)
    answer = Answer(
        reply.status,
        reply.headers,
        None if reply.cut else bytes(reply.body),
        reply.cut,
        str(request.url),
        migration.mount.prefix.rstrip("/"),
    )
    # What was cut was answered in full, as far as anybody wanted it.
    fault = reply.fault if not reply.complete and not reply.cut else ""
    return Reply(answer, reply.seconds, fault, timed_out="within" in fault)
