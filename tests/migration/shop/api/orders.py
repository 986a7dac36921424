"""Ordering, and what was ordered."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.responses import Response

from .. import checking, storage
from .forms import TokenForm
from .pages import page, url_for
from .visits import Visit, page_visitor, redirect, user_of

router = APIRouter(default_response_class=Response, include_in_schema=False)

SignedIn = Annotated[Visit, Depends(page_visitor)]


@router.get("/checkout", name="orders.checkout")
def checkout(visit: SignedIn) -> Response:
    """Ask where the tea goes."""
    if not visit.session.get("basket"):
        return redirect(url_for(visit.request, "basket.show"))
    return _form(visit, {}, {})


@router.post("/checkout", name="orders.place")
def place(form: TokenForm, visit: SignedIn) -> Response:
    """Order what is in the basket."""
    basket = visit.session.get("basket")
    if not basket:
        return redirect(url_for(visit.request, "basket.show"))
    values, faults = checking.address(form.fields)
    if faults:
        return _form(visit, form.fields.to_dict(), faults, 422)
    address = f"{values['street']}, {values['town']}"
    order_id = storage.place_order(visit.db, user_of(visit)["id"], address, basket)
    del visit.session["basket"]
    visit.flash("Thank you for your order.")
    return redirect(url_for(visit.request, "orders.show", order_id=order_id))


@router.get("/orders", name="orders.history")
def history(visit: SignedIn) -> Response:
    """All of one's own."""
    return page(visit, "orders.html", orders=storage.orders(visit.db, user_of(visit)["id"]))


@router.get("/orders/{order_id:int}", name="orders.show")
def show(visit: SignedIn, order_id: int) -> Response:
    """One of one's own."""
    order = storage.order(visit.db, order_id, user_of(visit)["id"])
    if order is None:
        raise HTTPException(404)
    lines = storage.order_lines(visit.db, order_id)
    return page(visit, "order.html", order=order, lines=lines)


def _form(
    visit: Visit, values: dict[str, str], faults: dict[str, str], status: int = 200
) -> Response:
    _, total = storage.priced(visit.db, visit.session["basket"])
    return page(visit, "checkout.html", status, total=total, values=values, faults=faults)
