"""What goes over the wire: one set of Pydantic models, so that both stacks answer alike."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from services.catalog.models import CENT, MAX_ID, ChangeKind, Item

Sort = Literal[
    "id", "-id", "name", "-name", "price", "-price",
    "stock", "-stock", "created_at", "-created_at",
]  # fmt: skip


def _without_nul(text: str) -> str:
    # PostgreSQL stores any text but this one character, and would answer with an error of its own.
    if "\x00" in text:
        raise ValueError("must not contain the null character")
    return text


def _in_cents(amount: Decimal) -> Decimal:
    # 1.1 and 1.10 are one price and look alike; and -0 is 0.
    return abs(amount).quantize(CENT)


WithoutNul = AfterValidator(_without_nul)
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120), WithoutNul
]
Price = Annotated[Decimal, Field(ge=0, max_digits=10, decimal_places=2), AfterValidator(_in_cents)]


class ItemIn(BaseModel):
    """An item as a client sends it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Enamel mug",
                    "description": "Holds 350 ml and survives a campfire.",
                    "price": "9.50",
                    "stock": 120,
                }
            ]
        }
    )

    name: Name
    description: Annotated[str, Field(max_length=2000), WithoutNul] = ""
    price: Price
    stock: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


class ItemOut(BaseModel):
    """An item as the service answers it."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": 1,
                    "name": "Enamel mug",
                    "description": "Holds 350 ml and survives a campfire.",
                    "price": "9.50",
                    "stock": 120,
                    "created_at": "2026-01-05T08:00:00Z",
                    "updated_at": "2026-01-05T08:00:00Z",
                }
            ]
        },
    )

    id: int
    name: str
    description: str
    price: Decimal
    stock: int
    created_at: datetime
    updated_at: datetime


class Paging(BaseModel):
    """Which part of the list, in which order."""

    page: Annotated[int, Field(ge=1, le=1_000_000, description="Counts from 1.")] = 1
    size: Annotated[int, Field(ge=1, le=100, description="Items on a page.")] = 20
    q: Annotated[
        str, Field(max_length=100, description="Text in the name or description."), WithoutNul
    ] = ""
    sort: Annotated[Sort, Field(description="`-` means descending.")] = "id"


class ItemPage(BaseModel):
    """One page of the list."""

    items: list[ItemOut]
    page: int
    size: int
    total: Annotated[int, Field(description="Items on all pages.")]
    pages: int

    @classmethod
    def of(cls, items: Sequence[Item], paging: Paging, total: int) -> Self:
        """Build the page.

        Args:
            items: The items on this page.
            paging: What the client asked for.
            total: How many items all pages have together.

        Returns:
            The page.
        """
        return cls(
            items=[ItemOut.model_validate(item) for item in items],
            page=paging.page,
            size=paging.size,
            total=total,
            pages=-(-total // paging.size),
        )


class Credentials(BaseModel):
    """What somebody signs in with."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"username": "demo", "password": "demo-password"}]}
    )

    username: Name
    # Bounded, because a hash's work grows with what it hashes.
    password: Annotated[SecretStr, Field(min_length=1, max_length=1024)]


class UserOut(BaseModel):
    """A user as the service answers it."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [{"id": 1, "username": "demo"}]}
    )

    id: int
    username: str


class ChangeOut(BaseModel):
    """One change, as it is announced.

    A `reset` means that changes were missed and the list should be read again.
    """

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [{"id": 7, "kind": "created", "item_id": 31, "at": "2026-01-05T08:00:00Z"}]
        },
    )

    id: int
    kind: ChangeKind | Literal["reset"]
    item_id: Annotated[int | None, Field(le=MAX_ID)]
    at: datetime


class PriceBand(BaseModel):
    """How many items cost at least `from` and less than `below`."""

    from_: Annotated[Decimal, Field(alias="from")]
    below: Decimal | None
    count: int

    model_config = ConfigDict(populate_by_name=True)


class Likeness(BaseModel):
    """Two items whose names look alike."""

    items: tuple[int, int]
    names: tuple[str, str]
    likeness: float


class Report(BaseModel):
    """The catalogue in figures."""

    count: int
    total_stock: int
    inventory_value: Decimal
    min_price: Decimal | None
    median_price: Decimal | None
    max_price: Decimal | None
    price_bands: list[PriceBand]
    possible_duplicates: list[Likeness]


class Detail(BaseModel):
    """Why a request was refused."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"detail": "Item not found"}]})

    detail: str


class Fault(BaseModel):
    """One fault in what a client sent."""

    type: str
    loc: list[str | int]
    msg: str


class Invalid(BaseModel):
    """What a client sent is not valid, and where.

    Pydantic's own error also repeats the input, which may be a password.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"detail": [{"type": "missing", "loc": ["body", "price"], "msg": "Field required"}]}
            ]
        }
    )

    detail: list[Fault]

    @classmethod
    def of(cls, errors: Iterable[Mapping[str, Any]], *where: str) -> Self:
        """Build the answer from Pydantic's errors.

        Args:
            errors: What a validation error's `errors()` gives.
            where: What to put before each location: "body" or "query".

        Returns:
            The answer's model.
        """
        return cls(
            detail=[
                Fault(type=error["type"], loc=[*where, *error["loc"]], msg=error["msg"])
                for error in errors
            ]
        )
