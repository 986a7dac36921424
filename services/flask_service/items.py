"""Items as JSON, and as pages for a browser."""

from typing import NoReturn

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from services.catalog import queries, writes
from services.catalog.schemas import ItemIn, ItemOut, ItemPage, Paging
from services.flask_service.answers import (
    as_json,
    body,
    invalid,
    no_content,
    sent_by_form,
    wants_html,
)
from services.flask_service.auth import login_required
from services.flask_service.database import get_session

blueprint = Blueprint("items", __name__, url_prefix="/items")


@blueprint.get("")
def list_items() -> ResponseReturnValue:
    """List a page of items."""
    try:
        paging = Paging.model_validate(request.args.to_dict())
    except ValidationError as error:
        return invalid(error, "query")
    session = get_session()
    items = session.scalars(queries.page_of_items(paging)).all()
    total = session.scalars(queries.count_of_items(paging)).one()
    page = ItemPage.of(items, paging, total)
    if wants_html():
        return render_template("items.html", page=page, paging=paging)
    return as_json(page)


@blueprint.get("/<int:item_id>")
def read_item(item_id: int) -> ResponseReturnValue:
    """Show one item."""
    item = get_session().scalar(queries.item(item_id)) or _not_found()
    if wants_html():
        return render_template("item.html", item=item)
    return as_json(ItemOut.model_validate(item))


@blueprint.get("/new")
@login_required
def new_item() -> str:
    """Show the form that creates an item."""
    return render_template("item_form.html", values={}, faults={})


@blueprint.post("")
@login_required
def create_item() -> ResponseReturnValue:
    """Create an item, from JSON or from the form."""
    data = body()
    try:
        new = ItemIn.model_validate(data)
    except ValidationError as error:
        if sent_by_form() and wants_html():
            faults = {str(fault["loc"][0]): fault["msg"] for fault in error.errors()}
            return render_template("item_form.html", values=data, faults=faults), 422
        return invalid(error, "body")
    item = writes.create_item(get_session(), new)
    location = url_for("items.read_item", item_id=item.id)
    if wants_html():
        return redirect(location, 303)
    return as_json(ItemOut.model_validate(item), 201, {"Location": location})


@blueprint.put("/<int:item_id>")
@login_required
def replace_item(item_id: int) -> ResponseReturnValue:
    """Replace an item."""
    try:
        data = ItemIn.model_validate(body())
    except ValidationError as error:
        return invalid(error, "body")
    item = writes.replace_item(get_session(), item_id, data) or _not_found()
    return as_json(ItemOut.model_validate(item))


@blueprint.delete("/<int:item_id>")
@login_required
def delete_item(item_id: int) -> ResponseReturnValue:
    """Delete an item."""
    if not writes.delete_item(get_session(), item_id):
        _not_found()
    return no_content()


def _not_found() -> NoReturn:
    abort(404, "Item not found")
