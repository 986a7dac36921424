"""Pages for people, JSON for programs."""

from __future__ import annotations

from flask import Flask, jsonify, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response


def init_app(app: Flask) -> None:
    """Register the handler; what is not an HTTP error is a 500 here, too."""
    app.register_error_handler(HTTPException, _answer)


def _answer(error: HTTPException) -> Response:
    response = Response.force_type(error.get_response())
    if request.path.startswith("/api/"):
        body = jsonify(error=error.name, message=error.description).get_data()
        response.set_data(body)
        response.content_type = "application/json"
    else:
        page = render_template(
            "error.html", code=error.code, name=error.name, description=error.description
        )
        response.set_data(page)
    return response
