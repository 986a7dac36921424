"""A request to the rule that decides who answers it (pure).

Precedence: of the rules whose path and method match, the one with the narrower path; of one path,
the one that names the method before the one for all methods. A text is narrower than a typed
parameter (`<int:id>`), that than an untyped one (`{id}`), that than one that takes the rest
(`{rest:path}`). Where two paths match some path in common and neither is narrower, no order would
be right: that is a fault of the configuration.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from gateway.switch.compare import Rules
from gateway.switch.records import Mode
from gateway.switch.rules.templates import BadTemplate, Template, parse, pattern, shape
from gateway.switch.rules.tree import ALL, PathTree

# What may be sent to the other service as well, where a rule does not say otherwise.
SAFE: Final = frozenset({"GET", "HEAD"})
# Whose rules a HEAD request may have, the first before the others.
_HEAD: Final = ("HEAD", "GET", ALL)


@dataclass(frozen=True)
class Rule:
    """Which of a switch's two services answers a route, and how.

    Attributes:
        path: Template below the switch's prefix, in either stack's syntax.
        methods: In alphabetical order; empty for all. GET is for HEAD, too.
        mode: Who answers.
        percent: Of the candidate's share, in mode "canary".
        group: Rules of one group give a user the same service, and their modes are set together;
            empty for that of all rules with this shape of path.
        repeatable: Whether a request may be sent to the other service as well; None for GET and
            HEAD alone.
        compare: What counts in comparisons.
        automatic_return: Whether failures of the candidate set the mode back to "legacy".
        epoch: Of the run-time setting that gave the mode; 0 for the file's.
    """

    path: str
    methods: tuple[str, ...] = ()
    mode: Mode = "legacy"
    percent: float = 0.0
    group: str = ""
    repeatable: bool | None = None
    compare: Rules = field(default_factory=Rules)
    automatic_return: bool = True
    epoch: int = 0

    @functools.cached_property
    def name(self) -> str:
        """What it is called everywhere: `GET,POST /items/{item_id}`."""
        return f"{','.join(self.methods) or ALL} {self.path}"

    @functools.cached_property
    def belongs_to(self) -> str:
        """Its group."""
        return self.group or shape(self.path)

    def repeats(self, method: str) -> bool:
        """Whether a request of this method may be sent to the other service as well."""
        return method in SAFE if self.repeatable is None else self.repeatable


class RuleTable:
    """Finds the rule of a request in time that does not grow with the number of rules.

    A walk along the segments of a path; at each it prefers the narrower.

    Args:
        rules: Sound ones (`faults_of`).
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self._root = PathTree[Rule]()
        self._depth = 0
        for rule in self.rules:
            template = parse(rule.path)
            self._depth = max(self._depth, len(template.segments))
            values = self._root.at(template)
            for method in rule.methods or (ALL,):
                values.setdefault(method, rule)

    def find(self, method: str, path: str) -> Rule | None:
        """The rule of a request; None where none is for it.

        Args:
            method: In capitals; `WEBSOCKET` for a handshake.
            path: Decoded, below the switch's prefix, from its first slash.
        """
        if not self.rules:
            return None
        # What lies deeper than any rule can only be the rest of one.
        segments = path.split("/", self._depth + 1)
        return self._root.find(_HEAD if method == "HEAD" else (method, ALL), segments, 1)


class RouteSet:
    """The routes of one service, asked whether it has one for a request.

    Args:
        routes: Methods and template of each; `*` for all methods. `/*` at the end of a template
            stands for everything below, where a service cannot be looked into.
    """

    def __init__(self, routes: Iterable[tuple[Iterable[str], str]]) -> None:
        self._odd: list[tuple[frozenset[str], str]] = []
        self._root = PathTree[tuple[str, str]]()
        for methods, text in routes:
            try:
                template = parse(f"{text[:-1]}{{rest:path}}" if text.endswith("/*") else text)
            except BadTemplate:
                continue  # a route that no path reaches in either syntax
            if template.regular:
                self._root.at(template).update((method, (method, text)) for method in methods)
            else:
                self._odd.append((frozenset(methods), template.pattern))

    def find(self, method: str, path: str) -> str | None:
        """The template of a route that is for this request; None where none is.

        Args:
            method: In capitals.
            path: Decoded, below the service's prefix.
        """
        # Unlike with rules, any match will do, and a route for GET need not be one for HEAD.
        if found := self._root.find((method, ALL), path.split("/"), 1):
            return found[1]
        for methods, text in self._odd:
            if (method in methods or ALL in methods) and pattern(text).fullmatch(path):
                return text
        return None

    def has(self, method: str, path: str) -> bool:
        """Whether a route is for this request; as `find`."""
        return self.find(method, path) is not None

    def meets(self, method: str, template: Template) -> bool:
        """Whether some request of this method that a rule's template matches has a route."""
        regular = (its for its, _ in self._root.meeting(template.segments))
        found = chain(regular, *(some for some, _ in self._odd))
        return any(method == ALL or one in {method, ALL} for one in found)


def bucket(salt: str, group: str, key: str) -> float:
    """Where a user stands among all, from 0 to just below 100, as good as at random.

    Who is below 5 is below 25, too: a share that grows keeps those whom it has.
    """
    text = f"{salt}\0{group}\0{key}".encode("utf-8", "surrogatepass")
    number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())
    # As many bits as a float holds: with more, the last would be rounded up to 100.
    return (number >> 11) / 2**53 * 100
