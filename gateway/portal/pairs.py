"""Routes that two services have in common (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

# A variable part of a Flask rule, `<converter(arguments):name>`, and of a Starlette one,
# `{name:converter}`.
_FLASK = re.compile(r"<(?:[A-Za-z_]\w*(?:\((?:[^()\"']|\"[^\"]*\"|'[^']*')*\))?:)?([A-Za-z_]\w*)>")
_STARLETTE = re.compile(r"\{([A-Za-z_]\w*)(?::[A-Za-z_]\w*)?\}")
# Flask answers these for every route that has GET, and Starlette for some: they make no route.
_IMPLICIT = frozenset({"HEAD", "OPTIONS"})
# What is not asked for by a request and compared with its answer; `*` says that nobody knows.
_INCOMPARABLE = frozenset({"WEBSOCKET", "*"})


class Routed(Protocol):
    """A route as the pairs need it."""

    @property
    def mount(self) -> str:
        """The mount's name."""

    @property
    def stack(self) -> str:
        """The service's framework."""

    @property
    def methods(self) -> Sequence[str]:
        """In capitals."""

    @property
    def path(self) -> str:
        """Below the mount's prefix, in Flask's syntax, Starlette's, or OpenAPI's."""


@dataclass(frozen=True)
class Pair:
    """One thing that two services answer.

    Attributes:
        methods: The methods that both have, in alphabetical order.
        path: In OpenAPI's syntax, with the first one's names.
        routes: Positions of the two routes.
    """

    methods: tuple[str, ...]
    path: str
    routes: tuple[int, int]


def openapi_path(template: str) -> str:
    """A path in OpenAPI's syntax: `/items/<int:item_id>` and `/items/{item_id:int}` as one."""
    return _STARLETTE.sub(r"{\1}", _FLASK.sub(r"{\1}", template))


def pairs(routes: Sequence[Routed]) -> list[Pair]:
    """Routes of two mounts of different stacks, with the same path and methods in common.

    How parameters are called and converted does not count; a slash at the end does. Where one stack
    serves two methods by one route and the other by two, each of the two makes a pair with it.

    Args:
        routes: Of all services.

    Returns:
        In the order of the first route of each, then of the second.
    """
    alike: dict[str, list[int]] = {}
    for index, route in enumerate(routes):
        shape = _STARLETTE.sub("{}", openapi_path(route.path))
        alike.setdefault(shape, []).append(index)
    found = [
        Pair(methods, openapi_path(routes[first].path), (first, second))
        for indices in alike.values()
        for first, second in combinations(indices, 2)
        if routes[first].mount != routes[second].mount
        and routes[first].stack != routes[second].stack
        and (methods := _in_common(routes[first].methods, routes[second].methods))
    ]
    return sorted(found, key=lambda pair: pair.routes)


def _in_common(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    shared = _own(first) & _own(second)
    return tuple(sorted(shared))


def _own(methods: Sequence[str]) -> set[str]:
    """The methods that the route was made for."""
    comparable = set(methods) - _INCOMPARABLE
    return comparable - _IMPLICIT or comparable
