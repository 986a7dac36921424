"""The answers to what is refused, in words and in the schema."""

from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from services.catalog.schemas import Detail, Invalid

INVALID: dict[int | str, dict[str, Any]] = {422: {"model": Invalid}}
UNAUTHORIZED: dict[int | str, dict[str, Any]] = {401: {"model": Detail}}
# Before a route is asked: a body that is no text; one above `max_body_size`, which FastAPI refuses
# while it is read, and Starlette in plain text as soon as it is announced.
UNREADABLE: dict[int | str, dict[str, Any]] = {
    400: {"model": Detail},
    413: {"model": Detail, "content": {"text/plain": {"schema": {"type": "string"}}}},
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Detail}}


async def invalid(_: Request, error: Exception) -> JSONResponse:
    """Answer 422; unlike FastAPI's own answer it does not repeat the input, passwords included."""
    if not isinstance(error, RequestValidationError):
        raise error
    return JSONResponse(Invalid.of(error.errors()).model_dump(), 422)
