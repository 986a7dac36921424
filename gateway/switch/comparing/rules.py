"""What may differ: rules for places in JSON documents, and finding those of a place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.switch.comparing.values import are_close, are_same_instant, are_uuids, is_same_decimal

RuleKind = Literal["ignore", "unordered", "number", "uuid", "instant", "decimal"]

ANY = "*"


@dataclass(frozen=True)
class JsonRule:
    """What may differ at a place of a JSON document.

    Attributes:
        kind: "ignore" whatever is there and below; "unordered": a list whose items are told apart
            by `key` and not by position; "number": two numbers no more than `tolerance` apart;
            "uuid": any two UUIDs; "instant": one instant in two formats; "decimal": a number, and
            the same as text.
        pointer: The place, as JSON Pointer (RFC 6901) in which `*` is any one step.
        key: The member that tells a list's items apart; empty where the items are the values.
        tolerance: 0 for 1 and 1.0, which are two types else.

    Raises:
        ValueError: It is no pointer, or the tolerance is below 0.
    """

    kind: RuleKind
    pointer: str
    key: str = ""
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.pointer and not self.pointer.startswith("/"):
            raise ValueError(f"{self.pointer!r} is no JSON Pointer: it begins with no slash")
        if not self.tolerance >= 0:
            raise ValueError(f"a tolerance is 0 or more, not {self.tolerance}")

    @property
    def name(self) -> str:
        """What it is called in reports."""
        of = f" by {self.key}" if self.key else f" within {self.tolerance}" * (self.tolerance > 0)
        return f"{self.kind} {self.pointer or '(the whole document)'}{of}"

    def excuses(self, first: Any, second: Any) -> bool:
        """Whether two values at its place, which are not the same, may stand for each other."""
        match self.kind:
            case "ignore":
                return True
            case "number":
                return are_close(first, second, self.tolerance)
            case "uuid":
                return are_uuids(first, second)
            case "instant":
                return are_same_instant(first, second)
            case "decimal":
                return is_same_decimal(first, second)
        return False


@dataclass
class Place:
    """A place that rules name, or that is on the way to one.

    Attributes:
        rules: Those of this place.
        steps: The places one step further.
    """

    rules: list[JsonRule] = field(default_factory=list)
    steps: dict[str, Place] = field(default_factory=dict)


# Where a walk through a document stands among the places of the rules: several at once, as `*` and
# a name may both lead on.
Places = tuple[Place, ...]


def places_of(rules: Iterable[JsonRule]) -> Places:
    """Where a walk begins."""
    root = Place()
    for rule in rules:
        place = root
        for step in rule.pointer.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            place = place.steps.setdefault(name, Place())
        place.rules.append(rule)
    return (root,) if root.rules or root.steps else ()


def one_step(places: Places, step: str) -> Places:
    """Where it stands after a step."""
    return tuple(
        place.steps[name]
        for place in places
        for name in dict.fromkeys((step, ANY))
        if name in place.steps
    )
