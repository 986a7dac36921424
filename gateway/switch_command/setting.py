"""`gateway switch set`: a mode, checked as the configuration would be, and written."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import click

from gateway.migration import Migration
from gateway.switch.in_force import rules_in_force
from gateway.switch.records import Mode
from gateway.switch.report import mode_in_words
from gateway.switch.rules import Rule
from gateway.switch.setting import Unsettable, rules_meant, with_mode
from gateway.switch.store import Store
from gateway.switch_command.choosing import Chosen


def mode_of_word(word: str) -> Mode | None:
    """The mode that a word says; None for "file", which is none."""
    return next((mode for mode in get_args(Mode) if mode == word), None)


def set_kill_switch(store: Store, chosen: Chosen, *, on: bool, who: str, why: str) -> None:
    """Turn the kill switch on or off, and say what it was."""
    name = chosen.migration.name
    was = store.run_time(name).killed
    revision = store.kill(name, on, who=who, why=why)
    words = {True: "on", False: "off"}
    click.echo(f"The kill switch of {name}: was {words[was]}, now {words[on]} ({revision}, {who}).")
    _warn_of_file(chosen)


def set_mode(
    store: Store, chosen: Chosen, route: str, mode: Mode | None, percent: float, **signed: str
) -> None:
    """Give what a route stands for a mode, and say what was before.

    Raises:
        click.UsageError: It would be a fault in the configuration; nothing was set.
    """
    migration = chosen.migration
    run_time = store.run_time(migration.name)
    rules = rules_in_force(migration.rules, run_time)
    try:
        meant = rules_meant(route, rules, migration.routes())
    except Unsettable as error:
        raise click.UsageError(str(error)) from None
    from_file = {rule.name: rule for rule in migration.rules}
    if mode is None:
        after = [from_file.get(rule.name, rule) for rule in rules]
    else:
        after = with_mode(rules, meant, mode, percent)
        _refuse(migration, rules, after)
    before = {rule.name: (rule.mode, rule.percent) for rule in meant}
    set_by_file = {name: was for name, was in before.items() if name not in run_time.rules}
    names = [rule.name for rule in meant]
    revision = store.set(
        migration.name, names, mode, percent, before=set_by_file, **_signature(signed)
    )
    now = {rule.name: rule for rule in after}
    for rule in meant:
        is_gone = mode is None and rule.name not in from_file
        then = "no rule" if is_gone else mode_in_words(now[rule.name].mode, now[rule.name].percent)
        was = mode_in_words(rule.mode, rule.percent)
        by = "" if rule.name in run_time.rules else " (the file)"
        click.echo(f"{rule.name}: was {was}{by}, now {then}")
    click.echo(f"Revision {revision}, {signed['who']}; gateways follow within 2 seconds.")
    if run_time.killed:
        click.echo("The kill switch is on: nothing changes until: gateway switch set '*' rules")
    _warn_of_file(chosen)


def _signature(signed: Mapping[str, str]) -> dict[str, Any]:
    return {"who": signed["who"], "why": signed["why"]}


def _refuse(migration: Migration, before: Sequence[Rule], after: Sequence[Rule]) -> None:
    """Refuse what would be a fault in the configuration, unless it is one already."""
    old = {(before[fault.index].name, fault.what) for fault in migration.faults(before)}
    new = [
        fault
        for fault in migration.faults(after)
        if (after[fault.index].name, fault.what) not in old
    ]
    if new:
        told = [f"{fault.what}. Accepted: {fault.mend}." for fault in new]
        raise click.UsageError("\n".join(told))


def _warn_of_file(chosen: Chosen) -> None:
    if not chosen.configuration.checked().switch.enabled:
        click.echo("switch.enabled is false: the legacy service answers everything.")


def login() -> str:
    """Who is at the terminal."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
