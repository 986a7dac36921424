"""Signing in, out and up."""

from __future__ import annotations

import secrets
import sqlite3
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response
from werkzeug.security import check_password_hash

from .. import checking, storage
from .forms import TokenForm
from .pages import page, url_for
from .visits import AVisit, Visit, redirect

router = APIRouter(default_response_class=Response, include_in_schema=False)


@router.get("/login", name="account.show_login")
def show_login(visit: AVisit, next: str | None = None) -> Response:  # noqa: A002
    """The form."""
    return _form(visit, "Sign in", next)


@router.post("/login", name="account.log_in")
def log_in(form: TokenForm, visit: AVisit) -> Response:
    """Sign in."""
    fields = form.fields
    user = storage.user_named(visit.db, fields.get("name", ""))
    if user is None or not check_password_hash(user["password"], fields.get("password", "")):
        faults = {"name": "Wrong name or password."}
        return _form(visit, "Sign in", fields.get("next"), fields.to_dict(), faults)
    _begin(visit, user["id"])
    visit.flash(f"Hello, {user['name']}.")
    home = url_for(visit.request, "catalogue.home")
    return redirect(checking.local_path(fields.get("next"), home))


@router.post("/logout", name="account.log_out")
def log_out(_: TokenForm, visit: AVisit) -> Response:
    """Sign out."""
    visit.session.clear()
    return redirect(url_for(visit.request, "catalogue.home"))


@router.get("/register", name="account.show_register")
def show_register(visit: AVisit, next: str | None = None) -> Response:  # noqa: A002
    """The form."""
    return _form(visit, "Register", next)


@router.post("/register", name="account.register")
def register(form: TokenForm, visit: AVisit) -> Response:
    """Become a customer."""
    fields = form.fields
    values, faults = checking.registration(fields)
    user_id = 0
    if not faults:
        try:
            user_id = storage.add_user(visit.db, values["name"], values["password"])
        except sqlite3.IntegrityError:
            faults = {"name": "This name is taken."}
    if faults:
        return _form(visit, "Register", fields.get("next"), fields.to_dict(), faults)
    _begin(visit, user_id)
    visit.flash(f"Welcome, {values['name']}.")
    home = url_for(visit.request, "catalogue.home")
    return redirect(checking.local_path(fields.get("next"), home))


def _begin(visit: Visit, user_id: int) -> None:
    # The basket is taken along; the rest of the session was somebody else's.
    basket = visit.session.get("basket")
    visit.session.clear()
    # `_permanent` is Flask's `session.permanent`.
    visit.session.update(user_id=user_id, csrf=secrets.token_urlsafe(), _permanent=True)
    if basket:
        visit.session["basket"] = basket


def _form(
    visit: Visit, heading: str, following: str | None, values: Any = None, faults: Any = None
) -> Response:
    status = 200 if not faults else {"Sign in": 401, "Register": 422}[heading]
    return page(
        visit,
        "account.html",
        status,
        heading=heading,
        next=following or "",
        values=values or {},
        faults=faults or {},
    )
