"""The rules of a switch out of its settings, and what is wrong with them beside its services."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gateway.config import CompareSettings, MountSettings, RuleSettings
from gateway.switch.compare import ALLOWED, JsonRule, Rules
from gateway.switch.records import Mode
from gateway.switch.rules import RouteSet, Rule
from gateway.switch.rules.faults import RuleFault, faults_of
from gateway.switch.rules.templates import BadTemplate, Template, parse

# Who has to have the routes of a rule, by its mode.
_NEEDS_LEGACY = frozenset[Mode]({"shadow", "canary", "candidate-shadow"})
_NEEDS_CANDIDATE = frozenset[Mode]({"shadow", "canary", "candidate", "candidate-shadow"})


def rules_of(mount: MountSettings) -> tuple[Rule, ...]:
    """The rules of a switch's mount, as they are written."""
    return tuple(_rule(settings) for settings in mount.rules)


def faults_beside(
    rules: Sequence[Rule],
    legacy: tuple[str, RouteSet],
    candidate: tuple[str, RouteSet],
    inner: Iterable[str] = (),
) -> list[RuleFault]:
    """Everything that is wrong with rules.

    Args:
        rules: As they are written.
        legacy: The legacy service's name and routes.
        candidate: The candidate's.
        inner: What lies below the switch's prefix and belongs to other mounts: paths from there,
            `/admin`.
    """
    faults = faults_of(rules)
    faulty = {fault.index for fault in faults}
    others = [path.rstrip("/") for path in inner]
    for index, rule in enumerate(rules):
        if index not in faulty:
            faults += _beside(index, rule, (legacy, candidate), others)
    return sorted(faults, key=lambda fault: fault.index)


def _rule(settings: RuleSettings) -> Rule:
    return Rule(
        settings.path,
        settings.methods,
        settings.mode,
        settings.percent,
        settings.group,
        settings.repeatable,
        _compare(settings.compare),
        settings.automatic_return,
    )


def _compare(settings: CompareSettings) -> Rules:
    headers = ALLOWED if settings.headers is None else settings.headers
    return Rules(
        tuple(frozenset(statuses) for statuses in settings.statuses),
        tuple(headers),
        settings.cookies,
        tuple(
            JsonRule(rule.kind, rule.pointer, rule.key, rule.tolerance)
            for rule in settings.json_rules
        ),
        settings.bodies,
    )


def _beside(
    index: int,
    rule: Rule,
    sides: tuple[tuple[str, RouteSet], tuple[str, RouteSet]],
    others: Sequence[str],
) -> Iterator[RuleFault]:
    try:
        template = parse(rule.path)
    except BadTemplate:
        return
    for other in others:
        if template.within(parse(f"{other}/{{rest:path}}")) or rule.path == other:
            what = f'"{rule.path}" can never match: another mount answers below "{other}"'
            yield RuleFault(index, what, "a path that leads to this switch")
            return
    needed = [
        side
        for side, modes in zip(sides, (_NEEDS_LEGACY, _NEEDS_CANDIDATE), strict=True)
        if rule.mode in modes
    ]
    for method in rule.methods or ("*",):
        if not any(routes.meets(method, template) for _, routes in sides):
            yield _missing(index, method, template, " and ".join(f'"{name}"' for name, _ in sides))
            continue
        for name, routes in needed:
            if not routes.meets(method, template):
                yield _missing(index, method, template, f'"{name}"')


def _missing(index: int, method: str, template: Template, where: str) -> RuleFault:
    asked = template.text if method == "*" else f"{method} {template.text}"
    what = f"no route for {asked} in {where}"
    return RuleFault(index, what, "a route that is there (gateway switch inventory)")
