"""The shop for programs."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from flask import Blueprint, abort, g, jsonify, request
from flask.typing import ResponseReturnValue

from .. import storage
from .hooks import get_db, signed_in, staff

blueprint = Blueprint("api", __name__, url_prefix="/api")


@blueprint.get("/products")
def products() -> ResponseReturnValue:
    """A page of teas."""
    page = request.args.get("page", 1, type=int)
    found = storage.products(get_db(), request.args.get("q", ""), max(page, 1))
    return jsonify(
        products=[_product(tea) for tea in found], page=page, as_of=datetime.now(UTC).isoformat()
    )


@blueprint.get("/products/<int:product_id>")
def product(product_id: int) -> ResponseReturnValue:
    """One tea."""
    tea = storage.product(get_db(), product_id)
    if tea is None:
        abort(404, "There is no such tea.")
    return jsonify(_product(tea))


@blueprint.put("/products/<int:product_id>/stock")
@staff
def set_stock(product_id: int) -> ResponseReturnValue:
    """Say how much of a tea is left."""
    stock = request.get_json().get("stock")
    if not isinstance(stock, int) or stock < 0:
        abort(422, "stock is a whole number from 0.")
    if storage.product(get_db(), product_id) is None:
        abort(404, "There is no such tea.")
    storage.set_stock(get_db(), product_id, stock)
    return "", 204


@blueprint.get("/me")
@signed_in
def me() -> ResponseReturnValue:
    """Who is signed in."""
    return jsonify(id=g.user["id"], name=g.user["name"], staff=bool(g.user["staff"]))


def _product(tea: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": tea["id"],
        "name": tea["name"],
        "price": Decimal(tea["price"]),
        "stock": tea["stock"],
        "origin": tea["origin"],
        "added": datetime.fromisoformat(tea["added"]),
    }
