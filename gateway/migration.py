"""A switch beside the services behind it: their routes, joined, and the facts of its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from gateway.config import MountSettings, Settings
from gateway.loading import Service, route_set, sides_of
from gateway.switch.report import SwitchFacts
from gateway.switch.report.inventory import Described, Joined, inventory
from gateway.switch.rules import Rule
from gateway.switch.rules.building import faults_beside, rules_of
from gateway.switch.rules.faults import RuleFault
from gateway.url_maps import routes_of

# Where no route of a service is known: any may be there.
_ANY: tuple[Described, ...] = ((("*",), "/*", ""),)
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - listened on, and asked at loopback


@dataclass(frozen=True, eq=False)
class Migration:
    """A switch and its services.

    Attributes:
        mount: The switch's settings.
        legacy: The legacy service.
        candidate: The candidate; None where it is an address.
    """

    mount: MountSettings
    legacy: Service
    candidate: Service | None

    @property
    def name(self) -> str:
        """The switch's."""
        return self.mount.name

    @property
    def rules(self) -> tuple[Rule, ...]:
        """As the configuration has them."""
        return rules_of(self.mount)

    def routes(self) -> list[Joined]:
        """What its services have, but for the candidate's own documentation."""
        theirs = _ANY if self.candidate is None else tuple(routes_of(self.candidate.app))
        own = _documentation(self.candidate.app if self.candidate else None)
        found = inventory(routes_of(self.legacy.app), theirs)
        return [route for route in found if route.legacy or route.path not in own]

    def faults(self, rules: Sequence[Rule]) -> list[RuleFault]:
        """What is wrong with rules, by themselves and beside what the services have."""
        sides = self.mount.switch
        candidate = sides.candidate if sides else ""
        return faults_beside(
            rules,
            (self.legacy.name, route_set(self.legacy)),
            (candidate, route_set(self.candidate)),
        )

    def facts(self, settings: Settings) -> SwitchFacts:
        """The facts of its report."""
        sides = self.mount.switch
        return SwitchFacts(
            self.mount.name,
            self.mount.prefix,
            self.mount.host,
            self.legacy.name,
            sides.candidate if sides else "",
            settings.switch.enabled,
            address_of(settings),
        )


def migrations(settings: Settings, services: Sequence[Service]) -> list[Migration]:
    """The switches of a sound configuration."""
    return [
        Migration(mount, *sides_of(mount, services))
        for mount in settings.mounts
        if mount.switch is not None
    ]


def address_of(settings: Settings) -> str:
    """Where the gateway can be asked from its own machine."""
    server = settings.server
    scheme = "https" if server.tls_certificate else "http"
    host = "127.0.0.1" if server.host in _EVERYWHERE else server.host
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}:{server.port}"


def _documentation(app: Any) -> frozenset[str | None]:
    if not isinstance(app, FastAPI):
        return frozenset()
    return frozenset(
        {app.openapi_url, app.docs_url, app.redoc_url, app.swagger_ui_oauth2_redirect_url}
    )
