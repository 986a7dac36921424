"""Signing in and out."""

import re
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import Blueprint, Flask, abort, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from pydantic import ValidationError
from werkzeug.datastructures import WWWAuthenticate

from services.catalog import passwords, queries
from services.catalog.models import User
from services.catalog.schemas import Credentials, UserOut
from services.flask_service.answers import as_json, body, invalid, no_content, wants_html
from services.flask_service.database import get_session

# A path on this host: browsers read `//`, `/\` and `/<tab>/` as the start of another host.
LOCAL_PATH = re.compile(r"/(?![/\\])[^\x00-\x20\\]*")

P = ParamSpec("P")

blueprint = Blueprint("auth", __name__)


def init_app(app: Flask) -> None:
    """Let every template know who is signed in."""
    app.context_processor(lambda: {"current_user": current_user})


def current_user() -> User | None:
    """Who is signed in; asked for once in a request."""
    if "user" not in g:
        user_id = session.get("user_id")
        g.user = get_session().scalar(queries.user(user_id)) if user_id else None
    user: User | None = g.user
    return user


def login_required(
    view: Callable[P, ResponseReturnValue],
) -> Callable[P, ResponseReturnValue]:
    """Refuse a view to who is not signed in; a browser is sent to sign in first."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        if current_user():
            return view(*args, **kwargs)
        if wants_html():
            here = request.script_root + request.full_path.rstrip("?")
            return redirect(url_for("auth.log_in", next=here), 303)
        return _unauthorized("Sign in first")

    return guarded


@blueprint.get("/login")
def show_login() -> str:
    """Show the sign-in form."""
    return render_template("login.html", next=_next())


@blueprint.post("/login")
def log_in() -> ResponseReturnValue:
    """Sign in with a name and a password."""
    data = body()
    try:
        credentials = Credentials.model_validate(data)
    except ValidationError as error:
        if wants_html():
            return _login_again("Enter a name and a password.", 422)
        return invalid(error, "body")
    user = get_session().scalar(queries.user_named(credentials.username))
    matches = passwords.verify(
        user.password_hash if user else None, credentials.password.get_secret_value()
    )
    if user is None or not matches:
        if wants_html():
            return _login_again("Wrong name or password.", 401)
        return _unauthorized("Wrong name or password")
    # What was in the session belonged to somebody else.
    session.clear()
    session["user_id"] = user.id
    if wants_html():
        return redirect(_next(), 303)
    return as_json(UserOut.model_validate(user))


@blueprint.post("/logout")
def log_out() -> ResponseReturnValue:
    """Sign out."""
    session.clear()
    if wants_html():
        return redirect(url_for("pages.index"), 303)
    return no_content()


@blueprint.get("/me")
@login_required
def me() -> ResponseReturnValue:
    """Say who is signed in."""
    return as_json(UserOut.model_validate(current_user()))


def _next() -> str:
    target = request.values.get("next", "")
    return target if LOCAL_PATH.fullmatch(target) else url_for("pages.index")


def _login_again(fault: str, status: int) -> tuple[str, int]:
    username = request.form.get("username", "")
    page = render_template("login.html", next=_next(), username=username, fault=fault)
    return page, status


def _unauthorized(detail: str) -> ResponseReturnValue:
    abort(401, detail, www_authenticate=WWWAuthenticate("session"))
