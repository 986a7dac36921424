"""What is kept of an exchange as an example, without its secrets (pure).

Secrets are told by what they are called: headers that carry credentials, and members of JSON, query
parameters and fields of forms with a name such as `password`. What was found so is taken out
wherever else it stands: FastAPI's answer to a wrong body repeats the body.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any
from urllib.parse import quote, quote_plus

from gateway.switch.compare import Answer, Comparison
from gateway.switch.evidence.masking import MASK, Masking, masked_place

MOST_CHARACTERS = 2048
MOST_BYTES = 16 * 1024
MOST_DIFFERENCES = 20

# What is shorter stands in many a text by chance.
_SHORTEST_SECRET = 6
_LONGEST_SECRET = 512
# So many are looked for where nothing names them.
_MOST_SECRETS = 100
_LARGEST = 2**53
# Of a text, so much is shown around the first place where it differs.
_EXCERPT = 80
_LOOKED_AT = 4 * MOST_CHARACTERS
_SIDES = ("legacy", "candidate")


@dataclass(frozen=True)
class Asked:
    """What was asked.

    Attributes:
        method: In capitals.
        target: Path and query, percent-encoded.
        headers: Names and values.
        body: None where it was not kept.
        template: The path of the route, in which a parameter's name may tell that it is a secret.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    template: str = ""


def sample(asked: Asked, answers: tuple[Answer, Answer], comparison: Comparison) -> dict[str, Any]:
    """An example of a difference, as it is stored.

    Args:
        asked: The request.
        answers: The legacy service's and the candidate's.
        comparison: What `compare` found, with the legacy answer first.

    Returns:
        JSON of `MOST_BYTES` at most, without secrets.
    """
    secrets: dict[str, None] = {}
    take = Masking(secrets)
    # What a client sent is what an answer repeats: it comes first.
    request = {"headers": take.headers(asked.headers), "body": take.body(asked.body)}
    found: dict[str, Any] = {
        "method": asked.method,
        "target": take.target(asked.target, asked.template),
        "differences": [
            {
                "kind": one.kind,
                "place": one.where,
                "legacy": take.value(one.kind, one.where, one.values[0]),
                "candidate": take.value(one.kind, one.where, one.values[1]),
                "why": one.why,
            }
            for one in comparison.differences[:MOST_DIFFERENCES]
        ],
        "left_out": comparison.left_out + max(len(comparison.differences) - MOST_DIFFERENCES, 0),
        "legacy": take.answer(answers[0]),
        "candidate": take.answer(answers[1]),
        "request": request,
    }
    pattern = _pattern(secrets)
    for one, difference in zip(found["differences"], comparison.differences, strict=False):
        one["place"] = masked_place(one["place"])
        if difference.alike == "text":
            bodies = [found[side]["body"] for side in _SIDES]
            one.update(zip(_SIDES, _excerpts(bodies, pattern), strict=True))
    return _fitted(_scrubbed(found, pattern))


def _pattern(secrets: Iterable[str]) -> re.Pattern[str] | None:
    long_enough = (one for one in secrets if len(one) >= _SHORTEST_SECRET)
    spelled = {one[:_LONGEST_SECRET] for one in islice(long_enough, _MOST_SECRETS)}
    # As it stands within JSON and within a URL, too.
    for spell in (json.dumps, _as_json, _as_part_of_url, quote_plus):
        spelled |= {spell(one).strip('"') for one in spelled}
    # The longest first: a shorter one may be a part of it.
    ordered = sorted(spelled, key=lambda one: (-len(one), one))
    texts = [
        # Of a longer one the rest may follow: nothing is shown from there on.
        re.escape(one) + r"[\s\S]*" * (len(one) >= _LONGEST_SECRET)
        for one in ordered
    ]
    return re.compile("|".join(texts)) if texts else None


def _as_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _as_part_of_url(text: str) -> str:
    return quote(text, safe="")


def _excerpts(bodies: Sequence[str | None], pattern: re.Pattern[str] | None) -> tuple[str, str]:
    """Two masked texts from a little before where they differ.

    Cut out of the texts as they came, an excerpt may begin within a secret, and then nothing tells.
    """
    first, second = (
        " ".join((pattern.sub(MASK, body) if pattern else body).split())
        for body in ((body or "") for body in bodies)
    )
    if first == second:
        return MASK, MASK
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))
    begin = max(sum(1 for _ in pairs) - _EXCERPT // 2, 0)
    return first[begin : begin + _EXCERPT], second[begin : begin + _EXCERPT]


def _scrubbed(value: Any, pattern: re.Pattern[str] | None) -> Any:
    """Without the secrets, wherever they stand; each text no longer than is kept."""
    if isinstance(value, str):
        # Half characters and NUL are what a database may refuse.
        text = value[:_LOOKED_AT].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
        text = pattern.sub(MASK, text) if pattern else text
        return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
    if isinstance(value, Mapping):
        return {_scrubbed(name, pattern): _scrubbed(one, pattern) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(one, pattern) for one in value]
    if value is None or isinstance(value, bool):
        return value
    # JSON has no NaN, and who reads an example may not read a number of many digits.
    if isinstance(value, int | float) and abs(value) < _LARGEST:
        return MASK if pattern and pattern.fullmatch(str(value)) else value
    return _scrubbed(str(value), pattern)


def _fitted(found: dict[str, Any]) -> dict[str, Any]:
    """With less of everything, until it is small enough."""
    for step in _SMALLER:
        if len(json.dumps(found)) <= MOST_BYTES:
            return found
        step(found)
    return found


def _cut(value: Any, most: int) -> Any:
    text = value if isinstance(value, str) else json.dumps(value)
    return value if len(text) <= most else f"{text[: most - 1]}…"


def _cut_differences(found: dict[str, Any]) -> None:
    for one in found["differences"]:
        one.update({name: _cut(one[name], 200) for name in ("place", "legacy", "candidate")})


def _cut_headers(found: dict[str, Any]) -> None:
    for part in ("legacy", "candidate", "request"):
        headers = found[part]["headers"][:20]
        found[part]["headers"] = [[_cut(name, 40), _cut(value, 60)] for name, value in headers]


def _cut_bodies(found: dict[str, Any]) -> None:
    for part in ("legacy", "candidate", "request"):
        found[part]["body"] = _cut(found[part]["body"], 200)


def _leave_differences_out(found: dict[str, Any]) -> None:
    found["left_out"] += len(found["differences"][1:])
    del found["differences"][1:]
    for part in ("legacy", "candidate", "request"):
        found[part]["headers"] = []


def _cut_target(found: dict[str, Any]) -> None:
    found["target"] = _cut(found["target"], 500)


_SMALLER: tuple[Callable[[dict[str, Any]], None], ...] = (
    _cut_differences,
    _cut_headers,
    _cut_bodies,
    _cut_target,
    _leave_differences_out,
)
