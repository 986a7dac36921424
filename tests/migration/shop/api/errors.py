"""Pages for people, JSON for programs: the Flask application's own shapes."""

from __future__ import annotations

from contextlib import closing
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from werkzeug.exceptions import default_exceptions

from .. import storage
from .pages import page, url_for
from .visits import SignInFirst, begin, redirect


def init_app(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(SignInFirst, _sign_in)
    app.add_exception_handler(Exception, _crash)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    usual = default_exceptions[error.status_code]
    own = error.detail != HTTPStatus(error.status_code).phrase
    text = error.detail if own else str(usual.description)
    response = _answer(request, error.status_code, text)
    response.headers.update(error.headers or {})
    return response


def _invalid(request: Request, _: Exception) -> Response:
    # What was sent is not repeated: it may be a password.
    return _answer(request, 422, "The request is not as it should be.")


def _sign_in(request: Request, _: Exception) -> Response:
    return redirect(url_for(request, "account.show_login", next=request.url.path))


def _crash(request: Request, _: Exception) -> Response:
    return _answer(request, 500, str(default_exceptions[500].description))


def _answer(request: Request, status: int, text: str) -> Response:
    name = default_exceptions[status]().name
    # Where no route was found nothing has looked for the user yet.
    with closing(storage.connect()) as db:
        visit = getattr(request.state, "visit", None) or begin(request, db)
        if request.url.path.startswith("/api/"):
            return JSONResponse({"error": name, "message": text}, status)
        return page(visit, "error.html", status, code=status, name=name, description=text)
