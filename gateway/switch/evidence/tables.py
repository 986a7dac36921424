"""The tables that a switch's memory is kept in."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

from gateway.switch.records import Period


class Instant(TypeDecorator[datetime]):
    """A moment in UTC, also where the database knows no zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store it in UTC."""
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Read what was stored in UTC."""
        if value is None or value.tzinfo:
            return value and value.astimezone(UTC)
        return value.replace(tzinfo=UTC)


# SQLite counts rows of this type alone by itself.
_ROW = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData()

# One row: it grows with every change of any switch.
revisions = Table(
    "switch_revision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
)

settings = Table(
    "switch_settings",
    metadata,
    Column("switch", Text, primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("mode", String(32), nullable=False),
    Column("percent", Float, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
)

kills = Table(
    "switch_kills",
    metadata,
    Column("switch", Text, primary_key=True),
    Column("killed", Boolean, nullable=False),
)

changes = Table(
    "switch_changes",
    metadata,
    Column("id", _ROW, primary_key=True),
    Column("switch", Text, nullable=False, index=True),
    Column("rule", Text, nullable=False),
    Column("before_mode", String(32)),
    Column("before_percent", Float),
    Column("after_mode", String(32)),
    Column("after_percent", Float),
    Column("epoch", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
)

periods = Table(
    "switch_periods",
    metadata,
    Column("id", _ROW, primary_key=True),
    # In place of all that makes a period: an index has bounds that templates need not keep.
    Column("key", String(64), nullable=False, unique=True),
    Column("switch", Text, nullable=False, index=True),
    Column("rule", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("mode", String(32), nullable=False),
)

counts = Table(
    "switch_counts",
    metadata,
    Column("period", _ROW, ForeignKey(periods.c.id), primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
)

findings = Table(
    "switch_findings",
    metadata,
    Column("period", _ROW, ForeignKey(periods.c.id), primary_key=True, autoincrement=False),
    Column("kind", String(32), primary_key=True),
    Column("signature", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("first", Instant, nullable=False),
    Column("last", Instant, nullable=False),
    # JSON in ASCII: PostgreSQL's own type refuses what JSON may hold, such as \u0000.
    Column("sample", Text, nullable=False),
)


def key_of(period: Period) -> str:
    """What a period's row is found by."""
    return hashlib.sha256(json.dumps(period).encode()).hexdigest()
