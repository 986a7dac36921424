"""Ordering, and what was ordered."""

from __future__ import annotations

from flask import Blueprint, abort, flash, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from .. import checking, storage
from .hooks import get_db, signed_in

blueprint = Blueprint("orders", __name__)


@blueprint.get("/checkout")
@signed_in
def checkout() -> ResponseReturnValue:
    """Ask where the tea goes."""
    if not session.get("basket"):
        return redirect(url_for("basket.show"))
    return _form({}, {})


@blueprint.post("/checkout")
@signed_in
def place() -> ResponseReturnValue:
    """Order what is in the basket."""
    basket = session.get("basket")
    if not basket:
        return redirect(url_for("basket.show"))
    values, faults = checking.address(request.form)
    if faults:
        return _form(request.form.to_dict(), faults), 422
    address = f"{values['street']}, {values['town']}"
    order_id = storage.place_order(get_db(), g.user["id"], address, basket)
    session.pop("basket")
    flash("Thank you for your order.")
    return redirect(url_for("orders.show", order_id=order_id))


@blueprint.get("/orders")
@signed_in
def history() -> str:
    """All of one's own."""
    return render_template("orders.html", orders=storage.orders(get_db(), g.user["id"]))


@blueprint.get("/orders/<int:order_id>")
@signed_in
def show(order_id: int) -> str:
    """One of one's own."""
    order = storage.order(get_db(), order_id, g.user["id"])
    if order is None:
        abort(404)
    return render_template("order.html", order=order, lines=storage.order_lines(get_db(), order_id))


def _form(values: dict[str, str], faults: dict[str, str]) -> str:
    _, total = storage.priced(get_db(), session["basket"])
    return render_template("checkout.html", total=total, values=values, faults=faults)
