"""JSON for programs, HTML for browsers, by what the request accepts."""

from http import HTTPStatus
from typing import Any

from flask import Flask, after_this_request, current_app, render_template, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from services.catalog.schemas import Detail, Invalid


def init_app(app: Flask) -> None:
    """Answer errors in the shapes of the FastAPI twin, and with pages for a browser."""
    app.register_error_handler(HTTPException, _http_error)


def wants_html() -> bool:
    """Whether the client is a browser: JSON is for all who accept anything."""

    @after_this_request
    def vary(response: Response) -> Response:
        response.vary.add("Accept")
        return response

    offered = ["application/json", "text/html"]
    return request.accept_mimetypes.best_match(offered) == "text/html"


def as_json(model: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with a model."""
    return current_app.response_class(
        model.model_dump_json(by_alias=True), status, headers, mimetype="application/json"
    )


def no_content() -> Response:
    """Answer 204: where there is no content, it has no type either."""
    response = current_app.response_class(status=HTTPStatus.NO_CONTENT)
    response.headers.remove("Content-Type")
    return response


def invalid(error: ValidationError, where: str) -> Response:
    """Answer 422 and say what is wrong in the "body" or the "query"."""
    return as_json(Invalid.of(error.errors(include_input=False), where), 422)


def sent_by_form() -> bool:
    """Whether the body is an HTML form's."""
    return request.mimetype in {"application/x-www-form-urlencoded", "multipart/form-data"}


def body() -> Any:
    """The request's body: a form's fields, or JSON."""
    return request.form.to_dict() if sent_by_form() else request.get_json()


def _http_error(error: HTTPException) -> Response:
    response = Response.force_type(error.get_response())
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        return response
    html = wants_html()
    if html and error.code in {404, 500}:
        response.set_data(render_template(f"{error.code}.html"))
    elif not html:
        custom = error.description != type(error).description
        detail = error.description if custom and error.description else error.name
        response.set_data(Detail(detail=detail).model_dump_json())
        response.mimetype = "application/json"
    return response
