"""Differences that come from lists with the same items in another order (pure)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Members that tell items apart more often than others.
_KEYS = ("id", "uuid", "key", "slug", "code", "name", "title")


@dataclass(frozen=True)
class Reordered:
    """A list in another order.

    Attributes:
        place: Of the list, as JSON Pointer.
        key: The member that tells its items apart; empty where the items are the values.
        differences: Those that it explains.
    """

    place: str
    key: str
    differences: tuple[Mapping[str, Any], ...]


def unordered_lists(differences: Sequence[Mapping[str, Any]]) -> Iterator[Reordered]:
    """The lists of which the differences say that only the order is another.

    Whatever each item has at one place below it, the other list's items have there, too, in another
    order.
    """
    by_list: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for one in differences:
        place = str(one.get("place", ""))
        steps = place.split("/")
        index = next((i for i, step in enumerate(steps) if i and step.isdecimal()), None)
        if one.get("kind") == "json" and index is not None:
            below = "/".join(steps[index + 1 :])
            by_list.setdefault("/".join(steps[:index]), {}).setdefault(below, []).append(one)
    for place, members in by_list.items():
        if all(_is_reordered(those) for those in members.values()):
            key = _key(members)
            if key is not None:
                yield Reordered(
                    place, key, tuple(one for those in members.values() for one in those)
                )


def _is_reordered(differences: Iterable[Mapping[str, Any]]) -> bool:
    listed = list(differences)
    if any(str(one.get("why", "")).startswith("only in") for one in listed):
        return False
    sides = [Counter(_spelled(one.get(side)) for one in listed) for side in ("legacy", "candidate")]
    return len(listed) > 1 and sides[0] == sides[1]


def _key(members: Mapping[str, Sequence[Mapping[str, Any]]]) -> str | None:
    """The member that tells the items apart, empty for the items themselves; None for none."""
    own = [name for name, those in members.items() if "/" not in name and _are_scalars(those)]
    if "" in members:
        return "" if _are_scalars(members[""]) else None
    distinct = [
        name
        for name in own
        if len({_spelled(one.get("legacy")) for one in members[name]}) == len(members[name])
    ]
    return next((name for name in (*_KEYS, *distinct) if name in distinct), None)


def _are_scalars(differences: Iterable[Mapping[str, Any]]) -> bool:
    return not any(isinstance(one.get("legacy"), dict | list) for one in differences)


def _spelled(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
