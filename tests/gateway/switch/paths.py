"""Templates and paths, as hypothesis makes them, and what a template matches, by a regex."""

from __future__ import annotations

import re
from typing import NamedTuple

from hypothesis import strategies as st

UUID = "0e4b7a3c-1f2d-4c5b-8a6e-9d0f1a2b3c4d"
_FLASK_UUID = r"[A-Fa-f0-9]{8}(?:-[A-Fa-f0-9]{4}){3}-[A-Fa-f0-9]{12}"
_STARLETTE_UUID = r"[A-Fa-f0-9]{8}-?(?:[A-Fa-f0-9]{4}-?){3}[A-Fa-f0-9]{12}"


class Piece(NamedTuple):
    """What stands between two slashes.

    Attributes:
        written: In the template, `{}` for a name that is the parameter's own.
        regex: What it matches.
        rank: How narrow it is: 0 for a text, 9 for all the rest of a path.
    """

    written: str
    regex: str
    rank: int


TEXTS = [Piece(text, re.escape(text), 0) for text in ("a", "b", "items", "1", "a-1", "~x.y", "+")]
FLASK = [
    Piece("<int:{}>", "[0-9]+", 1),
    Piece("<int(signed=True):{}>", "-?[0-9]+", 2),
    Piece("<int(fixed_digits=2):{}>", "[0-9]{2}", 1),
    Piece("<float:{}>", r"[0-9]+\.[0-9]+", 1),
    Piece("<float(signed=True):{}>", r"-?[0-9]+\.[0-9]+", 2),
    Piece("<uuid:{}>", _FLASK_UUID, 1),
    Piece("<any(a, items):{}>", "a|items", 1),
    Piece('<any("b", "a-1", "1,2"):{}>', "b|a-1|1,2", 1),
    Piece("<string(length=2):{}>", "[^/]{2}", 3),
    Piece("<string(minlength=3, maxlength=8):{}>", "[^/]{3,8}", 3),
    Piece("<{}>", "[^/]+", 5),
    Piece("<string:{}>", "[^/]+", 5),
    Piece("<default:{}>", "[^/]+", 5),
    Piece("v<int:{}>", "v[0-9]+", 1),
    Piece("<{}>-x", "[^/]+-x", 3),
]
STARLETTE = [
    Piece("{{{}:int}}", "[0-9]+", 1),
    Piece("{{{}:float}}", r"[0-9]+(?:\.[0-9]+)?", 2),
    Piece("{{{}:uuid}}", _STARLETTE_UUID, 1),
    Piece("{{{}}}", "[^/]+", 5),
    Piece("{{{}:str}}", "[^/]+", 5),
    Piece("v{{{}:int}}", "v[0-9]+", 1),
    Piece("{{{}}}:x", "[^/]+:x", 3),
]
FLASK_REST = Piece("<path:{}>", "[^/].*", 8)
STARLETTE_REST = Piece("{{{}:path}}", ".*", 9)
EMPTY = Piece("", "", 0)

# What may stand between two slashes of a path.
_SEGMENTS = ["", "a", "b", "items", "1", "12", "1.5", "-1", "-1.5", "a-1", "~x.y", "+", "v1", "é"]
_MORE = ["z-x", "z:x", "1,2", "zzz", "a b", "x" * 9, UUID, UUID.replace("-", ""), "1" * 32]
segments = st.sampled_from([*_SEGMENTS, *_MORE])
paths = st.lists(segments, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


class Written(NamedTuple):
    """A template, and its pieces."""

    text: str
    pieces: tuple[Piece, ...]

    @property
    def regex(self) -> re.Pattern[str]:
        """Of the whole path."""
        return re.compile("".join(f"/(?:{piece.regex})" for piece in self.pieces), re.DOTALL)

    def matches(self, path: str) -> bool:
        """Whether it matches a path."""
        return self.regex.fullmatch(path) is not None


def _written(pieces: list[Piece], last: Piece | None) -> Written:
    all_of = (*pieces, *([last] if last is not None else []))
    texts = (piece.written.format(f"p{index}") for index, piece in enumerate(all_of))
    return Written("".join(f"/{text}" for text in texts), all_of)


def _templates(pieces: list[Piece], lasts: list[Piece]) -> st.SearchStrategy[Written]:
    return st.builds(
        _written,
        st.lists(st.sampled_from(pieces), max_size=3),
        st.sampled_from([*pieces, *lasts]),
    )


flask_templates = _templates([*TEXTS, *FLASK], [EMPTY, FLASK_REST])
starlette_templates = _templates([*TEXTS, *STARLETTE], [EMPTY, STARLETTE_REST])
# Flask's and Starlette's in one template, too: the reading of one does not hang on the other's.
templates = _templates([*TEXTS, *FLASK, *STARLETTE], [EMPTY, FLASK_REST, STARLETTE_REST])
