"""The gateway's own pages, the JSON API behind them, and the one document of all services."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.config import Configuration, Settings
from gateway.exchange import Exchange
from gateway.health import Health
from gateway.loading import Service
from gateway.migration import migrations
from gateway.portal.api import GroupFacts, Watched, api_routes
from gateway.portal.documentation import documentation_routes
from gateway.portal.effective import Finding
from gateway.portal.pages import page_routes
from gateway.portal.side_by_side import compare_route
from gateway.portal.switch import SwitchKeeper, WatchedSwitch, WatchedSwitches
from gateway.portal.switch_api import switch_routes
from gateway.telemetry.group import WorkerGroup
from gateway.telemetry.lines import RememberedLines
from gateway.telemetry.live import Live
from gateway.telemetry.metrics import Pool
from gateway.telemetry.process import Worker
from gateway.telemetry.recent import RecentRequests

__all__ = ["Portal", "Surroundings"]


def _nothing() -> Iterable[Finding]:
    return ()


@dataclass(frozen=True)
class Surroundings:
    """What the portal tells of the process that it runs in.

    Attributes:
        configuration: The settings, and where they come from.
        folder: What the workers of one gateway share; None where there is one worker.
        find: What `gateway check` finds.
    """

    configuration: Configuration
    folder: Path | None = None
    find: Callable[[], Iterable[Finding]] = _nothing


class Portal:
    """What one worker's portal knows, and where it answers.

    Args:
        settings: Sound settings.
        services: The service of each mount.
        health: Told of what starts and stops.
        pools: The pool of each WSGI mount that has one, by the mount's name.
        surroundings: The process.
        switches: Leads to the database of the switches; None where there are none.
    """

    def __init__(  # noqa: PLR0913
        self,
        settings: Settings,
        services: Sequence[Service],
        health: Health,
        pools: Mapping[str, Pool],
        surroundings: Surroundings,
        *,
        switches: SwitchKeeper | None = None,
    ) -> None:
        self._settings = settings
        self._services = services
        self._health = health
        telemetry = settings.telemetry
        self._watched = Watched(
            Worker(),
            Live(),
            RecentRequests(
                telemetry.remembered_requests, query_strings=settings.server.log_query_strings
            ),
            RememberedLines(telemetry.remembered_lines),
            pools,
            health,
        )
        self._facts = GroupFacts(
            surroundings.configuration,
            services,
            self._watched,
            WorkerGroup(surroundings.folder),
            surroundings.find,
        )

        own = migrations(settings, services) if switches is not None else ()
        watched = [WatchedSwitch(one, settings) for one in own]
        self._switches = WatchedSwitches(switches, watched)

    @property
    def closed(self) -> list[Callable[[Iterable[Exchange]], None]]:
        """The observers of exchanges that ended."""
        return [self._watched.live.closed, self._watched.recent.closed]

    @property
    def background(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """What runs beside the requests."""
        return [self._watched.worker.watch, self._watched.lines.keep, self._facts.keep]

    def routes(self, root: ASGIApp, cookie: str | None) -> list[Route]:
        """Everything below the admin prefix.

        Args:
            root: The gateway's root application, which comparisons ask.
            cookie: The name of the shared session's cookie; None where no session is shared.
        """
        admin = self._settings.admin
        return [
            *page_routes(
                self._facts,
                admin_prefix=admin.prefix,
                signed_in_by_token=bool(admin.token.get_secret_value()),
                switches=self._switches if self._switches.names else None,
            ),
            *switch_routes(self._switches),
            *api_routes(self._facts, self._health),
            compare_route(root, self._settings, self._health),
            *documentation_routes(self._services, cookie, admin.prefix),
        ]
