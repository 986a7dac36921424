"""The switch that a command is about, its services and its database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from gateway.config import Configuration, find_file, read
from gateway.loading import Service, load_services
from gateway.migration import Migration, migrations
from gateway.switch.evidence.store import Store
from gateway.switch.report import Known, report
from gateway.switches import store_url


@dataclass(frozen=True, eq=False)
class Chosen:
    """The switch that a command is about.

    Attributes:
        configuration: All of it, sound.
        services: Of all mounts.
        migration: The switch and its services.
    """

    configuration: Configuration
    services: Sequence[Service]
    migration: Migration

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Its database.

        Raises:
            StoreError: It cannot be used.
        """
        settings = self.configuration.checked()
        store = Store(store_url(settings.switch, self.configuration.project))
        try:
            store.prepare()
            yield store
        finally:
            store.close()

    def report(self, known: Known | None = None) -> dict[str, Any]:
        """Its report, of what the database knows."""
        if known is None:
            with self.store() as store:
                known = Known(
                    store.run_time(self.migration.name),
                    store.evidence(self.migration.name),
                    store.history(self.migration.name),
                )
        facts = self.migration.facts(self.configuration.checked())
        return report(facts, self.migration.routes(), self.migration.rules, known)


def choose(config: str | None, name: str | None) -> Chosen:
    """The switch that a command is about.

    Args:
        config: The settings' file; None for the usual ones.
        name: The switch's; None for the only one.

    Raises:
        ConfigurationError: Something is wrong with the configuration or with a service.
        click.UsageError: There is no such switch, or there are several.
    """
    configuration = read(find_file(config))
    services = load_services(configuration)
    found = {one.name: one for one in migrations(configuration.checked(), services)}
    if not found:
        raise click.UsageError(
            f"{configuration.file} has no switch: a mount with "
            'switch = { legacy = "flask", candidate = "fastapi" }.'
        )
    if name is None and len(found) > 1:
        raise click.UsageError(
            f"There are several switches, {', '.join(found)}: name one, --switch."
        )
    if name is not None and name not in found:
        raise click.BadParameter(f"{name!r} is none of {', '.join(found)}.", param_hint="--switch")
    return Chosen(configuration, services, found[name] if name else next(iter(found.values())))
