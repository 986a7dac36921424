"""What a Flask view says of itself: its docstring and its type hints (pure)."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, get_args, get_origin

import typing_extensions
from pydantic import BaseModel, TypeAdapter
from pydantic.errors import (
    PydanticSchemaGenerationError,
    PydanticUserError,
)

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
# Where a docstring ends for a reader: flasgger's YAML, and FastAPI's form feed.
_END = re.compile(r"\f|^ *---+ *$", re.MULTILINE)
_UNTYPED = (NameError, TypeError, AttributeError, SyntaxError)
_NO_SCHEMA = (
    PydanticSchemaGenerationError,
    PydanticUserError,
    *_UNTYPED,
)


@dataclass(frozen=True)
class ViewTypes:
    """What the type hints of a view say goes in and out.

    Attributes:
        bodies: By media type.
        query: A model of the query string; None where there is none.
        answers: By status: the media type, and the type of what it carries.
    """

    bodies: dict[str, TypeAdapter[Any]] = field(default_factory=dict)
    query: TypeAdapter[Any] | None = None
    answers: dict[int, tuple[str, TypeAdapter[Any]]] = field(default_factory=dict)


def handler(view: Callable[..., Any], method: str) -> Callable[..., Any]:
    """The function that answers a method: of a `MethodView` it is one of the class's own."""
    view_class = getattr(view, "view_class", None)
    found = getattr(view_class, method.lower(), None)
    if found is None and method == "HEAD":
        found = getattr(view_class, "get", None)
    if found is None and view_class is not None:
        found = getattr(view_class, "dispatch_request", None)
    chosen = view if found is None else found
    while isinstance(chosen, functools.partial):
        chosen = chosen.func
    return typing.cast("Callable[..., Any]", inspect.unwrap(chosen))


def described(view: Callable[..., Any], method: str, name: str) -> tuple[str, str]:
    """Summary and description, out of the docstring.

    Args:
        view: The view function.
        method: What it is asked for; a `MethodView` has a docstring for each.
        name: What to say where there is no docstring: the endpoint.
    """
    own = handler(view, method).__doc__
    text = own or getattr(getattr(view, "view_class", None), "__doc__", None) or ""
    text = _END.split(inspect.cleandoc(text), maxsplit=1)[0].strip()
    first, _, rest = text.partition("\n\n")
    summary = " ".join(first.split()).removesuffix(".")
    if not summary:
        words = re.sub(r"[\W_]+", " ", name.rpartition(".")[2]).strip()
        summary = words[:1].upper() + words[1:] or name
    return summary, rest.strip()


def types_of(view: Callable[..., Any], method: str, arguments: Sequence[str]) -> ViewTypes:
    """What type hints say, Pydantic's models foremost.

    A parameter that is a model is the JSON body; one named `query` the query string and one named
    `form` a form, as flask-pydantic has it. What is answered with a model, a `TypedDict` or a
    dataclass, alone or with a status, is JSON.

    Args:
        view: The view function.
        method: What it is asked for.
        arguments: Parameters that come from the path.
    """
    try:
        hints = typing.get_type_hints(handler(view, method), include_extras=True)
    except _UNTYPED:
        return ViewTypes()
    found = ViewTypes(answers=dict(_answers(hints.pop("return", None))))
    query = None
    for name, hint in hints.items():
        inner = _without_none(hint)
        if name in arguments or not _is_model(inner):
            continue
        adapter = _adapter(inner)
        if adapter is None:
            continue
        if name == "query":
            query = adapter
        else:
            found.bodies[_FORM if name == "form" else _JSON] = adapter
    return dataclasses.replace(found, query=query)


def _answers(hint: Any) -> Iterator[tuple[int, tuple[str, TypeAdapter[Any]]]]:
    for member in _members(hint):
        status, text = int(HTTPStatus.OK), "text/html"
        if get_origin(member) is tuple:
            member, *others = get_args(member)  # noqa: PLW2901
            statuses = [get_args(other)[0] for other in others if get_origin(other) is Literal]
            status = next((s for s in statuses if isinstance(s, int)), status)
            # Headers, which may say any type.
            if any(other is not int and get_origin(other) is not Literal for other in others):
                text = "text/*"
        media_type = text if member is str else _JSON
        if (member is str or _carries_model(member)) and (adapter := _adapter(member)) is not None:
            yield status, (media_type, adapter)


def _members(hint: Any) -> tuple[Any, ...]:
    if isinstance(hint, types.UnionType) or get_origin(hint) is typing.Union:
        return get_args(hint)
    return (hint,)


def _without_none(hint: Any) -> Any:
    members = [member for member in _members(hint) if member is not types.NoneType]
    return members[0] if len(members) == 1 else hint


def _carries_model(hint: Any) -> bool:
    if get_origin(hint) in {list, dict, set, frozenset} or get_origin(hint) is not None:
        return any(_carries_model(inner) for inner in get_args(hint))
    return _is_model(hint) or typing.is_typeddict(hint) or dataclasses.is_dataclass(hint)


def _is_model(hint: Any) -> bool:
    if get_origin(hint) is typing.Annotated:
        hint = get_args(hint)[0]
    return inspect.isclass(hint) and issubclass(hint, BaseModel)


def _adapter(hint: Any) -> TypeAdapter[Any] | None:
    """None where Pydantic knows no schema for it."""
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(_understood(hint))
        adapter.json_schema()
    except _NO_SCHEMA:
        return None
    return adapter


def _understood(hint: Any) -> Any:
    """The type as Pydantic takes it: before Python 3.12 it refuses `typing.TypedDict`."""
    if typing.is_typeddict(hint):
        return _own_typed_dict(hint)
    arguments = get_args(hint)
    if isinstance(hint, types.GenericAlias) and arguments:
        origin: Any = hint.__origin__
        return types.GenericAlias(origin, tuple(map(_understood, arguments)))
    return hint


@functools.lru_cache(maxsize=1024)
def _own_typed_dict(hint: Any) -> Any:
    if sys.version_info >= (3, 12) or not isinstance(hint, type(_Plain)):
        return hint
    fields = {
        name: _understood(inner)
        if name in hint.__required_keys__
        else typing_extensions.NotRequired[_understood(inner)]
        for name, inner in typing.get_type_hints(hint, include_extras=True).items()
    }
    make: Any = typing_extensions.TypedDict
    made = make(hint.__name__, fields)
    made.__module__, made.__doc__ = hint.__module__, hint.__doc__
    return made


class _Plain(typing.TypedDict):
    """Shows what kind of class the standard library's own are."""
