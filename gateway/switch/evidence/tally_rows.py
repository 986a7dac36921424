"""Evidence to rows of the database and back, within bounds."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, case, delete, func, or_, select, update

from gateway.switch.evidence import (
    FINDINGS_KEPT,
    NAME_CHARACTERS,
    bounded_name,
    fitting,
    other,
    readable,
)
from gateway.switch.evidence.tables import counts, findings, key_of, periods
from gateway.switch.records import Finding, FindingKind, Mode, Period, Tally

EPOCHS_KEPT = 20

# A statement has so many parameters at most, in every database.
_AT_ONCE = 500
_FULL_OF_LEGACY: tuple[Mode, ...] = ("legacy", "shadow")

T = TypeVar("T")


def add(connection: Connection, insert: Any, batch: Mapping[Period, Tally]) -> None:
    """Add counts and findings to those that are there.

    Args:
        connection: In a transaction that is alone in writing.
        insert: The dialect's own statement, which knows what to do on a conflict.
        batch: What was counted and found.
    """
    cleaned = {_readable(period): tally for period, tally in batch.items()}
    rows, new = _rows_of(connection, insert, cleaned)
    numbers: dict[tuple[int, str], int] = defaultdict(int)
    _add_findings(connection, insert, rows, cleaned, numbers)
    known = _names_of(connection, rows.values())
    for period, tally in cleaned.items():
        names = known[rows[period]]
        for name, number in tally.counts.items():
            kept = name if name in names else bounded_name(name, names)
            names.add(kept)
            numbers[rows[period], kept] += number
    if numbers:
        statement = insert(counts)
        statement = statement.on_conflict_do_update(
            index_elements=["period", "name"],
            set_={"number": counts.c.number + statement.excluded.number},
        )
        values = [
            {"period": row, "name": name, "number": number}
            for (row, name), number in sorted(numbers.items())
        ]
        connection.execute(statement, values)
    for switch, route in sorted({(period.switch, period.route) for period in new}):
        _forget_oldest(connection, switch, route)


def read(connection: Connection, switch: str) -> dict[Period, Tally]:
    """All counts and findings of a switch."""
    of_switch = periods.c.switch == switch
    found: dict[int, tuple[Period, Tally]] = {}
    for row in connection.execute(select(periods).where(of_switch).order_by(periods.c.id)):
        period = Period(row.switch, row.rule, row.route, row.epoch, row.mode)
        found[row.id] = period, Tally()
    for row in connection.execute(select(counts).join(periods).where(of_switch)):
        if row.period in found:
            found[row.period][1].counts[row.name] = row.number
    for row in connection.execute(select(findings).join(periods).where(of_switch)):
        if row.period in found:
            finding = Finding(
                row.kind, row.signature, row.number, row.first, row.last, json.loads(row.sample)
            )
            found[row.period][1].findings[row.kind, row.signature] = finding
    return dict(found.values())


def counts_of(
    connection: Connection, switch: str, rule: str, epoch: int, mode: Mode
) -> dict[str, int]:
    """The counts of a rule with one mode, over all its routes."""
    chosen = (periods.c.epoch == epoch, periods.c.mode == mode)
    return _sums(connection, switch, rule, *chosen)


def baseline(connection: Connection, switch: str, rule: str) -> dict[str, int]:
    """How the legacy service did while it answered all requests of a rule."""
    chosen = (
        periods.c.mode.in_(_FULL_OF_LEGACY),
        or_(
            counts.c.name.startswith("served legacy "), counts.c.name.startswith("latency legacy ")
        ),
    )
    return _sums(connection, switch, rule, *chosen)


def end_epoch_of_file(
    connection: Connection, switch: str, rules: Sequence[str], revision: int
) -> None:
    """What the file says holds again, and what was counted of it earlier is not counted now.

    Otherwise what a candidate did before it was mended would send it back at once.

    Args:
        connection: In a transaction that is alone in writing.
        switch: The switch's name.
        rules: The rules' names.
        revision: The new one.
    """
    chosen = (periods.c.switch == switch, periods.c.rule.in_(rules), periods.c.epoch == 0)
    for row in connection.execute(select(periods).where(*chosen)).all():
        ended = Period(row.switch, row.rule, row.route, -revision, row.mode)
        values = {"epoch": ended.epoch, "key": key_of(ended)}
        connection.execute(update(periods).where(periods.c.id == row.id).values(**values))


def _sums(connection: Connection, switch: str, rule: str, *chosen: Any) -> dict[str, int]:
    total = func.sum(counts.c.number)
    statement = (
        select(counts.c.name, total)
        .join(periods)
        .where(periods.c.switch == switch, periods.c.rule == readable(rule), *chosen)
        .group_by(counts.c.name)
    )
    return {name: int(number) for name, number in connection.execute(statement)}


def _readable(period: Period) -> Period:
    return period._replace(rule=readable(period.rule), route=readable(period.route))


def _rows_of(
    connection: Connection, insert: Any, batch: Iterable[Period]
) -> tuple[dict[Period, int], list[Period]]:
    """The numbers of the periods' rows, and which of them are new."""
    keys = {key_of(period): period for period in batch}
    rows = _known_rows(connection, keys)
    new = [(key, period) for key, period in keys.items() if period not in rows]
    if new:
        values = [{"key": key, **period._asdict()} for key, period in new]
        connection.execute(insert(periods), values)
        rows |= _known_rows(connection, dict(new))
    return rows, [period for _, period in new]


