"""For those who work here: new teas with a picture, and all orders as a table."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO

from flask import Blueprint, flash, redirect, render_template, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue

from .. import checking, storage
from .hooks import get_db, staff

blueprint = Blueprint("desk", __name__, url_prefix="/desk")


@blueprint.get("/products/new")
@staff
def new_product() -> str:
    """The form."""
    return render_template("product_form.html", values={}, faults={})


@blueprint.post("/products")
@staff
def add_product() -> ResponseReturnValue:
    """Put a tea on the shelf."""
    values, faults = checking.tea(request.form)
    picture = request.files["picture"].read() if "picture" in request.files else b""
    if not picture.startswith(b"GIF8"):
        faults["picture"] = "A picture (GIF)."
    if faults:
        page = render_template("product_form.html", values=request.form.to_dict(), faults=faults)
        return page, 422
    product_id = storage.add_product(get_db(), values, picture)
    flash(f"{values['name']} is on the shelf.")
    return redirect(url_for("catalogue.product", product_id=product_id))


@blueprint.get("/orders.csv")
@staff
def export() -> ResponseReturnValue:
    """Stream all orders."""

    def rows() -> Iterator[str]:
        yield _line(("id", "placed", "total"))
        for order in storage.orders(get_db()):
            yield _line((order["id"], order["placed"], order["total"]))

    return stream_with_context(rows()), {"Content-Type": "text/csv; charset=utf-8"}


def _line(values: tuple[object, ...]) -> str:
    line = StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue()
