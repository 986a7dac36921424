"""What a switch remembers: modes that were set, what they replaced, and evidence (pure data)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args

Mode = Literal["legacy", "shadow", "canary", "candidate", "candidate-shadow"]
Side = Literal["legacy", "candidate"]
FindingKind = Literal["mismatch", "noise"]

MODES: tuple[Mode, ...] = get_args(Mode)
# In the place of a route: every route of the switch.
EVERY_ROUTE = "*"


class Period(NamedTuple):
    """What evidence is of: one route, as long as one rule gives it one mode.

    Attributes:
        switch: The switch's name.
        rule: The rule's name, as `Rule.name` spells it; empty where no rule names the route.
        route: Method and shape of the route, `GET /items/{}`; see `templates.route_key`.
        epoch: Which setting of the rule's mode it is: the store's revision when it was set, 0 for
            what the configuration file says.
        mode: The rule's mode.
    """

    switch: str
    rule: str
    route: str
    epoch: int
    mode: Mode


@dataclass(frozen=True)
class RuleSet:
    """A rule's mode as it was set at run time. It wins over the file's.

    Attributes:
        rule: The rule's name: its methods and its path as they were written.
        mode: Its mode.
        percent: Of the candidate's share, in mode "canary".
        epoch: The store's revision with which it was set.
        at: When, in UTC.
        who: Set it: a person, or "gateway" for an automatic return.
        why: In words; may be empty.
    """

    rule: str
    mode: Mode
    percent: float
    epoch: int
    at: datetime
    who: str
    why: str = ""


@dataclass(frozen=True)
class RunTime:
    """What was set at run time for one switch.

    Attributes:
        revision: Of the store, as it was read; it grows with every change.
        killed: Whether the kill switch is on: the legacy service answers everything.
        rules: By the rule's name.
    """

    revision: int = 0
    killed: bool = False
    rules: Mapping[str, RuleSet] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One entry of a switch's history.

    Attributes:
        rule: The rule's name; `EVERY_ROUTE` for the kill switch.
        before: Mode and percent before; None for what the file says, or the kill switch off.
        after: Mode and percent after; likewise.
        epoch: The store's revision with which it was made.
        at: When, in UTC.
        who: Made it.
        why: In words; may be empty.
    """

    rule: str
    before: tuple[Mode, float] | None
    after: tuple[Mode, float] | None
    epoch: int
    at: datetime
    who: str
    why: str = ""


@dataclass
class Finding:
    """A sort of difference, and one example.

    Attributes:
        kind: "mismatch" between the services, or "noise" between two answers of the legacy one.
        signature: What all of the sort have in common.
        count: How many there were.
        first: When, in UTC.
        last: When, in UTC.
        sample: The first of them, redacted, as JSON would have it.
    """

    kind: FindingKind
    signature: str
    count: int
    first: datetime
    last: datetime
    sample: Mapping[str, Any]


@dataclass
class Tally:
    """The evidence of one period.

    Attributes:
        counts: By name; the names are in `evidence.py`.
        findings: By kind and signature.
    """

    counts: dict[str, int] = field(default_factory=dict)
    findings: dict[tuple[FindingKind, str], Finding] = field(default_factory=dict)
