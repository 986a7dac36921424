"""What was counted and found since the last flush, in bounded memory (no I/O).

The names of counts, each followed by what it is of:

- `served SIDE CLASS`: a request, by who answered it, and how: `2xx` to `5xx`, `error` for no
  answer or one that broke off, `timeout`, `left` for a client that did.
- `latency SIDE BUCKET`: seconds to the first byte of those, as `histogram.bucket_of` has them.
- `fallback REASON`: a request that the legacy service answered in the candidate's place.
- `shadow OUTCOME`, `uncompared REASON`, `dropped REASON`, `bodies REASON`: what became of a
  comparison; why there was none, or none of the bodies.
- `unsampled requests`: those that were to be compared, and not chosen for it.
- `hit RULE`: differences that a rule of comparing has excused.
- `paired SIDE BUCKET`: seconds of both sides of one comparison.
- `noise asked`, `noise differed`, `mismatch went away`: of asking again.
- `mismatch other`, `noise other`: findings over the bounds, which are only counted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.switch.records import Finding, FindingKind, Period, Tally

PERIODS_KEPT = 2_000
NAMES_KEPT = 400
FINDINGS_KEPT = 50
SAMPLE_CHARACTERS = 16 * 1024
# In place of the routes of all periods over the bound.
OTHER_ROUTES = "(other)"

# Of all periods together: each has a sample of up to 16 KiB.
_FINDINGS_IN_MEMORY = 2_000
# Families whose names are in words, and those of a configuration: without a bound of their own.
_IN_WORDS = ("uncompared", "bodies", "hit")
NAME_CHARACTERS = 200
# Of texts and of lists, tried in turn until a sample fits.
_TEXT_SIZES = (2048, 512, 128, 32)
_LIST_SIZES = (100, 40, 15, 5)


class Evidence:
    """Counts and findings since they were last taken. Used from the event loop only.

    Attributes:
        before_take: Called before somebody looks: whoever counts many alike adds them here.
    """

    def __init__(self) -> None:
        self.before_take: list[Callable[[], None]] = []
        self._tallies: dict[Period, Tally] = {}
        self._totals: Counter[tuple[str, str, str]] = Counter()
        self._findings = 0

    @property
    def kept(self) -> Mapping[Period, Tally]:
        """What was not taken yet; to look at."""
        self._gather()
        return self._tallies

    @property
    def totals(self) -> Mapping[tuple[str, str, str], int]:
        """Since the process began, by switch, by "shadow" or "fallback", and by what became of it.

        A dropped shadow is "dropped", whatever for, and one that was not chosen is "unsampled".
        """
        self._gather()
        return self._totals

    def count(self, period: Period, name: str, by: int = 1) -> None:
        """Count something.

        Args:
            period: What it is evidence of.
            name: What was counted; see the module.
            by: How many.
        """
        counts = self._tally(period).counts
        if name not in counts:
            name = bounded_name(name, counts)
        counts[name] = counts.get(name, 0) + by
        kind, _, what = name.partition(" ")
        if kind in {"shadow", "fallback"}:
            self._totals[period.switch, kind, what] += by
        elif kind in {"dropped", "unsampled"}:
            self._totals[period.switch, "shadow", kind] += by

    def knows(self, period: Period, kind: FindingKind, signature: str) -> bool:
        """Whether there is an example of it already, or no room for one."""
        findings = self._tally(period).findings
        return (kind, signature) in findings or not self._has_room(findings, kind)

    def find(
        self,
        period: Period,
        kind: FindingKind,
        signature: str,
        sample: Callable[[], Mapping[str, Any]],
    ) -> None:
        """Count a difference among those that are alike.

        Args:
            period: What it is evidence of.
            kind: Between the services, or between two answers of the legacy one.
            signature: What those that are alike have in common.
            sample: Makes the example, redacted; called only where this signature is new here.
        """
        findings = self._tally(period).findings
        now = datetime.now(UTC)
        known = findings.get((kind, signature))
        if known is not None:
            known.count += 1
            known.last = now
        elif self._has_room(findings, kind):
            self._findings += 1
            findings[kind, signature] = Finding(kind, signature, 1, now, now, fitting(sample()))
        else:
            self.count(period, other(kind))

    def take(self) -> dict[Period, Tally]:
        """All there is, which is from now on the caller's; begin anew."""
        self._gather()
        taken, self._tallies, self._findings = self._tallies, {}, 0
        return taken

    def give_back(self, batch: Mapping[Period, Tally]) -> None:
        """Keep what was taken and could not be stored, with what came since.

        Args:
            batch: As `take` returned it; not the caller's any more.
        """
        for period, tally in batch.items():
            mine = self._tally(period)
            for name, number in tally.counts.items():
                within = name if name in mine.counts else bounded_name(name, mine.counts)
                mine.counts[within] = mine.counts.get(within, 0) + number
            for (kind, signature), older in tally.findings.items():
                newer = mine.findings.get((kind, signature))
                if newer is not None:
                    older.count += newer.count
                    older.last = newer.last
                elif self._has_room(mine.findings, kind):
                    self._findings += 1
                else:
                    self.count(period, other(kind), older.count)
                    continue
                mine.findings[kind, signature] = older

    def _gather(self) -> None:
        for add in self.before_take:
            add()

    def _tally(self, period: Period) -> Tally:
        tally = self._tallies.get(period)
        if tally is None:
            if len(self._tallies) >= PERIODS_KEPT:
                # Still by rule, so that a return is decided on all of them. There are no more of
                # these than rules in the configuration.
                period = period._replace(route=OTHER_ROUTES)
            tally = self._tallies.setdefault(period, Tally())
        return tally

    def _has_room(self, findings: Collection[tuple[FindingKind, str]], kind: FindingKind) -> bool:
        alike = sum(known == kind for known, _ in findings)
        return alike < FINDINGS_KEPT and self._findings < _FINDINGS_IN_MEMORY


