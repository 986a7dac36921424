"""Examples of differences, without secrets."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from gateway.switch.compare import Answer, compare
from gateway.switch.evidence.masking import MASK, is_secret
from gateway.switch.evidence.redaction import MOST_BYTES, MOST_CHARACTERS, Asked, sample
from tests.gateway.switch.answers import JSON, answer, answers, body_of, text

SECRET = "correct horse/battery+staple ü"
FORM = ("Content-Type", "application/x-www-form-urlencoded")


class Login(BaseModel):
    """What a login is asked with."""

    name: str
    password: int


async def login(given: Login) -> None: ...


def kept(first: Answer, second: Answer | None = None, asked: Asked | None = None) -> dict[str, Any]:
    second = second or answer({}, 500)
    return sample(asked or Asked("GET", "/items"), (first, second), compare(first, second))


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "newPassword",
        "user[passwd]",
        "access_token",
        "X-CSRFToken",
        "client-secret",
        "APIKey",
        "api_key",
        "X-API-Key",
        "private_key",
        "sessionid",
        "session",
        "PIN",
    ],
)
def test_a_secret_is_told_by_its_name(name: str) -> None:
    """However it is spelled."""
    assert is_secret(name)


@pytest.mark.parametrize("name", ["monkey", "keyboard", "author", "pinned", "passenger", "title"])
def test_a_name_that_only_has_the_letters_of_one_is_none(name: str) -> None:
    """Or nothing would be left to look at."""
    assert not is_secret(name)


# Each puts a secret where services and clients have them.
PLACES: dict[str, Callable[[str], tuple[Asked, Answer | None]]] = {
    "authorization": lambda s: (Asked("GET", "/", (("Authorization", f"Bearer {s}"),)), None),
    "a scheme of its own": lambda s: (Asked("GET", "/", (("authorization", s),)), None),
    "a cookie": lambda s: (Asked("GET", "/", (("Cookie", f"a=1; session={s}"),)), None),
    "an API key": lambda s: (Asked("GET", "/", (("X-API-Key", s),)), None),
    "the query": lambda s: (Asked("GET", f"/?a=1&access_token={quote(s, safe='')}&b=2"), None),
    "the path": lambda s: (
        Asked("GET", f"/api/reset/{quote(s, safe='')}", template="/reset/<string:token>"),
        None,
    ),
    "a JSON request": lambda s: (
        Asked("POST", "/", (JSON,), body_of({"user": {"password": s}})),
        None,
    ),
    "a form": lambda s: (
        Asked("POST", "/", (FORM,), f"name=ann&password={quote(s, safe='')}".encode()),
        None,
    ),
    "a form of parts": lambda s: (
        Asked(
            "POST",
            "/",
            (("Content-Type", "multipart/form-data; boundary=x"),),
            f'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n{s}\r\n--x--'.encode(),
        ),
        None,
    ),
    "broken JSON": lambda s: (
        Asked("POST", "/", (JSON,), json.dumps({"password": s}).encode()[:-1]),
        None,
    ),
    "a set cookie": lambda s: (
        Asked("GET", "/"),
        Answer(200, (("Set-Cookie", f"session={s}; HttpOnly"),), b""),
    ),
    "a place to go": lambda s: (
        Asked("GET", "/"),
        Answer(302, (("Location", f"/in?token={quote(s, safe='')}"),), b""),
    ),
    "a JSON answer": lambda s: (Asked("GET", "/"), answer([{"apiKey": s}])),
    "all below a name": lambda s: (Asked("GET", "/"), answer({"secrets": [{"a": {s: [s]}}]})),
    "a hidden field": lambda s: (
        Asked("GET", "/"),
        text(f'<form><input type="hidden" name="csrf_token" value="{s}"></form>'),
    ),
}

secrets = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\"';<>\\,{}[]&="),
    min_size=8,
    max_size=40,
).filter(lambda secret: "********" not in secret)


@pytest.mark.parametrize("place", PLACES)
@given(secrets)
def test_a_secret_is_not_kept_wherever_it_was(place: str, secret: str) -> None:
    """Nor where an answer repeats it: in JSON, in a text, in a header."""
    asked, given_answer = PLACES[place](secret)
    echo = answer({"said": f"<{secret}>", secret: 1, "more": [secret]}, 400, ("X-Said", secret))
    for first, second in (
        (given_answer or echo, echo),
        (echo, given_answer or answer({})),
        (given_answer or echo, text(f"You said {secret}, didn't you?", status=400)),
    ):
        found = json.dumps(sample(asked, (first, second), compare(first, second)))
        for spelled in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
            assert spelled not in found


def test_what_is_no_secret_stays_as_it_is() -> None:
    """It is there to be looked at."""
    first = answer({"id": 1, "name": "ann", "tags": ["a"], "ok": True, "none": None, "pi": 3.5})
    asked = Asked("GET", "/items?page=2&q=a%20b", (("Accept", "application/json"),))
    found = kept(first, answer({"id": 2}), asked)
    assert json.loads(found["legacy"]["body"]) == json.loads(first.body or b"")
    assert found["target"] == "/items?page=2&q=a%20b"
    assert found["request"]["headers"] == [["Accept", "application/json"]]
    assert {name: value for name, value in found["differences"][0].items() if name != "why"} == {
        "kind": "json",
        "place": "/id",
        "legacy": 1,
        "candidate": 2,
    }


def test_names_of_cookies_and_their_attributes_stay() -> None:
    """They are what is compared."""
    first = Answer(200, (("Set-Cookie", "session=abcdefgh; Path=/; HttpOnly"),), b"")
    assert kept(first)["legacy"]["headers"] == [["Set-Cookie", f"session={MASK}; Path=/; HttpOnly"]]


def test_a_difference_of_a_secret_shows_that_it_differs_and_no_value() -> None:
    """Nor the names below it."""
    found = kept(answer({"tokens": {"abc": 1}}), answer({"tokens": {"xyz": 1}}))
    assert [(one["place"], one["legacy"], one["candidate"]) for one in found["differences"]] == [
        (f"/tokens/{MASK}", MASK, None),
        (f"/tokens/{MASK}", None, MASK),
    ]


async def test_the_input_that_fastapi_repeats_is_not_kept() -> None:
    """A 422 names the member elsewhere than beside its value, and a short one is a secret, too."""
    app = FastAPI()
    app.post("/login")(login)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as client:
        reply = await client.post("/login", json={"name": "ann", "password": "hunt"})
        whole = await client.post("/login", json={"password": "hunt"})
    assert reply.status_code == whole.status_code == 422
    assert "hunt" in reply.text
    assert "hunt" in whole.text
    legacy = answer({"detail": [{"loc": [], "input": "hint"}]}, 400)
    for one in (reply, whole):
        found = kept(legacy, Answer(422, (JSON,), one.content))
        assert "hunt" not in json.dumps(found)
    assert "hint" not in json.dumps(found["differences"])


def test_an_excerpt_of_a_text_does_not_begin_or_end_within_a_secret() -> None:
    """A part of one is a part too much."""
    secret = "s3cr3t-" * 30
    page = f'<input name="csrf_token" value="{secret}">'
    first, second = text(page), text(page.replace("s3cr3t-s3cr3t-s3cr3t-", "s3cr3t-s3X", 1))
    found = kept(first, second)
    assert found["differences"][0]["kind"] == "text"
    assert "3cr3t-s" not in json.dumps(found)
    assert [found["differences"][0][side] for side in ("legacy", "candidate")] == [MASK, MASK]
    shown = kept(first, text(page.replace("<input", "<b>new</b> <input")))["differences"][0]
    assert shown["legacy"] == f'<input name="csrf_token" value="{MASK}">'
    assert shown["candidate"].startswith("<b>new</b> <input name=")


@given(answers, answers, st.binary(max_size=50), st.text(max_size=50))
def test_whatever_was_asked_and_answered_an_example_is_small_json(
    first: Answer, second: Answer, body: bytes, target: str
) -> None:
    """Such as every database takes: no NaN, no NUL, no half characters."""
    asked = Asked("POST", target, (("X", "y\0"),), body)
    found = sample(asked, (first, second), compare(first, second))
    written = json.dumps(found, allow_nan=False)
    assert len(written) <= MOST_BYTES
    # A text may say so itself; its backslash is escaped.
    assert "\\u0000" not in written.replace("\\\\", "")
    json.dumps(found, ensure_ascii=False).encode()


def test_texts_are_cut() -> None:
    """An example is to be looked at."""
    found = kept(text("ü" * 100_000), text("ä" * 100_000))
    assert len(found["legacy"]["body"]) <= MOST_CHARACTERS


def test_an_example_of_a_great_deal_is_small_all_the_same() -> None:
    """And says how much is missing."""
    first = answer({f"{number}": "ü" * 900 for number in range(500)})
    second = answer({f"{number}": "ä" * 900 for number in range(500)})
    many = tuple((f"X-{number}", "ü" * 5000) for number in range(100))
    found = kept(first, second, Asked("POST", "/" + "ü" * 9000, many, b"\xff" * 100_000))
    assert len(json.dumps(found)) <= MOST_BYTES
    assert found["left_out"] + len(found["differences"]) == 500


def test_a_long_secret_is_not_kept_in_part() -> None:
    """Nor where it is repeated."""
    secret = "".join(f"s3cr3t{number}" for number in range(1000))
    found = kept(answer({"password": secret}), text(f"no: {secret}", status=400))
    assert "s3cr3t" not in json.dumps(found)
    assert found["candidate"]["body"] == f"no: {MASK}"


def test_deep_and_long_documents_take_no_more_than_a_moment() -> None:
    """Whatever a service answers."""
    deep = b"[" * 100_000 + b"]" * 100_000
    long = b'{"password": "' + b"x" * 500_000 + b'"}'
    named = b'name="password"\n' * 50_000
    for body in (deep, long, named, b"a=" * 300_000, b'"' * 300_000, b"<input " * 90_000):
        found = kept(Answer(200, (JSON,), body), Answer(200, (JSON,), body[::-1]))
        assert len(json.dumps(found)) <= MOST_BYTES


def test_a_basic_authorization_is_masked_whole() -> None:
    """Its scheme is no secret."""
    pair = base64.b64encode(b"ann:hunter2").decode()
    found = kept(answer({}), None, Asked("GET", "/", (("Authorization", f"Basic {pair}"),)))
    assert found["request"]["headers"] == [["Authorization", f"Basic {MASK}"]]
