"""What happens before and after every view."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from flask import Flask, abort, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from werkzeug.wrappers import Response

from .. import checking, storage

P = ParamSpec("P")


def init_app(app: Flask) -> None:
    """Register them."""
    app.before_request(_find_user)
    app.before_request(_check_token)
    app.after_request(_keep_private)
    app.teardown_appcontext(_close)
    app.context_processor(_for_templates)


def get_db() -> sqlite3.Connection:
    """The request's connection, opened when it is first asked for."""
    if "db" not in g:
        g.db = storage.connect()
    db: sqlite3.Connection = g.db
    return db


def signed_in(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Send who is not signed in to the form; programs get 401."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        if g.user is not None:
            return view(*args, **kwargs)
        if request.blueprint == "api":
            abort(401)
        return redirect(url_for("account.show_login", next=request.path))

    return guarded


def staff(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """For those who work here."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        if not g.user["staff"]:
            abort(403)
        return view(*args, **kwargs)

    return signed_in(guarded)


def _find_user() -> None:
    user_id = session.get("user_id")
    g.user = storage.user(get_db(), user_id) if user_id else None


def _check_token() -> None:
    """Forms that change something for a person bring their token (as Flask-WTF has it)."""
    if request.method != "POST" or request.blueprint in {"api", "basket"}:
        return
    if not secrets.compare_digest(request.form.get("csrf_token", ""), session.get("csrf", "-")):
        abort(400, "The form has expired. Load it again.")


def _keep_private(response: Response) -> Response:
    if g.get("user") is not None:
        response.headers["Cache-Control"] = "no-store"
    return response


def _close(_: BaseException | None) -> None:
    db: sqlite3.Connection | None = g.pop("db", None)
    if db is not None:
        db.close()


def _for_templates() -> dict[str, Any]:
    currency = checking.currency(request.cookies.get("currency"))
    return {
        "user": g.get("user"),
        "basket_count": sum(session.get("basket", {}).values()),
        "money": lambda amount: checking.money(amount, currency),
        "token": _token,
    }


def _token() -> Markup:
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe()
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(session["csrf"])
