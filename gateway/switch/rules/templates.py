"""Path templates in either stack's syntax, as one thing that can be matched and compared (pure).

`/items/<int:item_id>` is Werkzeug's syntax, `/items/{item_id:int}` Starlette's.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

SegmentKind = Literal["literal", "typed", "any", "rest"]

_PARAMETER: Final = re.compile(
    r"""
    < (?: (?P<flask>[A-Za-z_]\w*)
          (?: \( (?P<arguments> (?: [^()"'] | "[^"]*" | '[^']*' )* ) \) )? : )?
      [A-Za-z_]\w* >
    | \{ [A-Za-z_]\w* (?: : (?P<starlette>[A-Za-z_]\w*) )? \}
    """,
    re.VERBOSE,
)
_ONE_SEGMENT: Final = "[^/]+"
# Werkzeug's converters, then Starlette's. Those of a service's own making match any one segment:
# the service decides what it makes of it, and of the least and the greatest of its numbers.
_FLASK: Final = {
    "int": r"\d+",
    "float": r"\d+\.\d+",
    "uuid": r"[A-Fa-f0-9]{8}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{12}",
}
_STARLETTE: Final = {
    "int": r"[0-9]+",
    "float": r"[0-9]+(?:\.[0-9]+)?",
    "uuid": r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}",
}
# Werkzeug's numbers with `signed=True`.
_SIGNED: Final = {name: f"-?{_FLASK[name]}" for name in ("int", "float")}
# Patterns of which every match is one of the other's, too.
_WITHIN: Final = frozenset(
    {
        (_FLASK["int"], _STARLETTE["float"]),
        (_STARLETTE["int"], _STARLETTE["float"]),
        (_FLASK["float"], _STARLETTE["float"]),
        (_FLASK["uuid"], _STARLETTE["uuid"]),
        (_FLASK["int"], _SIGNED["int"]),
        (_STARLETTE["int"], _SIGNED["int"]),
        (_FLASK["float"], _SIGNED["float"]),
        # But for the digits of other scripts, which nobody writes rules for.
        (_FLASK["int"], _STARLETTE["int"]),
        (_STARLETTE["int"], _FLASK["int"]),
    }
)
# Patterns that match nothing in common.
_APART: Final = frozenset(
    frozenset(pair)
    for pair in (
        (_FLASK["int"], _FLASK["float"]),
        (_FLASK["int"], _FLASK["uuid"]),
        (_FLASK["float"], _FLASK["uuid"]),
        (_FLASK["float"], _STARLETTE["int"]),
        (_FLASK["float"], _STARLETTE["uuid"]),
        (_FLASK["uuid"], _STARLETTE["int"]),
        (_FLASK["uuid"], _STARLETTE["float"]),
    )
)
# What a converter of Werkzeug's is given, as `parse_converter_args` of werkzeug.routing reads it.
_ARGUMENT: Final = re.compile(r"""\s*(?:(\w+)\s*=\s*)?("[^"]*"|'[^']*'|[^,"']*?)\s*(?:,|$)""")
_PATH: Final = "path"
_ANY: Final = "any"
_LITERAL: Final = "literal"


class BadTemplate(ValueError):
    """It is no template; the text says why."""


class _Part(NamedTuple):
    """A parameter by its converter, or a literal text."""

    kind: str
    text: str  # or the pattern
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Segment:
    """What stands between two slashes of a template.

    Attributes:
        kind: "literal": this text; "typed": what the pattern matches; "any": any text but none;
            "rest": everything from here on, slashes too.
        text: The text, or the pattern; of "rest" `+` where it may not begin with a slash or be
            empty, as Werkzeug has it.
        choices: All texts that it matches, where they are known.
    """

    kind: SegmentKind
    text: str = ""
    choices: tuple[str, ...] = ()

    def matches(self, text: str) -> bool:
        """Whether it matches one segment of a path."""
        if self.kind == "literal":
            return text == self.text
        if self.kind == "typed":
            return pattern(self.text).fullmatch(text) is not None
        return bool(text) or (self.kind == "rest" and not self.text)

    def within(self, other: Segment) -> bool:
        """Whether every text that it matches is matched by the other, too."""
        if self == other:
            return True
        if texts := self._texts:
            return all(other.matches(text) for text in texts)
        match other.kind:
            case "literal":
                return False
            case "typed":
                return self.kind == "typed" and (self.text, other.text) in _WITHIN
            case "any":
                return self.kind == "typed"
            case "rest":
                return not other.text or self.kind in {"typed", "any"}

    def meets(self, other: Segment) -> bool:
        """Whether some text may be matched by both. Two patterns are taken to meet."""
        if texts := self._texts:
            return any(other.matches(text) for text in texts)
        if texts := other._texts:
            return any(self.matches(text) for text in texts)
        return frozenset((self.text, other.text)) not in _APART

    @property
    def _texts(self) -> tuple[str, ...]:
        return (self.text,) if self.kind == "literal" else self.choices


@dataclass(frozen=True)
class Template:
    """A path template.

    Attributes:
        text: As it was written.
        segments: Between its slashes; a last slash is an empty literal one. "rest" can only be the
            last where `regular` is.
        regular: Whether every parameter keeps to one segment, but for a last one that takes the
            rest. What is not is matched by `pattern` alone.
        pattern: For the whole path.
    """

    text: str
    segments: tuple[Segment, ...]
    regular: bool
    pattern: str

    @property
    def takes_rest(self) -> bool:
        """Whether its last parameter takes slashes, too."""
        return self.segments[-1].kind == "rest"

    def within(self, other: Template) -> bool:
        """Whether every path that it matches is matched by the other, too."""
        mine, its = self.segments, other.segments
        if other.takes_rest:
            if len(mine) < len(its):
                return False
        elif self.takes_rest or len(mine) != len(its):
            return False
        return all(one.within(two) for one, two in zip(mine, its, strict=False))

    def meets(self, other: Template) -> bool:
        """Whether some path may be matched by both."""
        mine, its = self.segments, other.segments
        if len(mine) > len(its) and not other.takes_rest:
            return False
        if len(its) > len(mine) and not self.takes_rest:
            return False
        return all(one.meets(two) for one, two in zip(mine, its, strict=False))


@functools.lru_cache(4096)
def pattern(text: str) -> re.Pattern[str]:
    """A compiled pattern."""
    return re.compile(text, re.DOTALL)


@functools.lru_cache(8192)
def parse(template: str) -> Template:
    """Read a template.

    Args:
        template: Decoded, from its first slash.

    Raises:
        BadTemplate: It is none.
    """
    if not template.startswith("/"):
        raise BadTemplate("a path begins with a slash")
    parts = list(_parts(template))
    groups: list[list[_Part]] = [[]]
    for part in parts:
        if part.kind != _LITERAL:
            groups[-1].append(part)
            continue
        first, *others = part.text.split("/")
        groups[-1].append(_Part(_LITERAL, first))
        groups += [[_Part(_LITERAL, other)] for other in others]
    # The first is what stands before the first slash.
    filled = [[part for part in group if part.text] for group in groups[1:]]
    mixed = any("/" in choice for part in parts for choice in part.choices) or any(
        len(group) > 1 and any(part.kind == _PATH for part in group) for group in filled
    )
    segments = tuple(_segment(group) for group in filled)
    regular = not mixed and all(segment.kind != "rest" for segment in segments[:-1])
    return Template(template, segments, regular, _joined(parts))


@functools.lru_cache(8192)
def shape(template: str) -> str:
    """What templates have in common that differ in names and types of their parameters only.

    Returns:
        `{}` for a parameter of one segment, `{*}` for one that takes slashes. What is no template
        is its own shape.
    """
    return _PARAMETER.sub(lambda found: "{*}" if _converter(found) == _PATH else "{}", template)


@functools.lru_cache(8192)
def route_key(method: str, template: str) -> str:
    """What a route is called in evidence, whichever stack's template it is: `GET /items/{}`.

    HEAD is what GET is, less the body.
    """
    return f"{'GET' if method == 'HEAD' else method} {shape(template)}"


def _converter(found: re.Match[str]) -> str:
    return found["flask"] or found["starlette"] or ""


def _parts(template: str) -> Iterator[_Part]:
    """Literal texts, and the parameters between them by converter."""
    end = 0
    for found in _PARAMETER.finditer(template):
        yield _Part(_LITERAL, _plain(template[end : found.start()]))
        yield _parameter(found)
        end = found.end()
    yield _Part(_LITERAL, _plain(template[end:]))


def _plain(text: str) -> str:
    if odd := re.search(r"[<>{}]", text):
        raise BadTemplate(f"{odd[0]!r} belongs to no parameter that either stack knows")
    return text


def _parameter(found: re.Match[str]) -> _Part:
    flask, starlette = found["flask"], found["starlette"] or "str"
    if flask == _PATH:
        return _Part(_PATH, "[^/].*")
    if starlette == _PATH:
        return _Part(_PATH, ".*")
    if not flask:
        return _Part(starlette, _STARLETTE.get(starlette, _ONE_SEGMENT))
    values, named = _given(found["arguments"] or "")
    if flask == _ANY:
        return _Part(flask, "|".join(map(re.escape, values)), tuple(values))
    return _Part(flask, _pattern_of_flask(flask, values, named))


def _pattern_of_flask(converter: str, values: Sequence[str], named: Mapping[str, str]) -> str:
    if converter in {"string", "default"}:
        return _text_of_length(values, named)
    known = _FLASK.get(converter, _ONE_SEGMENT)
    if converter == "int" and (digits := named.get("fixed_digits", "")).isdecimal():
        known = rf"\d{{{digits}}}"
    if converter in {"int", "float"} and named.get("signed", "0") not in {"0", "False", "None"}:
        known = f"-?{known}"
    return known


def _given(arguments: str) -> tuple[list[str], dict[str, str]]:
    """A converter's arguments: those by place, and those by name."""
    values: list[str] = []
    named: dict[str, str] = {}
    for name, written in _ARGUMENT.findall(arguments):
        value = written[1:-1] if written[:1] in {'"', "'"} else written
        if name:
            named[name] = value
        elif written:
            values.append(value)
    return values, named


def _text_of_length(values: Sequence[str], named: Mapping[str, str]) -> str:
    given = {**dict(zip(("minlength", "maxlength", "length"), values, strict=False)), **named}
    lengths = {name: value for name, value in given.items() if value.isdecimal()}
    if exact := lengths.get("length"):
        return f"[^/]{{{exact}}}"
    least, most = lengths.get("minlength", "1"), lengths.get("maxlength", "")
    return _ONE_SEGMENT if (least, most) == ("1", "") else f"[^/]{{{least},{most}}}"


def _segment(parts: list[_Part]) -> Segment:
    match parts:
        case []:
            return Segment("literal")
        case [("literal", text, _)]:
            return Segment("literal", text)
        case [("path", text, _)]:
            return Segment("rest", "+" if text.startswith("[") else "")
        case [(_, text, choices)]:
            return Segment("any") if text == _ONE_SEGMENT else Segment("typed", text, choices)
    if any(part.kind == _PATH for part in parts):
        return Segment("rest")
    return Segment("typed", _joined(parts))


def _joined(parts: Iterable[_Part]) -> str:
    return "".join(
        re.escape(part.text) if part.kind == _LITERAL else f"(?:{part.text})" for part in parts
    )
