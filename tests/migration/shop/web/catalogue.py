"""The teas, and what people say of them."""

from __future__ import annotations

import sqlite3
from io import BytesIO
from typing import Any, NoReturn

from flask import (
    Blueprint,
    abort,
    current_app,
    flash,
    g,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from flask.typing import ResponseReturnValue

from .. import checking, storage
from .hooks import get_db, signed_in

blueprint = Blueprint("catalogue", __name__)


@blueprint.get("/")
def home() -> str:
    """Say hello."""
    return render_template("home.html", count=storage.count_products(get_db(), ""))


@blueprint.get("/products")
def products() -> str:
    """A page of teas."""
    words = request.args.get("q", "")
    page = checking.page_number(request.args.get("page"))
    count = storage.count_products(get_db(), words)
    return render_template(
        "products.html",
        products=storage.products(get_db(), words, page),
        words=words,
        page=page,
        more=page * current_app.config["PAGE_SIZE"] < count,
    )


@blueprint.get("/products/<int:product_id>")
def product(product_id: int) -> str:
    """One tea."""
    return _page(_found(product_id), {}, {})


@blueprint.get("/products/<int:product_id>/picture")
def picture(product_id: int) -> ResponseReturnValue:
    """Its picture, to look at or to keep."""
    tea = _found(product_id)
    if tea["picture"] is None:
        abort(404)
    return send_file(
        BytesIO(tea["picture"]),
        mimetype="image/gif",
        as_attachment="download" in request.args,
        download_name=f"tea-{product_id}.gif",
        max_age=3600,
    )


@blueprint.post("/products/<int:product_id>/reviews")
@signed_in
def review(product_id: int) -> ResponseReturnValue:
    """Say something of a tea."""
    tea = _found(product_id)
    values, faults = checking.review(request.form)
    if faults:
        return _page(tea, request.form.to_dict(), faults), 422
    storage.add_review(get_db(), product_id, g.user["id"], values)
    flash("Thank you for your review.")
    return redirect(url_for("catalogue.product", product_id=product_id))


@blueprint.get("/catalogue")
def old_address() -> ResponseReturnValue:
    """Where the teas once were."""
    asked: dict[str, Any] = request.args.to_dict()
    return redirect(url_for("catalogue.products", **asked))


def _page(tea: sqlite3.Row, values: dict[str, str], faults: dict[str, str]) -> str:
    reviews = storage.reviews(get_db(), tea["id"])
    return render_template(
        "product.html", product=tea, reviews=reviews, values=values, faults=faults
    )


def _found(product_id: int) -> sqlite3.Row:
    return storage.product(get_db(), product_id) or _not_found()


def _not_found() -> NoReturn:
    abort(404)
