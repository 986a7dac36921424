"""The switches of a process: their mounts, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Scope

from gateway.adapters import adapt
from gateway.config import Configuration, MountSettings, ServerSettings, Settings, SwitchSettings
from gateway.exchange import Exchange
from gateway.lifespan import ServiceLifespan
from gateway.loading import Service, route_set, sides_of
from gateway.mounts import Mount
from gateway.sessions import SessionCookie, SharedSession, session_value
from gateway.switch.deciding import AnswerCounts
from gateway.switch.evidence import Evidence
from gateway.switch.evidence.store import Store
from gateway.switch.remote import RemoteService
from gateway.switch.router import Shared, Switch
from gateway.switch.rules import RouteSet
from gateway.switch.rules.building import rules_of
from gateway.switch.run_time.keeping import Keeper
from gateway.switch.run_time.returning import ReturnLimits
from gateway.switch.shadows import Shadows
from gateway.switch.sides import SideService

_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Switches:
    """What the root application needs of all switches.

    Attributes:
        mounts: Where they answer.
        lifespans: Of what they ask besides the services.
        closed: Observers of exchanges that ended.
        background: What runs beside the requests.
        keeper: Leads to the database; None where there are no switches.
        stop: Has shadows end; called when the process is told to stop.
        is_asking: Whether shadows ask a service at this moment, by its name.
        totals: What became of shadows and of fallbacks; see `Evidence.totals`.
    """

    mounts: Sequence[Mount] = ()
    lifespans: Sequence[ServiceLifespan] = ()
    closed: Sequence[Callable[[Iterable[Exchange]], None]] = ()
    background: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    keeper: Keeper | None = None
    stop: Callable[[], None] = lambda: None
    is_asking: Callable[[str], bool] = lambda name: False
    totals: Callable[[], Mapping[tuple[str, str, str], int]] = dict


@dataclass(frozen=True)
class Around:
    """What the switches are made with.

    Attributes:
        configuration: Sound settings.
        services: The service of each mount that has one.
        mounts: Where the services answer, by name.
        cookie: The shared session's; None where none is shared.
        is_admin: Whether whoever sent a request may know who answers it.
    """

    configuration: Configuration
    services: Sequence[Service]
    mounts: Mapping[str, Mount]
    cookie: SessionCookie | None
    is_admin: Callable[[Scope], Any]

    @property
    def settings(self) -> Settings:
        """The settings."""
        return self.configuration.checked()


def switch_mounts(settings: Settings) -> list[MountSettings]:
    """The mounts that are switches."""
    return [mount for mount in settings.mounts if mount.switch is not None]


def services_behind(settings: Settings) -> Collection[str]:
    """The names of the services that switches lead to."""
    sides = [mount.switch for mount in settings.mounts if mount.switch is not None]
    return {name for side in sides for name in (side.legacy, side.candidate)}


def store_url(settings: SwitchSettings, project: Path) -> str:
    """The database's address; a relative path of SQLite's begins at the project's folder."""
    url = settings.database.get_secret_value()
    path = url.removeprefix(_SQLITE)
    if path == url or not path or path.startswith((":memory:", "/")):
        return url
    return f"{_SQLITE}{project / path}"


def build_switches(around: Around) -> Switches:
    """The switches of the settings."""
    settings = around.settings
    wanted = switch_mounts(settings)
    if not wanted:
        return Switches()
    evidence = Evidence()
    shadows = Shadows(settings.switch, evidence)
    shared = Shared(settings.switch, shadows, _user(around.cookie), around.is_admin)
    alone = _Alone(around, settings)
    switches, mounts = [], []
    for mount in wanted:
        legacy, candidate = sides_of(mount, around.services)
        address = mount.switch.candidate if mount.switch is not None else ""
        switch = Switch(
            mount.name,
            alone.side_of(legacy),
            alone.remote_side(address) if candidate is None else alone.side_of(candidate, True),
            rules_of(mount),
            shared,
        )
        switches.append(switch)
        mounts.append(
            Mount(mount.prefix, switch, mount.host, mount.name, "switch", path_may_be_empty=True)
        )
    limits = settings.switch
    keeper = Keeper(
        Store(store_url(limits, around.configuration.project)),
        evidence,
        switches,
        ReturnLimits(
            limits.return_requests, limits.return_error_points, limits.return_latency_factor
        ),
    )
    return Switches(
        mounts,
        alone.lifespans,
        [AnswerCounts(evidence).closed],
        [keeper.keep, shadows.keep],
        keeper,
        shadows.stop,
        shadows.is_asking,
        lambda: evidence.totals,
    )


class _Alone:
    """Makes the sides of switches, each service's once for all switches."""

    def __init__(self, around: Around, settings: Settings) -> None:
        self._around = around
        self._settings = settings
        self._apps: dict[str, ASGIApp] = {}
        self.lifespans: list[ServiceLifespan] = []

    def side_of(self, service: Service, candidate: bool = False) -> SideService:
        """A service of this process."""
        mount = self._around.mounts[service.name]
        return SideService(
            "candidate" if candidate else "legacy",
            service.name,
            service.stack,
            mount.app,
            self._app(service),
            route_set(service),
            mount.state,
            mount.path_may_be_empty,
        )

    def remote_side(self, address: str) -> SideService:
        """A service at an address."""
        app = self._apps.get(address)
        if app is None:
            app = self._apps[address] = RemoteService(address)
            self.lifespans.append(ServiceLifespan(address, app))
        return SideService("candidate", address, "HTTP", app, app, RouteSet([(("*",), "/*")]))

    def _app(self, service: Service) -> ASGIApp:
        """The service without the edge; one that has threads, with others than for its clients."""
        if service.name not in self._apps:
            self._apps[service.name] = self._make(service)
        return self._apps[service.name]

    def _make(self, service: Service) -> ASGIApp:
        if service.interface != "wsgi":
            cookie = self._around.cookie
            app: ASGIApp = service.app
            return app if cookie is None else SharedSession(app, cookie)
        limits = self._settings.switch
        mount = service.mount.model_copy(
            update={
                "name": f"{service.name}-shadows",
                "threads": limits.shadows,
                "queue": limits.shadow_queue,
                "response_timeout_seconds": limits.shadow_seconds,
                "request_buffering": "spool",
            }
        )
        server: ServerSettings = self._settings.server
        app = adapt(service.app, mount, server)
        self.lifespans.append(ServiceLifespan(mount.name, app))
        return app


def _user(cookie: SessionCookie | None) -> Callable[[Scope, str], str]:
    in_session = session_value(cookie)

    def read(scope: Scope, key: str) -> str:
        kind, _, name = key.partition(":")
        if kind == "session":
            value = in_session(scope, name)
        else:
            value = HTTPConnection(scope).headers.get(name, "")
        # Of two users by different keys none is the other.
        return f"{key}={value}" if value else ""

    return read
