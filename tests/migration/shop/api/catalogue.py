"""The teas, and what people say of them."""

from __future__ import annotations

from sqlite3 import Row
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from .. import checking, storage
from .forms import TokenForm
from .pages import page as render
from .pages import url_for
from .visits import AVisit, Visit, page_visitor, redirect, user_of

router = APIRouter(default_response_class=Response, include_in_schema=False)


@router.get("/", name="catalogue.home")
def home(visit: AVisit) -> Response:
    """Say hello."""
    return render(visit, "home.html", count=storage.count_products(visit.db, ""))


@router.get("/products", name="catalogue.products")
def products(visit: AVisit, q: str = "", page: str = "") -> Response:
    """A page of teas."""
    number = checking.page_number(page)
    return render(
        visit,
        "products.html",
        products=storage.products(visit.db, q, number),
        words=q,
        page=number,
        more=number * storage.PAGE_SIZE < storage.count_products(visit.db, q),
    )


@router.get("/products/{product_id:int}", name="catalogue.product")
def product(visit: AVisit, product_id: int) -> Response:
    """One tea."""
    return _page(visit, _found(visit, product_id), {}, {})


@router.get("/products/{product_id:int}/picture", name="catalogue.picture")
def picture(visit: AVisit, product_id: int, download: str | None = None) -> Response:
    """Its picture, to look at or to keep."""
    tea = _found(visit, product_id)
    if tea["picture"] is None:
        raise HTTPException(404)
    how = "inline" if download is None else "attachment"
    headers = {
        "Cache-Control": "public, max-age=3600",
        "Content-Disposition": f"{how}; filename=tea-{product_id}.gif",
    }
    return Response(tea["picture"], headers=headers, media_type="image/gif")


@router.post("/products/{product_id:int}/reviews", name="catalogue.review")
def review(
    form: TokenForm,
    visit: Annotated[Visit, Depends(page_visitor)],
    product_id: int,
) -> Response:
    """Say something of a tea."""
    tea = _found(visit, product_id)
    values, faults = checking.review(form.fields)
    if faults:
        return _page(visit, tea, form.fields.to_dict(), faults, 422)
    storage.add_review(visit.db, product_id, user_of(visit)["id"], values)
    visit.flash("Thank you for your review.")
    return redirect(url_for(visit.request, "catalogue.product", product_id=product_id))


@router.get("/catalogue", name="catalogue.old_address")
def old_address(request: Request, _: AVisit) -> Response:
    """Where the teas once were."""
    return redirect(url_for(request, "catalogue.products", **dict(request.query_params)))


def _page(
    visit: Visit, tea: Row, values: dict[str, str], faults: dict[str, str], status: int = 200
) -> Response:
    reviews = storage.reviews(visit.db, tea["id"])
    return render(
        visit, "product.html", status, product=tea, reviews=reviews, values=values, faults=faults
    )


def _found(visit: Visit, product_id: int) -> Row:
    tea = storage.product(visit.db, product_id)
    if tea is None:
        raise HTTPException(404)
    return tea
