"""What a comparison finds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal

Kind = Literal["status", "header", "json", "text"]


class Missing(Enum):
    """The value of what is not there. JSON's `null` is there."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


@dataclass(frozen=True)
class Difference:
    """One thing in which two answers differ.

    Attributes:
        kind: Where to look: the status, a header, the JSON document, the text of the body.
        where: A header's name, or a JSON Pointer (RFC 6901); else empty.
        values: What the first answer has and what the second has; `MISSING` for nothing.
        why: What is different about them, in words.
        alike: The same for all differences of one sort, whatever their values, positions in lists
            and sides.
    """

    kind: Kind
    where: str
    values: tuple[Any, Any]
    why: str
    alike: str


@dataclass
class Findings:
    """What was found so far.

    Attributes:
        limit: So many differences are listed; the rest is counted.
        differences: In an order that does not depend on which answer is the first.
        hits: How many differences each rule has excused, by the rule's name.
        left_out: How many differences are not listed.
    """

    limit: int = 1000
    differences: list[Difference] = field(default_factory=list)
    hits: dict[str, int] = field(default_factory=dict)
    left_out: int = 0

    @property
    def full(self) -> bool:
        """Whether another difference would only be counted."""
        return len(self.differences) >= self.limit

    def add(self, difference: Difference) -> None:
        """List a difference, or count it."""
        if self.full:
            self.left_out += 1
        else:
            self.differences.append(difference)

    def excuse(self, rule: str, times: int = 1) -> None:
        """Count what a rule has excused."""
        self.hits[rule] = self.hits.get(rule, 0) + times


def pair(values: Iterable[str]) -> str:
    """Two words for `alike`, whichever comes first."""
    return "/".join(sorted(values))
