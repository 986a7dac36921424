"""What `gateway switch set` and the portal ask for, as the rules that it changes (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gateway.switch.records import EVERY_ROUTE, Mode
from gateway.switch.report.inventory import Joined, template_of
from gateway.switch.rules import Rule
from gateway.switch.rules.templates import shape
from gateway.switch.rules.tree import ALL


class Unsettable(Exception):
    """It cannot be set; the text says why and what can."""


def rules_meant(route: str, rules: Sequence[Rule], routes: Iterable[Joined]) -> list[Rule]:
    """The rules that a route stands for.

    Args:
        route: A rule's name, a group's, a method and a template, or a template. What no rule is for
            and a service has is a rule of its own, not yet among `rules`.
        rules: In force.
        routes: What the services have.

    Raises:
        Unsettable: It stands for none.
    """
    named = [rule for rule in rules if route == rule.name]
    if found := named or [rule for rule in rules if route in {rule.group, rule.belongs_to} - {""}]:
        return found
    method, _, path = route.rpartition(" ")
    if not path.startswith("/"):
        groups = sorted({rule.group for rule in rules if rule.group})
        known = f"; groups are {', '.join(groups)}" if groups else ""
        raise Unsettable(
            f'"{route}" is neither the name of a rule or a group nor a route such as '
            f'"GET /items/{{}}"{known}. gateway switch inventory lists all routes.'
        )
    of_path = [rule for rule in rules if shape(rule.path) == shape(path)]
    if method and method != ALL:
        return [_of_method(method, path, of_path, routes)]
    return of_path or [_of_path(path, routes)]


def with_mode(
    rules: Sequence[Rule], meant: Iterable[Rule], mode: Mode, percent: float
) -> list[Rule]:
    """The rules as they would be with a mode set; new ones at the end."""
    changed = {rule.name: replace(rule, mode=mode, percent=percent) for rule in meant}
    kept = [changed.pop(rule.name, rule) for rule in rules]
    return [*kept, *changed.values()]


def _of_method(method: str, path: str, of_path: Iterable[Rule], routes: Iterable[Joined]) -> Rule:
    for rule in of_path:
        if rule.methods == (method,):
            return rule
        if method in rule.methods:
            others = ", ".join(each for each in rule.methods if each != method)
            raise Unsettable(
                f'{method} {path} belongs to the rule "{rule.name}", which is for {others}, too: '
                "set that rule, or give each method a rule of its own in the file."
            )
    for route in routes:
        if route.method in {method, ALL} and shape(route.path) == shape(path):
            return _new(route.path, (method,), path)
    raise Unsettable(
        f"Neither service has a route {method} {path}. gateway switch inventory lists all routes."
    )


def _of_path(path: str, routes: Iterable[Joined]) -> Rule:
    for route in routes:
        if shape(route.path) == shape(path):
            return _new(route.path, (), path)
    raise Unsettable(
        f"Neither service has a route {path}. gateway switch inventory lists all routes."
    )


def _new(template: str, methods: tuple[str, ...], asked: str) -> Rule:
    found = template_of(template)
    if found is None or template == EVERY_ROUTE:
        raise Unsettable(f"{asked} cannot be a rule's path: give it one in the file.")
    return Rule(found.text, methods)
