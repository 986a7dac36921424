"""What usually differs between a Flask route and its FastAPI successor, told from both (pure).

Each difference was measured on Flask 3.1 and FastAPI 0.165; `tests/gateway/switch/test_lint.py`
measures it again. What cannot be seen in a route, comparing will show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

# Types that Flask and FastAPI write differently, by name.
DATES: Final = frozenset({"date", "datetime", "time", "timedelta"})
# Of parameters that FastAPI refuses where a text does not fit.
_CONVERTED: Final = frozenset({"int", "float", "bool", "UUID", "Decimal", *DATES})
_NUMBERS: Final = frozenset({"int", "float"})


@dataclass(frozen=True)
class LegacyRoute:
    """A route of Flask's, as far as it can be looked into.

    Attributes:
        template: Its rule.
        methods: All of them, with those that Flask adds.
        converters: Of its parameters, by name: `int`, `default`.
        strict_slashes: Whether a missing slash is one too few.
        redirects: Whether its view calls `redirect`.
        sorts: Whether JSON is sorted.
        escapes: Whether JSON is all ASCII.
    """

    template: str
    methods: frozenset[str] = frozenset()
    converters: Mapping[str, str] = field(default_factory=dict)
    strict_slashes: bool = True
    redirects: bool = False
    sorts: bool = True
    escapes: bool = True


@dataclass(frozen=True)
class Query:
    """A query parameter of FastAPI's.

    Attributes:
        name: In the URL.
        types: What it may be, by name.
        many: Whether it takes all values of its name.
    """

    name: str
    types: frozenset[str] = frozenset({"str"})
    many: bool = False


@dataclass(frozen=True)
class CandidateRoute:
    """A route of FastAPI's, as far as it can be looked into.

    Attributes:
        methods: Those that it answers.
        convertors: Of the parameters of its path, by their position: `int`, or `str` for none.
        path_types: What the view says they are, likewise.
        query: Its query parameters.
        has_body: Whether it takes a body that is validated.
        declares: Whether it says what it answers.
        types: What is in that, by name, at any depth.
        is_json: Whether it answers what its view returns as JSON.
        redirect_slashes: Whether the app does.
        handles: For which of `http`, `validation` and `any` exception the app has a handler of its
            own.
    """

    methods: frozenset[str] = frozenset()
    convertors: tuple[str, ...] = ()
    path_types: tuple[str, ...] = ()
    query: tuple[Query, ...] = ()
    has_body: bool = False
    declares: bool = True
    types: frozenset[str] = frozenset()
    is_json: bool = True
    redirect_slashes: bool = True
    handles: frozenset[str] = frozenset()

    @property
    def validates(self) -> bool:
        """Whether there is anything that it may refuse."""
        converted = any(not _CONVERTED.isdisjoint(query.types) for query in self.query)
        return self.has_body or converted or not _CONVERTED.isdisjoint(self.path_types)


@dataclass(frozen=True)
class Caution:
    """A difference that a route may meet.

    Attributes:
        route: As evidence names it.
        case: What is asked.
        flask: What Flask does.
        fastapi: What FastAPI does.
        mend: What to do about it.
    """

    route: str
    case: str
    flask: str
    fastapi: str
    mend: str


_Case = tuple[str, str, str, str]


def cautions_of(route: str, legacy: LegacyRoute, candidate: CandidateRoute) -> Iterator[Caution]:
    """What a route that both services have may meet."""
    for found in (
        _answers(legacy, candidate),
        _paths(legacy, candidate),
        _inputs(candidate),
        _errors(candidate),
    ):
        for case in found:
            yield Caution(route, *case)


def _answers(legacy: LegacyRoute, candidate: CandidateRoute) -> Iterator[_Case]:
    added = {"HEAD", "OPTIONS"} & legacy.methods - candidate.methods
    if "GET" in legacy.methods and added:
        methods = ", ".join(sorted(added))
        yield (
            methods,
            "200",
            "405",
            f"add {methods} to the candidate's route: api_route(..., methods=[...])",
        )
    if candidate.is_json and (legacy.sorts or legacy.escapes):
        flask = ["sorted keys"] * legacy.sorts + ["non-ASCII escaped"] * legacy.escapes
        yield (
            "JSON",
            f"{', '.join(flask)}, a newline at the end",
            "keys as they come, UTF-8",
            "nothing, unless a client compares bytes or hashes; comparing here reads the JSON",
        )
    dates = sorted((DATES | {"Any"}) & candidate.types)
    if candidate.is_json and not candidate.declares:
        yield (
            "datetime, Decimal (the answer is not declared)",
            'RFC 822 dates; a Decimal is text, "1.10"',
            "ISO 8601 dates; a Decimal is a number, 1.1",
            'a rule of kind "instant" or "decimal", or a response model',
        )
    elif candidate.is_json and dates:
        yield (
            f"datetime ({', '.join(dates)} in the answer)",
            "RFC 822 dates",
            "ISO 8601 dates",
            'a rule of kind "instant", or a model with a serialiser of its own',
        )
    if candidate.is_json and "str" in candidate.types and len(candidate.types) == 1:
        yield (
            "a returned text",
            "HTML",
            "a quoted JSON string",
            "response_class=HTMLResponse or PlainTextResponse",
        )
    if legacy.redirects:
        yield (
            "redirect()",
            "302: a browser goes on with GET",
            "RedirectResponse: 307, which repeats a POST",
            "RedirectResponse(url, status_code=302), or 303 after a POST",
        )


def _paths(legacy: LegacyRoute, candidate: CandidateRoute) -> Iterator[_Case]:
    if legacy.template.endswith("/") and legacy.template != "/":
        flask = "308 to the path with it" if legacy.strict_slashes else "the same as with it"
        fastapi = "307 to the path with it" if candidate.redirect_slashes else "404"
        mend = (
            "statuses = [[307, 308]]"
            if legacy.strict_slashes and candidate.redirect_slashes
            else "declare both paths in the candidate"
        )
        yield "the slash at the end is missing", flask, fastapi, mend
    elif candidate.redirect_slashes and legacy.template != "/":
        yield (
            "a slash too many at the end",
            "404",
            "307 to the path without it",
            "FastAPI(redirect_slashes=False), if anybody asks so",
        )
    kinds = zip(legacy.converters.items(), candidate.convertors, candidate.path_types, strict=False)
    for (name, converter), convertor, kind in kinds:
        if converter in _NUMBERS and convertor not in _NUMBERS:
            converts = kind in _CONVERTED
            yield (
                f"<{converter}:{name}>: a text, and a negative number",
                "404 and 404",
                "422 and 200" if converts else "200 and 200",
                f"{{{name}:{converter}}} in the candidate's path",
            )


def _inputs(candidate: CandidateRoute) -> Iterator[_Case]:
    single = [query.name for query in candidate.query if not query.many]
    if single:
        names = ", ".join(single)
        yield (
            f"a query parameter twice ({names})",
            "the first value counts",
            "the last value counts",
            "list[str] and its first item, if anybody asks so",
        )
    converted = [query.name for query in candidate.query if not _CONVERTED.isdisjoint(query.types)]
    if converted:
        names = ", ".join(converted)
        yield (
            f"a query parameter that does not fit ({names})",
            "args.get(..., type=int) gives None: 200",
            "422",
            "take it as str and convert it in the view",
        )
    if candidate.has_body:
        yield (
            "a body that is no JSON; one that is not called JSON",
            "400; 415",
            "422; 422",
            "statuses = [[400, 422], [415, 422]], or a handler for RequestValidationError",
        )


def _errors(candidate: CandidateRoute) -> Iterator[_Case]:
    if "http" not in candidate.handles:
        yield (
            "an error, such as 404",
            "a page of HTML, or what errorhandler says",
            '{"detail": "Not Found"}',
            "a handler for starlette's HTTPException that answers as the legacy service does",
        )
    if "any" not in candidate.handles:
        yield (
            "an exception that nobody catches",
            "500, a page of HTML, or what errorhandler says",
            "500, the text Internal Server Error",
            "a handler for Exception that answers as the legacy service does",
        )
    if candidate.validates and "validation" not in candidate.handles:
        yield (
            "input that is refused",
            "what the view says",
            "422, which repeats the input, passwords too",
            "a handler for RequestValidationError that answers as the legacy service does",
        )
