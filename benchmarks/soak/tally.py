"""What was asked, and how it was answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_KEPT = 20


class UnexpectedError(Exception):
    """An answer that should not have been given, or one that did not come."""


@dataclass
class Tally:
    """Of all good traffic, or of all abuse.

    Attributes:
        asked: How often each kind was done.
        outcomes: How it ended, by kind: a status, "closed", "left".
        unexpected: How often it ended otherwise than it should, by kind.
        examples: The first of those, in words.
        slowest: The longest that one of a kind took, in seconds.
        skipped: How often nothing was done, as enough was under way.
    """

    asked: Counter[str] = field(default_factory=Counter)
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    unexpected: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    slowest: dict[str, float] = field(default_factory=dict)
    skipped: int = 0

    def ended(self, kind: str, outcome: str, seconds: float = 0.0) -> None:
        """Count how something of a kind ended, and after how long."""
        self.outcomes.setdefault(kind, Counter())[outcome] += 1
        self.slowest[kind] = max(seconds, self.slowest.get(kind, 0.0))

    def failed(self, kind: str, why: str) -> None:
        """Count something that ended as it should not."""
        self.unexpected[kind] += 1
        if len(self.examples) < _KEPT:
            self.examples.append(f"{kind}: {why}")

    def as_json(self) -> dict[str, Any]:
        """All of it, for a program."""
        return {
            "asked": dict(self.asked),
            "outcomes": {kind: dict(counted) for kind, counted in self.outcomes.items()},
            "unexpected": dict(self.unexpected),
            "examples": self.examples,
            "slowest": self.slowest,
            "skipped": self.skipped,
        }
