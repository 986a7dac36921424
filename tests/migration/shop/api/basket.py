"""The basket, which is in the session, and the currency, which is in a cookie."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from .. import checking, storage
from .forms import AnyForm
from .pages import page, url_for
from .visits import AVisit, redirect

router = APIRouter(default_response_class=Response, include_in_schema=False)


@router.get("/basket", name="basket.show")
def show(visit: AVisit) -> Response:
    """What is in it."""
    lines, total = storage.priced(visit.db, visit.session.get("basket", {}))
    return page(visit, "basket.html", lines=lines, total=total)


@router.post("/basket", name="basket.add")
def add(form: AnyForm, visit: AVisit) -> Response:
    """Put a tea into it."""
    number = checking.signed(form.fields.get("product_id", ""), 0)
    quantity = checking.whole(form.fields.get("quantity", ""))
    tea = storage.product(visit.db, number)
    if tea is None or not quantity:
        raise HTTPException(400, "Which tea, and how much of it?")
    key = str(tea["id"])
    basket = dict(visit.session.get("basket", {}))
    # A new value: a change inside the old one is not noticed.
    visit.session["basket"] = {**basket, key: basket.get(key, 0) + quantity}
    visit.flash(f"{tea['name']} is in your basket.")
    return redirect(url_for(visit.request, "basket.show"))


@router.post("/basket/empty", name="basket.empty")
def empty(visit: AVisit) -> Response:
    """Take everything out."""
    visit.session.pop("basket", None)
    return redirect(url_for(visit.request, "basket.show"))


@router.post("/currency", name="basket.choose_currency")
def choose_currency(form: AnyForm, visit: AVisit, next: str | None = None) -> Response:  # noqa: A002
    """Show prices in another currency from now on."""
    shown = url_for(visit.request, "basket.show")
    response = redirect(checking.local_path(next, shown))
    currency = checking.currency(form.fields.get("currency"))
    response.set_cookie("currency", currency, max_age=30 * 24 * 3600, samesite="lax")
    return response
