"""What switches remember, in a database that all processes share.

Every change, of any switch, gives the store its next revision; one query tells whether there was
one. All that is kept has bounds: the last changes of a switch, the last periods of a route, so many
names and findings of a period.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, inspect, select, update

from gateway.switch.evidence import readable, tally_rows
from gateway.switch.evidence.database import Database, StoreError
from gateway.switch.evidence.tables import changes, kills, metadata, revisions, settings
from gateway.switch.records import (
    EVERY_ROUTE,
    MODES,
    Change,
    Mode,
    Period,
    RuleSet,
    RunTime,
    Tally,
)

__all__ = ["Store", "StoreError"]

CHANGES_KEPT = 200

_ONLY_ROW = 1
_KILLED: tuple[Mode, float] = ("legacy", 0.0)
_Setting = tuple[Mode, float]


class Store:
    """A database of switches. For one thread at a time.

    Args:
        url: "sqlite:///FILE", or "postgresql://USER:PASSWORD@HOST/NAME".

    Raises:
        StoreError: The URL leads to no database that can be used.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def prepare(self) -> None:
        """Make what is not there yet. Several processes may at once.

        Raises:
            StoreError: The database cannot be used.
        """
        self._database.make()
        with self._database.reading() as connection:
            # Where all is there, it may be a database that cannot be written now.
            if inspect(connection).has_table(revisions.name):
                return
        with self._database.writing() as connection:
            metadata.create_all(connection)
            if connection.scalar(select(revisions.c.id)) is None:
                connection.execute(insert(revisions).values(id=_ONLY_ROW, revision=0))

    def close(self) -> None:
        """Close the connection.

        Raises:
            StoreError: The database fails.
        """
        self._database.close()

    def break_off(self) -> None:
        """End what another thread waits for: it gets a StoreError. For any thread."""
        self._database.break_off()

    def revision(self) -> int:
        """How many changes there were.

        Raises:
            StoreError: The database cannot be used, or was not prepared.
        """
        with self._database.reading() as connection:
            return _revision(connection)

    def run_time(self, switch: str) -> RunTime:
        """What was set for a switch.

        Args:
            switch: Its name.

        Raises:
            StoreError: The database cannot be used.
        """
        with self._database.reading() as connection:
            # First: of what changes meanwhile, the next look at the revision tells.
            revision = _revision(connection)
            killed = connection.scalar(select(kills.c.killed).where(kills.c.switch == switch))
            rows = connection.execute(select(settings).where(settings.c.switch == switch)).all()
        # A mode of a later version is left to what the file says.
        rules = {row.rule: _rule_set(row) for row in rows if row.mode in MODES}
        return RunTime(revision, bool(killed), rules)

    def set(  # noqa: PLR0913
        self,
        switch: str,
        rules: Sequence[str],
        mode: Mode | None,
        percent: float = 0.0,
        *,
        who: str,
        why: str = "",
        before: Mapping[str, tuple[Mode, float]] | None = None,
        only_epoch: int | None = None,
    ) -> int | None:
        """Give rules a mode, all of them or none.

        Args:
            switch: The switch's name.
            rules: The rules' names.
            mode: Their mode; None for what the file says.
            percent: Of the candidate's share, in mode "canary".
            who: Sets it.
            why: In words.
            before: For the history: what is in force where nothing was set.
            only_epoch: Do nothing where what was set for one of the rules is of another epoch by
                now; 0 where nothing was set.

        Returns:
            The new revision, which is the rules' epoch; None where nothing was done.

        Raises:
            StoreError: The database cannot be used. Nothing was set, unless the connection was
                lost in the very moment in which it was.
        """
        with self._database.writing() as connection:
            of_switch = settings.c.switch == switch
            known = {row.rule: row for row in connection.execute(select(settings).where(of_switch))}
            names = list(dict.fromkeys(readable(rule) for rule in rules))
            epochs = {known[name].epoch if name in known else 0 for name in names}
            if only_epoch is not None and epochs - {only_epoch}:
                return None
            revision = _next_revision(connection)
            now = datetime.now(UTC)
            signed = {"who": readable(who), "why": readable(why), "epoch": revision, "at": now}
            if mode is None:
                names = [name for name in names if name in known]
                tally_rows.end_epoch_of_file(connection, switch, names, revision)
            for name in names:
                row = known.get(name)
                was = (row.mode, row.percent) if row else (before or {}).get(name)
                connection.execute(delete(settings).where(of_switch, settings.c.rule == name))
                if mode is not None:
                    values = {"switch": switch, "rule": name, "mode": mode, "percent": percent}
                    connection.execute(insert(settings).values(**values, **signed))
                after = None if mode is None else (mode, percent)
                _remember(connection, switch, name, (was, after), signed)
            _forget_oldest(connection, switch)
            return revision

    def kill(self, switch: str, on: bool, *, who: str, why: str = "") -> int:
        """Let the legacy service answer everything, or what the rules say.

        Args:
            switch: The switch's name.
            on: Whether the legacy service answers everything.
            who: Sets it.
            why: In words.

        Returns:
            The new revision.

        Raises:
            StoreError: The database cannot be used.
        """
        with self._database.writing() as connection:
            revision = _next_revision(connection)
            was = connection.scalar(select(kills.c.killed).where(kills.c.switch == switch))
            connection.execute(delete(kills).where(kills.c.switch == switch))
            connection.execute(insert(kills).values(switch=switch, killed=on))
            now = datetime.now(UTC)
            signed = {"who": readable(who), "why": readable(why), "epoch": revision, "at": now}
            sides = _KILLED if was else None, _KILLED if on else None
            _remember(connection, switch, EVERY_ROUTE, sides, signed)
            _forget_oldest(connection, switch)
            return revision

    def history(self, switch: str, limit: int = CHANGES_KEPT) -> list[Change]:
        """The last changes of a switch, the newest first.

        Args:
            switch: Its name.
            limit: How many.

        Raises:
            StoreError: The database cannot be used.
        """
        newest = select(changes).where(changes.c.switch == switch).order_by(changes.c.id.desc())
        with self._database.reading() as connection:
            rows = connection.execute(newest.limit(limit)).all()
        return [
            Change(
                row.rule,
                (row.before_mode, row.before_percent) if row.before_mode else None,
                (row.after_mode, row.after_percent) if row.after_mode else None,
                row.epoch,
                row.at,
                row.who,
                row.why,
            )
            for row in rows
        ]

    def add(self, batch: Mapping[Period, Tally]) -> None:
        """Add counts and findings to those that are there, all of them or none.

        Args:
            batch: What was counted and found.

        Raises:
            StoreError: The database cannot be used. Nothing was added, unless the connection was
                lost in the very moment in which it was.
        """
        with self._database.writing() as connection:
            tally_rows.add(connection, self._database.insert, batch)

    def evidence(self, switch: str) -> dict[Period, Tally]:
        """All counts and findings of a switch that are kept.

        A period whose epoch is below 0 is of what the file said, until the revision of that number.

        Args:
            switch: Its name.

        Raises:
            StoreError: The database cannot be used.
        """
        with self._database.reading() as connection:
            return tally_rows.read(connection, switch)

    def counts(self, switch: str, rule: str, epoch: int, mode: Mode) -> dict[str, int]:
        """The counts of a rule with one mode, over all its routes.

        Args:
            switch: The switch's name.
            rule: The rule's name.
            epoch: Of the mode.
            mode: The rule's mode.

        Raises:
            StoreError: The database cannot be used.
        """
        with self._database.reading() as connection:
            return tally_rows.counts_of(connection, switch, rule, epoch, mode)

    def baseline(self, switch: str, rule: str) -> dict[str, int]:
        """How the legacy service did while it answered all requests of a rule.

        Args:
            switch: The switch's name.
            rule: The rule's name.

        Returns:
            Counts of the families `served` and `latency`.

        Raises:
            StoreError: The database cannot be used.
        """
        with self._database.reading() as connection:
            return tally_rows.baseline(connection, switch, rule)