def other(kind: FindingKind) -> str:
    """The count of findings over the bounds."""
    return f"{kind} other"


def bounded_name(name: str, known: Collection[str]) -> str:
    """The name to count under: a family in words has so many names, and one for the rest.

    Args:
        name: As it was counted; not among the known ones.
        known: All names of the same period.
    """
    # A name that the database refuses would keep all others out of it, too.
    name = readable(name)[:NAME_CHARACTERS]
    family = name.partition(" ")[0]
    if family not in _IN_WORDS or name in known:
        return name
    if sum(each.startswith(f"{family} ") for each in known) < NAMES_KEPT:
        return name
    return f"{family} other"


def readable(text: str) -> str:
    """A text as any database takes it: without NUL, and without halves of characters."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def fitting(sample: Mapping[str, Any]) -> Mapping[str, Any]:
    """A sample of 16 KiB at most, as JSON in ASCII: as it is, or with its texts and lists cut."""
    if _size(sample) <= SAMPLE_CHARACTERS:
        return sample
    for longest, most in zip(_TEXT_SIZES, _LIST_SIZES, strict=True):
        cut: dict[str, Any] = _cut(sample, longest, most)
        if _size(cut) <= SAMPLE_CHARACTERS:
            return cut
    return {"too large": "the sample is over 16 KiB"}


def _size(sample: Mapping[str, Any]) -> int:
    return len(json.dumps(sample, default=str, skipkeys=True))


def _cut(value: Any, longest: int, most: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= longest else f"{value[:longest]}…"
    if isinstance(value, Mapping):
        members = list(value.items())[:most]
        return {_cut(str(key), longest, most): _cut(item, longest, most) for key, item in members}
    if isinstance(value, list | tuple):
        return [_cut(item, longest, most) for item in value[:most]]
    return value
