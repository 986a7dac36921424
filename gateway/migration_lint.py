"""Flask's routes and FastAPI's, looked into for `gateway switch lint` (pure)."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields as fields_of
from dataclasses import is_dataclass
from typing import Any, get_args, get_origin

from fastapi import FastAPI
from fastapi.datastructures import DefaultPlaceholder
from fastapi.exception_handlers import (
    http_exception_handler,
    request_validation_exception_handler,
)
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute, iter_route_contexts
from flask import Flask
from pydantic import BaseModel
from starlette.convertors import (
    Convertor,
    FloatConvertor,
    IntegerConvertor,
    PathConvertor,
    UUIDConvertor,
)
from starlette.exceptions import HTTPException
from werkzeug.routing import Rule

from gateway.migration import Migration
from gateway.switch.report.inventory import Joined
from gateway.switch.report.lint import CandidateRoute, Caution, LegacyRoute, Query, cautions_of

_MANY = (list, set, frozenset, tuple, Sequence)
_CONVERTORS: dict[type[Convertor[Any]], str] = {
    IntegerConvertor: "int",
    FloatConvertor: "float",
    PathConvertor: "path",
    UUIDConvertor: "uuid",
}
# The narrower first: a datetime is a date.
_DATES = (dt.datetime, dt.date, dt.time, dt.timedelta)
# Models may hold themselves.
_DEEPEST = 8


def lint(migration: Migration) -> list[Caution]:
    """What the routes of a switch that both services have may meet.

    Empty where the two are not a Flask service and a FastAPI one.
    """
    web = migration.legacy.app
    api = migration.candidate.app if migration.candidate else None
    if not isinstance(web, Flask) or not isinstance(api, FastAPI):
        return []
    candidates = _candidates(api)
    found: list[Caution] = []
    for route in migration.routes():
        legacy = _legacy(web, route)
        candidate = candidates.get(
            (route.method, route.candidate.template if route.candidate else "")
        )
        if legacy is not None and candidate is not None:
            found += cautions_of(route.key, legacy, candidate)
    return found


def _legacy(app: Flask, route: Joined) -> LegacyRoute | None:
    for rule in app.url_map.iter_rules():
        if route.legacy and rule.rule == route.legacy.template:
            methods = frozenset(rule.methods or ())
            if route.method in methods:
                return _legacy_route(app, rule, route.method)
    return None


def _legacy_route(app: Flask, rule: Rule, method: str) -> LegacyRoute:
    converters = {
        name: _name_of_converter(app, converter)
        for name, converter in rule._converters.items()  # noqa: SLF001
    }
    strict = rule.strict_slashes
    if strict is None:
        strict = app.url_map.strict_slashes
    return LegacyRoute(
        rule.rule,
        frozenset(rule.methods or ()),
        converters,
        bool(strict),
        _calls(app.view_functions.get(str(rule.endpoint)), method, "redirect"),
        bool(getattr(app.json, "sort_keys", False)),
        bool(getattr(app.json, "ensure_ascii", False)),
    )


def _name_of_converter(app: Flask, converter: object) -> str:
    signed = getattr(converter, "signed", False)
    names = (name for name, kind in app.url_map.converters.items() if type(converter) is kind)
    return "signed" if signed else next(names, "default")


def _calls(view: Any, method: str, name: str) -> bool:
    """Whether a view's own code has a call of this name in it."""
    kind = getattr(view, "view_class", None)
    function = inspect.unwrap(getattr(kind, method.lower(), None) or view) if view else None
    code = getattr(function, "__code__", None)
    return code is not None and name in code.co_names


def _candidates(app: FastAPI) -> Mapping[tuple[str, str], CandidateRoute]:
    handles = frozenset(_handled(app))
    found: dict[tuple[str, str], CandidateRoute] = {}
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute):
            route = _candidate_route(context, app, handles)
            for method in context.methods or ():
                found.setdefault((method, context.path or ""), route)
    return found


def _handled(app: FastAPI) -> Iterator[str]:
    """For what the app has handlers of its own."""
    handlers: Mapping[Any, Any] = app.exception_handlers
    if handlers.get(HTTPException) is not http_exception_handler:
        yield "http"
    if handlers.get(RequestValidationError) is not request_validation_exception_handler:
        yield "validation"
    if Exception in handlers or 500 in handlers:  # noqa: PLR2004
        yield "any"


def _candidate_route(context: Any, app: FastAPI, handles: frozenset[str]) -> CandidateRoute:
    dependants = list(_dependants(context.dependant))
    kinds = {
        field.name: _names(field.field_info.annotation)
        for dependant in dependants
        for field in dependant.path_params
    }
    convertors: Mapping[str, Convertor[Any]] = context.param_convertors
    response = context.response_class
    if isinstance(response, DefaultPlaceholder):
        response = response.value
    model = context.response_model
    return CandidateRoute(
        frozenset(context.methods or ()),
        tuple(_CONVERTORS.get(type(one), "str") for one in convertors.values()),
        tuple(next(iter(sorted(kinds.get(name, {"str"}))), "str") for name in convertors),
        tuple(_query(field) for one in dependants for field in one.query_params),
        any(dependant.body_params for dependant in dependants),
        model is not None,
        _names(model) if model is not None else frozenset(),
        inspect.isclass(response) and issubclass(response, JSONResponse),
        app.router.redirect_slashes,
        handles,
    )


def _dependants(dependant: Any) -> Iterator[Any]:
    """A view's needs, and those of its dependencies."""
    if dependant is not None:
        yield dependant
        for one in dependant.dependencies:
            yield from _dependants(one)


def _query(field: Any) -> Query:
    annotation = field.field_info.annotation
    alias = field.field_info.alias or field.name
    return Query(str(alias), _names(annotation), _is_many(annotation))


def _is_many(annotation: Any) -> bool:
    origin = get_origin(annotation) or annotation
    if inspect.isclass(origin) and issubclass(origin, (*_MANY, BaseModel)) and origin is not str:
        return True
    return any(_is_many(one) for one in get_args(annotation))


def _names(annotation: Any, depth: int = 0) -> frozenset[str]:
    """The names of the types in an annotation, at any depth; of models those of their fields."""
    if depth > _DEEPEST or annotation is type(None):
        return frozenset()
    if inner := tuple(_inside(annotation)):
        return frozenset(name for one in inner for name in _names(one, depth + 1))
    if not inspect.isclass(annotation):
        return frozenset()
    return frozenset(
        {next((k.__name__ for k in _DATES if issubclass(annotation, k)), annotation.__name__)}
    )


def _inside(annotation: Any) -> Iterable[Any]:
    if arguments := get_args(annotation):
        return arguments
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return [field.annotation for field in annotation.model_fields.values()]
    return [field.type for field in fields_of(annotation)] if is_dataclass(annotation) else ()