def _rule_set(row: Row[Any]) -> RuleSet:
    return RuleSet(row.rule, row.mode, row.percent, row.epoch, row.at, row.who, row.why)


def _revision(connection: Connection) -> int:
    revision: int = connection.execute(select(revisions.c.revision)).scalar_one()
    return revision


def _next_revision(connection: Connection) -> int:
    connection.execute(update(revisions).values(revision=revisions.c.revision + 1))
    return _revision(connection)


def _remember(
    connection: Connection,
    switch: str,
    rule: str,
    sides: tuple[_Setting | None, _Setting | None],
    signed: Mapping[str, Any],
) -> None:
    before_mode, before_percent = sides[0] or (None, None)
    after_mode, after_percent = sides[1] or (None, None)
    connection.execute(
        insert(changes).values(
            switch=switch,
            rule=rule,
            before_mode=before_mode,
            before_percent=before_percent,
            after_mode=after_mode,
            after_percent=after_percent,
            **signed,
        )
    )


def _forget_oldest(connection: Connection, switch: str) -> None:
    of_switch = changes.c.switch == switch
    kept = (
        select(changes.c.id).where(of_switch).order_by(changes.c.id.desc()).limit(CHANGES_KEPT)
    ).subquery()
    oldest = select(func.min(kept.c.id)).scalar_subquery()
    connection.execute(delete(changes).where(of_switch, changes.c.id < oldest))