def _known_rows(connection: Connection, keys: Mapping[str, Period]) -> dict[Period, int]:
    rows: dict[Period, int] = {}
    for some in _in_parts(keys):
        statement = select(periods.c.key, periods.c.id).where(periods.c.key.in_(some))
        rows |= {keys[row.key]: row.id for row in connection.execute(statement)}
    return rows


def _names_of(connection: Connection, rows: Iterable[int]) -> dict[int, set[str]]:
    names: dict[int, set[str]] = defaultdict(set)
    for some in _in_parts(rows):
        statement = select(counts.c.period, counts.c.name).where(counts.c.period.in_(some))
        for row in connection.execute(statement):
            names[row.period].add(row.name)
    return names


def _add_findings(
    connection: Connection,
    insert: Any,
    rows: Mapping[Period, int],
    batch: Mapping[Period, Tally],
    numbers: dict[tuple[int, str], int],
) -> None:
    """Add findings; those over the bounds to the numbers of what is only counted."""
    known = _signatures_of(
        connection, [rows[period] for period, tally in batch.items() if tally.findings]
    )
    values = []
    for period, tally in batch.items():
        for (kind, text), finding in tally.findings.items():
            row, signature = rows[period], readable(text)[:NAME_CHARACTERS]
            alike = known[row, kind]
            if signature not in alike and len(alike) >= FINDINGS_KEPT:
                numbers[row, other(kind)] += finding.count
                continue
            alike.add(signature)
            values.append(_finding_row(row, signature, finding))
    if not values:
        return
    statement = insert(findings)
    sooner, later = findings.c.first, findings.c.last
    statement = statement.on_conflict_do_update(
        index_elements=["period", "kind", "signature"],
        set_={
            "number": findings.c.number + statement.excluded.number,
            # Workers flush when they flush: what comes later may have been earlier.
            "first": _either(sooner, statement.excluded.first, sooner <= statement.excluded.first),
            "last": _either(later, statement.excluded.last, later >= statement.excluded.last),
        },
    )
    connection.execute(statement, values)


def _finding_row(row: int, signature: str, finding: Finding) -> dict[str, Any]:
    return {
        "period": row,
        "kind": finding.kind,
        "signature": signature,
        "number": finding.count,
        "first": finding.first,
        "last": finding.last,
        "sample": json.dumps(fitting(finding.sample), default=str, skipkeys=True),
    }


def _signatures_of(
    connection: Connection, rows: Iterable[int]
) -> dict[tuple[int, FindingKind], set[str]]:
    known: dict[tuple[int, FindingKind], set[str]] = defaultdict(set)
    for some in _in_parts(rows):
        statement = select(findings.c.period, findings.c.kind, findings.c.signature)
        for row in connection.execute(statement.where(findings.c.period.in_(some))):
            known[row.period, row.kind].add(row.signature)
    return known


def _forget_oldest(connection: Connection, switch: str, route: str) -> None:
    """Keep the route's last periods; there is one of a route for each epoch."""
    of_route = select(periods.c.id).where(periods.c.switch == switch, periods.c.route == route)
    newest_first = of_route.order_by(periods.c.id.desc()).offset(EPOCHS_KEPT)
    # SQLite has no OFFSET without a LIMIT; SQLAlchemy writes one for it.
    for some in _in_parts(connection.scalars(newest_first).all()):
        for table, column in ((counts, counts.c.period), (findings, findings.c.period)):
            connection.execute(delete(table).where(column.in_(some)))
        connection.execute(delete(periods).where(periods.c.id.in_(some)))


def _either(mine: Any, theirs: Any, condition: Any) -> Any:
    return case((condition, mine), else_=theirs)


def _in_parts(values: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(values)
    while part := list(islice(remaining, _AT_ONCE)):
        yield part
