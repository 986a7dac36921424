"""The tables, as SQLAlchemy's typed declarative models."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal
from uuid import uuid4

from sqlalchemy import BigInteger, DateTime, Dialect, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

CENT = Decimal("0.01")
MAX_ID = 2**31 - 1

ChangeKind = Literal["created", "replaced", "deleted"]


class Money(TypeDecorator[Decimal]):
    """An exact decimal with two places.

    SQLite has no decimal type and would go through a float, so whole cents are stored there.
    """

    impl = Numeric(12, 2)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Decimal] | TypeEngine[int]:
        """Choose the column's type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(Numeric(12, 2))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | int | None:
        """Convert an amount for the database."""
        if value is None or dialect.name != "sqlite":
            return value
        return int(value / CENT)

    def process_result_value(self, value: Decimal | int | None, _: Dialect) -> Decimal | None:
        """Convert what the database holds."""
        return value * CENT if isinstance(value, int) else value


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, always aware and in UTC, also where the database stores no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _: Dialect) -> datetime | None:
        """Convert a moment for the database."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _: Dialect) -> datetime | None:
        """Convert what the database holds."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """What the tables share."""

    type_annotation_map = {Decimal: Money, datetime: UtcDateTime}  # noqa: RUF012 - SQLAlchemy's way


class Item(Base):
    """Something that the shop sells."""

    __tablename__ = "items"
    # SQLite would give a deleted item's id to the next one, and old links would lie.
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    description: Mapped[str] = mapped_column(String(2000))
    price: Mapped[Decimal]
    stock: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class User(Base):
    """Somebody who may sign in."""

    __tablename__ = "users"
    # Nor may anybody inherit the sessions of a user who is gone.
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(120), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    is_demo: Mapped[bool] = mapped_column(default=False)


class Revision(Base):
    """The one row that every write updates first.

    Its lock serialises the writes, so that changes become visible in the order of their ids; its
    value is the newest change's id. The epoch tells this catalogue from any other one that shares
    the report cache, an earlier one in the same place included.
    """

    __tablename__ = "revision"

    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    value: Mapped[int] = mapped_column(BigInteger, default=0)
    epoch: Mapped[str] = mapped_column(String(32), default=lambda: uuid4().hex)


class Change(Base):
    """One write to an item, kept in the transaction that made it, for those who listen."""

    __tablename__ = "changes"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[ChangeKind] = mapped_column(String(8))
    item_id: Mapped[int]
    at: Mapped[datetime] = mapped_column(default=now)
