"""The shop for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from sqlite3 import Row
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, PlainSerializer
from starlette.exceptions import HTTPException
from starlette.responses import Response
from werkzeug.http import http_date

from .. import checking, storage
from .visits import AVisit, Visit, programs_staff, programs_visitor, user_of

router = APIRouter(prefix="/api")

# Clients have read `Sat, 01 Mar 2025 09:30:00 GMT` for years.
HttpDate = Annotated[datetime, PlainSerializer(http_date)]


class Product(BaseModel):
    """A tea; `price` is text in JSON, as Flask's `jsonify` writes a Decimal."""

    id: int
    name: str
    price: Decimal
    stock: int
    origin: str | None
    added: HttpDate


class Products(BaseModel):
    """A page of teas."""

    products: list[Product]
    page: int
    as_of: str


class Stock(BaseModel):
    """How much of a tea is left."""

    stock: int = Field(strict=True, ge=0)


class Me(BaseModel):
    """Who is signed in."""

    id: int
    name: str
    staff: bool


@router.get("/products")
def products(visit: AVisit, q: str = "", page: str = "1") -> Products:
    """A page of teas."""
    # Not `page: int`: Flask took what is no number for the default, and FastAPI answers 422.
    number = checking.signed(page, 1)
    found = storage.products(visit.db, q, max(number, 1))
    return Products(
        products=[_product(tea) for tea in found],
        page=number,
        as_of=datetime.now(UTC).isoformat(),
    )


@router.get("/products/{product_id:int}")
def product(visit: AVisit, product_id: int) -> Product:
    """One tea."""
    return _product(_found(visit, product_id))


@router.put("/products/{product_id:int}/stock", status_code=204, response_class=Response)
def set_stock(
    visit: Annotated[Visit, Depends(programs_staff)], product_id: int, sent: Stock
) -> Response:
    """Say how much of a tea is left."""
    _found(visit, product_id)
    storage.set_stock(visit.db, product_id, sent.stock)
    return Response(status_code=204)


@router.get("/me")
def me(visit: Annotated[Visit, Depends(programs_visitor)]) -> Me:
    """Who is signed in."""
    user = user_of(visit)
    return Me(id=user["id"], name=user["name"], staff=user["staff"])


def _found(visit: Visit, product_id: int) -> Row:
    tea = storage.product(visit.db, product_id)
    if tea is None:
        raise HTTPException(404, "There is no such tea.")
    return tea


def _product(tea: Row) -> Product:
    return Product.model_validate({key: tea[key] for key in Product.model_fields})
