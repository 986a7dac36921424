"""`gateway switch set`: an order, checked as the configuration would be, and carried out."""

from __future__ import annotations

import getpass

import click

from gateway.switch.evidence.store import Store
from gateway.switch.run_time.order import Order, Plan, plan
from gateway.switch.run_time.setting import Unsettable
from gateway.switch_command.choosing import Chosen


def carry_out(store: Store, chosen: Chosen, order: Order, *, who: str, why: str) -> None:
    """Do what is wanted, and say what was before.

    Raises:
        click.UsageError: It would be a fault in the configuration; nothing was set.
    """
    name = chosen.migration.name
    run_time = store.run_time(name)
    try:
        planned = plan(order, chosen.migration, run_time)
    except Unsettable as error:
        raise click.UsageError(str(error)) from None
    revision = planned.carry_out(store, name, who=who, why=why)
    _tell(planned, name)
    click.echo(f"Revision {revision}, {who}; gateways follow within 2 seconds.")
    if run_time.killed and not order.is_kill:
        click.echo("The kill switch is on: nothing changes until: gateway switch set '*' rules")
    if not chosen.configuration.checked().switch.enabled:
        click.echo("switch.enabled is false: the legacy service answers everything.")


def _tell(planned: Plan, switch: str) -> None:
    for step in planned.steps:
        what = f"{switch}" if planned.order.is_kill else step.rule
        by = " (the file)" if step.from_file else ""
        click.echo(f"{what}: was {step.before}{by}, now {step.after}")


def login() -> str:
    """Who is at the terminal."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
