"""The routes of two services, joined (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from gateway.switch.rules.templates import BadTemplate, Template, parse, route_key
from gateway.switch.rules.tree import ALL

# Methods, template and name, as `url_maps.routes_of` gives them.
Described = tuple[Iterable[str], str, str]

# Flask answers these for every route that has GET, and Starlette for some: they make no route.
_IMPLICIT: Final = frozenset({"HEAD", "OPTIONS"})
_BELOW: Final = "/*"


@dataclass(frozen=True)
class RouteName:
    """A route, as one service has it.

    Attributes:
        template: In its framework's syntax; `/*` at its end for everything below, where the service
            cannot be looked into.
        name: What `url_for` calls it; may be empty.
    """

    template: str
    name: str


@dataclass(frozen=True)
class Joined:
    """One route of a switch.

    Attributes:
        key: As evidence names it, `GET /items/{}`.
        method: In capitals; `WEBSOCKET` for a WebSocket, `*` where methods are not known.
        path: The legacy service's template, or the candidate's where only it has the route.
        legacy: As the legacy service has it; None where it does not.
        candidate: As the candidate has it; None where it does not.
    """

    key: str
    method: str
    path: str
    legacy: RouteName | None
    candidate: RouteName | None


def inventory(legacy: Iterable[Described], candidate: Iterable[Described]) -> list[Joined]:
    """The routes of both, the legacy service's first, each in its own order.

    Two routes are one where method and shape are the same. Where one service has a route and the
    other only a wider one that takes its requests, such as `/<path:rest>`, that stands for it.

    Args:
        legacy: The legacy service's routes.
        candidate: The candidate's.
    """
    sides = list(_routes(legacy)), list(_routes(candidate))
    keyed = [{route.key: route for route in reversed(side)} for side in sides]
    looked_into = [any(not route.opaque for route in side) for side in sides]
    found: dict[str, Joined] = {}
    for mine, others in ((0, 1), (1, 0)):
        for route in sides[mine]:
            if route.key in found or (route.opaque and looked_into[others]):
                continue
            partner = keyed[others].get(route.key) or _wider(route, sides[others])
            pair = (route.name, partner and partner.name)
            first, second = pair if mine == 0 else pair[::-1]
            found[route.key] = Joined(
                route.key, route.method, route.name.template, first or None, second or None
            )
    return list(found.values())


def template_of(text: str) -> Template | None:
    """A route's template, to compare with others; None where it is none."""
    try:
        return parse(f"{text[:-1]}{{rest:path}}" if text.endswith(_BELOW) else text)
    except BadTemplate:
        return None


@dataclass(frozen=True)
class _Route:
    """One method of a route."""

    key: str
    method: str
    name: RouteName
    template: Template | None

    @property
    def opaque(self) -> bool:
        """Whether it is all that is known of a service."""
        return self.method == ALL and self.name.template.endswith(_BELOW)


def _routes(described: Iterable[Described]) -> Iterator[_Route]:
    for methods, text, name in described:
        known = set(methods)
        for method in sorted(known - _IMPLICIT or known):
            yield _Route(route_key(method, text), method, RouteName(text, name), template_of(text))


def _wider(route: _Route, others: Iterable[_Route]) -> _Route | None:
    """The narrowest of the others that takes all requests of a route."""
    around = [
        other
        for other in others
        if other.template is not None
        and route.template is not None
        and (other.method in {route.method, ALL})
        and route.template.within(other.template)
    ]
    best: _Route | None = None
    for other in around:
        if best is None or _is_within(other, best):
            best = other
    return best


def _is_within(one: _Route, other: _Route) -> bool:
    return bool(one.template and other.template and one.template.within(other.template))
