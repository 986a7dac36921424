"""The switches, as the portal knows them: their reports, and setting modes.

What it sets, it sets as the command `gateway switch set` does, by the same rules, signed "portal".
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any, Final, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from gateway.config import Settings
from gateway.migration import Migration
from gateway.portal.documents import Fresh
from gateway.switch.evidence.store import Store
from gateway.switch.records import EVERY_ROUTE, RunTime
from gateway.switch.report import Known, report
from gateway.switch.report.inventory import Joined
from gateway.switch.rules import Rule
from gateway.switch.rules.faults import RuleFault
from gateway.switch.run_time.order import Order, Plan, Step, plan

WHO: Final = "portal"
_SOON: Final = "In effect within two seconds in every worker."

T = TypeVar("T")


class SwitchKeeper(Protocol):
    """The way to the database of the switches: `gateway.switch.run_time.keeping.Keeper`."""

    async def ask(self, work: Callable[[Store], T]) -> T:
        """Do something with the store, in its thread.

        Raises:
            StoreError: The database cannot be used.
        """

    def changed(self) -> None:
        """Look at once: something was set."""


class SwitchReports(Protocol):
    """What the page of the switches shows."""

    async def reports(self, address: str) -> list[dict[str, Any]]:
        """The report of each switch.

        Args:
            address: Of the gateway, for lines to paste: `http://127.0.0.1:8000`.

        Raises:
            StoreError: The database cannot be used.
        """


class SetMode(BaseModel):
    """The body of a request to set a mode."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    route: Annotated[str, Field(min_length=1, max_length=2000)]
    mode: str
    percent: Annotated[float, Field(allow_inf_nan=False)] | None = None
    why: Annotated[str, Field(max_length=1000)] = ""
    dry_run: bool = False

    @property
    def order(self) -> Order:
        """What is wanted."""
        return Order(self.route, self.mode, self.percent)


class WatchedSwitch:
    """One switch, whose services' routes are read once.

    Args:
        migration: The switch beside its services.
        settings: Sound ones.
    """

    def __init__(self, migration: Migration, settings: Settings) -> None:
        self._migration = migration
        self.name = migration.name
        self.rules: Sequence[Rule] = migration.rules
        self.facts = migration.facts(settings)

    @functools.cached_property
    def _routes(self) -> list[Joined]:
        return self._migration.routes()

    def routes(self) -> Sequence[Joined]:
        """What its services have."""
        return self._routes

    def faults(self, rules: Sequence[Rule]) -> Sequence[RuleFault]:
        """What is wrong with rules."""
        return self._migration.faults(rules)

    def report(self, known: Known, address: str) -> dict[str, Any]:
        """Its report, with lines to paste for an address."""
        facts = replace(self.facts, address=address)
        return report(facts, self._routes, self.rules, known)


class WatchedSwitches:
    """All switches of a gateway.

    Args:
        keeper: Leads to the database; None where there are no switches.
        switches: Those.
    """

    def __init__(self, keeper: SwitchKeeper | None, switches: Iterable[WatchedSwitch]) -> None:
        self._keeper = keeper
        self._switches = {one.name: one for one in switches}
        self._known = Fresh(self._read)

    @property
    def names(self) -> Sequence[str]:
        """Of the switches, in their order."""
        return list(self._switches)

    async def reports(self, address: str) -> list[dict[str, Any]]:
        """The report of each switch, of what the database knew within the last second.

        Args:
            address: Of the gateway, for lines to paste.

        Raises:
            StoreError: The database cannot be used.
        """
        if not self._switches:
            return []
        known = await self._known.get()

        def made() -> list[dict[str, Any]]:
            return [one.report(known[one.name], address) for one in self._switches.values()]

        return await asyncio.to_thread(made)

    async def set(self, switch: str, wanted: SetMode) -> dict[str, Any]:
        """Set a mode, or tell what that would come to.

        Args:
            switch: The switch's name.
            wanted: What.

        Returns:
            What was before and is now.

        Raises:
            LookupError: There is no such switch.
            Unsettable: It cannot be set; the text says why, and what can.
            StoreError: The database cannot be used.
        """
        watched, keeper = self._switches[switch], self._keeper
        if keeper is None:
            raise LookupError(switch)

        def work(store: Store) -> tuple[RunTime, Plan, int | None]:
            run_time = store.run_time(switch)
            found = plan(wanted.order, watched, run_time)
            if wanted.dry_run:
                return run_time, found, None
            return run_time, found, found.carry_out(store, switch, who=WHO, why=wanted.why)

        run_time, found, revision = await keeper.ask(work)
        if not wanted.dry_run:
            keeper.changed()
            self._known.forget()
        killed = found.order.mode == "legacy" if found.order.is_kill else run_time.killed
        return {
            "switch": switch,
            "dry_run": wanted.dry_run,
            "revision": revision,
            "killed": killed,
            "changes": [asdict(step) for step in found.steps],
            "text": list(_words(watched, found.steps, killed=killed)),
        }

    async def _read(self) -> dict[str, Any]:
        if self._keeper is None:
            return {}

        def known(store: Store) -> dict[str, Any]:
            return {
                name: Known(store.run_time(name), store.evidence(name), store.history(name))
                for name in self._switches
            }

        return await self._keeper.ask(known)


def _words(watched: WatchedSwitch, steps: Sequence[Step], *, killed: bool) -> Iterable[str]:
    """What changes, in sentences."""
    facts = watched.facts
    for step in steps:
        if step.rule == EVERY_ROUTE:
            is_so = f"{'on' if killed else 'off'}{' already' * (step.before == step.after)}"
            who = f"{facts.legacy} answers every request" if killed else "the rules hold"
            yield f"The kill switch: {is_so}, {who}."
        elif step.before == step.after:
            yield f"{step.rule}: {_at(step.before)} already; its evidence begins anew."
        else:
            yield f"{step.rule}: from {_at(step.before)} to {_at(step.after)}."
    if not facts.enabled:
        yield f"switch.enabled is false: {facts.legacy} answers every request nevertheless."
    elif killed and all(step.rule != EVERY_ROUTE for step in steps):
        yield (
            f"The kill switch is on: {facts.legacy} answers every request until it is turned off."
        )
    else:
        yield _SOON


def _at(mode: str) -> str:
    return mode.replace("canary ", "canary at ")
