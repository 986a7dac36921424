"""Signing in, out and up."""

from __future__ import annotations

import secrets
import sqlite3
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.security import check_password_hash

from .. import checking, storage
from .hooks import get_db

blueprint = Blueprint("account", __name__)


@blueprint.get("/login")
def show_login() -> str:
    """The form."""
    return _form("Sign in", request.args.get("next"))


@blueprint.post("/login")
def log_in() -> ResponseReturnValue:
    """Sign in."""
    user = storage.user_named(get_db(), request.form.get("name", ""))
    if user is None or not check_password_hash(user["password"], request.form.get("password", "")):
        faults = {"name": "Wrong name or password."}
        return _form("Sign in", request.form.get("next"), request.form.to_dict(), faults), 401
    _begin(user["id"])
    flash(f"Hello, {user['name']}.")
    return redirect(checking.local_path(request.form.get("next"), url_for("catalogue.home")))


@blueprint.post("/logout")
def log_out() -> ResponseReturnValue:
    """Sign out."""
    session.clear()
    return redirect(url_for("catalogue.home"))


@blueprint.get("/register")
def show_register() -> str:
    """The form."""
    return _form("Register", request.args.get("next"))


@blueprint.post("/register")
def register() -> ResponseReturnValue:
    """Become a customer."""
    values, faults = checking.registration(request.form)
    if not faults:
        try:
            user_id = storage.add_user(get_db(), values["name"], values["password"])
        except sqlite3.IntegrityError:
            faults = {"name": "This name is taken."}
    if faults:
        return _form("Register", request.form.get("next"), request.form.to_dict(), faults), 422
    _begin(user_id)
    flash(f"Welcome, {values['name']}.")
    return redirect(checking.local_path(request.form.get("next"), url_for("catalogue.home")))


def _begin(user_id: int) -> None:
    # The basket is taken along; the rest of the session was somebody else's.
    basket = session.get("basket")
    session.clear()
    session["user_id"] = user_id
    session["csrf"] = secrets.token_urlsafe()
    session.permanent = True
    if basket:
        session["basket"] = basket


def _form(heading: str, next: str | None, values: Any = None, faults: Any = None) -> str:  # noqa: A002
    return render_template(
        "account.html", heading=heading, next=next or "", values=values or {}, faults=faults or {}
    )
