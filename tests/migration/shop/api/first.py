"""The first routes of the successor, as they are written on the first day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from sqlite3 import Connection, Row
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel

from .. import storage

app = FastAPI(title="Tea", docs_url=None, redoc_url=None)


class Product(BaseModel):
    """A tea."""

    id: int
    name: str
    price: float
    stock: int
    origin: str | None
    added: datetime


class Products(BaseModel):
    """A page of teas."""

    products: list[Product]
    page: int
    as_of: datetime


def connection() -> Iterator[Connection]:
    """A connection for one request."""
    opened = storage.connect()
    yield opened
    opened.close()


@app.get("/api/products")
def products(
    db: Annotated[Connection, Depends(connection)], q: str = "", page: int = 1
) -> Products:
    """A page of teas."""
    found = storage.products(db, q, page)
    return Products(products=[_product(tea) for tea in found], page=page, as_of=datetime.now(UTC))


@app.get("/api/products/{product_id}")
def product(db: Annotated[Connection, Depends(connection)], product_id: int) -> Product:
    """One tea."""
    tea = storage.product(db, product_id)
    if tea is None:
        raise HTTPException(404, "There is no such tea.")
    return _product(tea)


def _product(tea: Row) -> Product:
    return Product.model_validate({key: tea[key] for key in Product.model_fields})
