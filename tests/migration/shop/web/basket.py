"""The basket, which is in the session, and the currency, which is in a cookie."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from .. import checking, storage
from .hooks import get_db

blueprint = Blueprint("basket", __name__)


@blueprint.get("/basket")
def show() -> str:
    """What is in it."""
    lines, total = storage.priced(get_db(), session.get("basket", {}))
    return render_template("basket.html", lines=lines, total=total)


@blueprint.post("/basket")
def add() -> ResponseReturnValue:
    """Put a tea into it."""
    product_id = request.form.get("product_id", type=int)
    quantity = checking.whole(request.form.get("quantity", ""))
    tea = storage.product(get_db(), product_id) if product_id is not None else None
    if tea is None or not quantity:
        abort(400, "Which tea, and how much of it?")
    basket = session.setdefault("basket", {})
    basket[str(tea["id"])] = basket.get(str(tea["id"]), 0) + quantity
    session.modified = True
    flash(f"{tea['name']} is in your basket.")
    return redirect(url_for("basket.show"))


@blueprint.post("/basket/empty")
def empty() -> ResponseReturnValue:
    """Take everything out."""
    session.pop("basket", None)
    return redirect(url_for("basket.show"))


@blueprint.post("/currency")
def choose_currency() -> ResponseReturnValue:
    """Show prices in another currency from now on."""
    response = redirect(checking.local_path(request.args.get("next"), url_for("basket.show")))
    currency = checking.currency(request.form.get("currency"))
    response.set_cookie("currency", currency, max_age=30 * 24 * 3600, samesite="Lax")
    return response
