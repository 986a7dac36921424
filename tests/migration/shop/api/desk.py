"""For those who work here: new teas with a picture, and all orders as a table."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response, StreamingResponse

from .. import checking, storage
from .forms import TokenForm
from .pages import page, url_for
from .visits import Visit, page_staff, redirect

router = APIRouter(prefix="/desk", default_response_class=Response, include_in_schema=False)

Staff = Annotated[Visit, Depends(page_staff)]


@router.get("/products/new", name="desk.new_product")
def new_product(visit: Staff) -> Response:
    """The form."""
    return page(visit, "product_form.html", values={}, faults={})


@router.post("/products", name="desk.add_product")
def add_product(form: TokenForm, visit: Staff) -> Response:
    """Put a tea on the shelf."""
    values, faults = checking.tea(form.fields)
    picture = form.files["picture"].read() if "picture" in form.files else b""
    if not picture.startswith(b"GIF8"):
        faults["picture"] = "A picture (GIF)."
    if faults:
        return page(visit, "product_form.html", 422, values=form.fields.to_dict(), faults=faults)
    product_id = storage.add_product(visit.db, values, picture)
    visit.flash(f"{values['name']} is on the shelf.")
    return redirect(url_for(visit.request, "catalogue.product", product_id=product_id))


@router.get("/orders.csv", name="desk.export")
def export(visit: Staff) -> Response:
    """Stream all orders."""
    # Read before the stream begins: a slow client is not to keep the database busy.
    orders = storage.orders(visit.db)

    def rows() -> Iterator[str]:
        yield _line(("id", "placed", "total"))
        for order in orders:
            yield _line((order["id"], order["placed"], order["total"]))

    return StreamingResponse(rows(), media_type="text/csv")


def _line(values: tuple[object, ...]) -> str:
    line = StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue()
