"""What is known of the differences between Flask and FastAPI: the words for them (pure data).

Measured on Flask 3.1 and FastAPI 0.165; `tests/gateway/switch/test_lint.py` measures again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_HTML_OR_JSON: Final = (
    'Flask answers errors with a page of HTML, FastAPI with JSON, {"detail": ...}. Clients that '
    "read error bodies need exception handlers in the candidate that answer as the legacy service "
    "does (app.exception_handler); compare by status alone only where none does."
)
_REPEATS_INPUT: Final = (
    "FastAPI's 422 lists the faults and repeats the input, passwords too: have an exception "
    "handler for RequestValidationError answer as the legacy service does."
)
_PLAIN_500: Final = (
    'An unhandled exception is HTML from Flask and the text "Internal Server Error" from '
    "FastAPI: a handler for Exception in the candidate answers as the legacy service does."
)
_UNPROCESSABLE: Final = 422
_FAILED: Final = 500

# By the legacy status and the candidate's.
STATUSES: Final[Mapping[tuple[int, int], str]] = {
    (400, 422): (
        "Flask answers a body that is no JSON with 400, FastAPI every fault of the input with "
        "422. Excuse it where no client tells them apart; else a handler for "
        "RequestValidationError answers with 400."
    ),
    (415, 422): (
        "Flask answers a body that is not called JSON with 415, FastAPI with 422. Excuse it where "
        "no client tells them apart; else a handler for RequestValidationError."
    ),
    (308, 307): (
        "both send a path without its slash to the one with it, Flask for good (308) and "
        "Starlette for now (307). Both keep the method."
    ),
    (307, 308): ("both keep the method; one is for good and the other for now."),
    (302, 307): (
        "Flask's redirect() answers 302, RedirectResponse 307, by which a browser repeats a POST "
        "at the new place. Set status_code=302 in the candidate."
    ),
    (303, 307): (
        "RedirectResponse answers 307, by which a browser repeats a POST at the new place. Set "
        "status_code=303 in the candidate."
    ),
    (301, 307): ("RedirectResponse answers 307; set status_code=301 in the candidate."),
    (301, 308): ("308 keeps the method and 301 does not; both are for good."),
    (200, 405): (
        "Flask answers HEAD and OPTIONS wherever it answers GET, FastAPI does not. Add them to "
        'the candidate\'s route: @app.api_route(..., methods=["GET", "HEAD"]).'
    ),
    (200, 307): (
        "the legacy route takes the path with and without its slash (strict_slashes = False); "
        "Starlette redirects. Declare both paths in the candidate."
    ),
    (308, 404): ("the candidate has redirect_slashes off, or has no such path."),
    (404, 422): (
        "Flask's <int:...> does not match a text, so there is no such page; FastAPI matches it "
        "and refuses it. Excuse it where no client tells them apart; else write {name:int} in the "
        "candidate's path."
    ),
    (404, 200): (
        "Flask's <int:...> matches no negative number and FastAPI's int does; or the candidate "
        "finds what the legacy service does not. Write {name:int} in the candidate's path."
    ),
    (404, 405): ("the candidate has this path for other methods only."),
    (405, 404): ("the candidate does not have this path at all."),
    (200, 404): ("the candidate has no such route, or does not find what is asked for."),
    (200, 422): (
        "FastAPI refuses what Flask's request.args.get(..., type=int) takes for nothing, and "
        "what the legacy view never looks at. Take the parameter as str | None in the candidate "
        "and convert it there."
    ),
    (200, 400): ("the candidate refuses what the legacy service takes."),
    (401, 403): (
        "the candidate refuses who has no credentials with 403; auto_error=False and a 401 of "
        "its own answer as the legacy service does."
    ),
    (200, 401): (
        "the candidate does not know who asks: the session, or a header, is read otherwise."
    ),
    (302, 401): (
        "the legacy service sends who is not signed in to a page, the candidate refuses. Clients "
        "with a browser need the redirect."
    ),
}
# What a rule should excuse; the rest would be seen by clients.
EXCUSABLE: Final = frozenset({(400, 422), (404, 422), (415, 422), (308, 307), (307, 308)})

# By the header's name, and by what it tells.
HEADERS: Final[Mapping[str, str]] = {
    "returned text": (
        "A returned text is HTML from Flask and a quoted JSON string from FastAPI: set "
        "response_class=HTMLResponse or PlainTextResponse on the candidate's route."
    ),
    "content-type": "Content-Type: set response_class or media_type on the candidate's route.",
    "location": "Location leads elsewhere: url_for, or the path, is to be looked at.",
    "allow": (
        "Allow: Flask adds HEAD and OPTIONS to every route with GET, FastAPI does not. Add them "
        "to the candidate's route."
    ),
    "vary": (
        "Vary: Flask adds Cookie where a view reads the session, and caches need it. Have the "
        "candidate send it, too."
    ),
    "cache-control": "Cache-Control: have the candidate send what the legacy service sends.",
    "www-authenticate": (
        "WWW-Authenticate: FastAPI's security classes name their own scheme; raise an "
        "HTTPException with the legacy service's."
    ),
    "set-cookie": (
        "Set-Cookie: a cookie that only one of them sets, or with other attributes. Flask sends "
        "its session again when it was changed or is permanent; set the same attributes in the "
        "candidate."
    ),
}


def of_error_bodies(statuses: tuple[int, int]) -> str:
    """Why the bodies of two errors differ, given the legacy status and the candidate's."""
    if statuses[1] == _UNPROCESSABLE:
        return f"{_HTML_OR_JSON} {_REPEATS_INPUT}"
    return _PLAIN_500 if statuses[1] == _FAILED else _HTML_OR_JSON
