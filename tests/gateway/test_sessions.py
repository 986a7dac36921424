"""One session for both stacks, in Flask's own cookie."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from flask import Flask, jsonify, session
from flask.sessions import SecureCookieSessionInterface, SessionInterface
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from gateway.adapters import adapt
from gateway.config import MountSettings, ServerSettings, SessionSettings
from gateway.exchange import ExchangeMiddleware
from gateway.mounts import Mount, MountTable
from gateway.problems import NotFound
from gateway.sessions import Session, SessionCookie, SharedSession, shared_cookie

KEY = "0123456789abcdef0123456789abcdef"


def flask_app(**config: Any) -> Flask:
    app = Flask("web")
    app.config.update(SECRET_KEY=KEY, **config)

    @app.get("/read")
    def read() -> Any:
        return jsonify(dict(session))

    @app.get("/write/<value>")
    def write(value: str) -> str:
        session["value"] = value
        return ""

    @app.get("/permanent")
    def permanent() -> str:
        session.permanent = True
        session["value"] = "kept"
        return ""

    @app.get("/clear")
    def clear() -> str:
        session.clear()
        return ""

    return app


def fastapi_app() -> FastAPI:
    app = FastAPI()

    @app.get("/read")
    async def read(request: Request) -> Any:
        return dict(request.session)

    @app.get("/write/{value}")
    async def write(value: str, request: Request) -> None:
        request.session["value"] = value

    @app.get("/permanent")
    async def permanent(request: Request) -> None:
        assert isinstance(request.session, Session)
        request.session.permanent = True
        request.session["value"] = "kept"

    @app.get("/clear")
    async def clear(request: Request) -> None:
        request.session.clear()

    @app.get("/ignore")
    async def ignore() -> None: ...

    return app


def client(web: Flask | None = None, scheme: str = "http") -> httpx.AsyncClient:
    web = web or flask_app()
    cookie = SessionCookie.from_flask(web)
    assert cookie is not None
    settings = MountSettings(name="web", prefix="/flask", app="x:y")
    mounts = [
        Mount("/flask", adapt(web, settings, ServerSettings()), path_may_be_empty=True),
        Mount("/fastapi", SharedSession(fastapi_app(), cookie)),
    ]
    app = ExchangeMiddleware(MountTable(mounts, otherwise=NotFound("Nothing.")))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"{scheme}://x.test")


BOTH_WAYS = pytest.mark.parametrize(
    ("writer", "reader"), [("flask", "fastapi"), ("fastapi", "flask"), ("fastapi", "fastapi")]
)


@BOTH_WAYS
async def test_what_one_stack_writes_the_other_reads(writer: str, reader: str) -> None:
    """The next request sees it, whichever stack answers."""
    async with client() as http:
        await http.get(f"/{writer}/write/hello")
        assert (await http.get(f"/{reader}/read")).json() == {"value": "hello"}
        assert len(http.cookies.jar) == 1


@BOTH_WAYS
async def test_what_one_stack_clears_is_gone_in_the_other(writer: str, reader: str) -> None:
    """Signing out on one side is signing out on both."""
    async with client() as http:
        await http.get(f"/{writer}/write/hello")
        await http.get(f"/{reader}/clear")
        assert (await http.get(f"/{writer}/read")).json() == {}
        assert len(http.cookies.jar) == 0


def set_cookie(answer: httpx.Response) -> set[str]:
    """The attributes of the answer's cookie, without its value and moment."""
    parts = answer.headers["set-cookie"].split("; ")[1:]
    return {part.partition("=")[0] if part.startswith("Expires") else part for part in parts}


@pytest.mark.parametrize("path", ["write/x", "permanent", "clear"])
@pytest.mark.parametrize(
    "config",
    [
        {"SESSION_COOKIE_SAMESITE": "Lax"},
        {
            "SESSION_COOKIE_SAMESITE": "Strict",
            "SESSION_COOKIE_PATH": "/f",
            "SESSION_COOKIE_NAME": "s",
        },
        {
            "SESSION_COOKIE_SAMESITE": "None",
            "SESSION_COOKIE_SECURE": True,
            "SESSION_COOKIE_PARTITIONED": True,
        },
        {
            "SESSION_COOKIE_SAMESITE": "Lax",
            "SESSION_COOKIE_DOMAIN": "x.test",
            "SESSION_COOKIE_HTTPONLY": False,
        },
    ],
)
async def test_both_stacks_send_the_same_attributes(path: str, config: dict[str, Any]) -> None:
    """The shared cookie is Flask's in every attribute, so that neither overwrites the other's."""
    web = flask_app(**config)
    cookie = SessionCookie.from_flask(web)
    assert cookie is not None
    full = Session({"value": "x"})
    sent = f"{cookie.name}={cookie.serializer.dumps(dict(full))}"
    async with client(web, "https" if config.get("SESSION_COOKIE_SECURE") else "http") as http:
        answers = [
            await http.get(f"/{stack}/{path}", headers={"cookie": sent})
            for stack in ("flask", "fastapi")
        ]
    assert set_cookie(answers[0]) == set_cookie(answers[1])
    assert "Cookie" in answers[1].headers["vary"]


async def test_the_cookie_is_careful_by_default() -> None:
    """HttpOnly and SameSite without asking; Secure under TLS."""
    async with client() as plain, client(scheme="https") as tls:
        assert set_cookie(await plain.get("/fastapi/write/x")) == {
            "HttpOnly",
            "Path=/",
            "SameSite=Lax",
        }
        assert "Secure" in set_cookie(await tls.get("/fastapi/write/x"))


async def test_a_request_that_ignores_the_session_sends_no_cookie() -> None:
    """Answers stay cacheable where nothing depends on the session."""
    async with client() as http:
        answer = await http.get("/fastapi/ignore")
        assert "set-cookie" not in answer.headers
        assert "vary" not in answer.headers
        assert "set-cookie" not in (await http.get("/fastapi/read")).headers


@pytest.mark.parametrize(
    ("damage"),
    [
        # In the signature's middle: the last character of base64 has bits that mean nothing.
        lambda value: value[:-9] + ("A" if value[-9] != "A" else "B") + value[-8:],
        lambda value: "x" + value,
        lambda value: value.rpartition(".")[0],
        lambda value: "",
        lambda value: "null",
        lambda value: "\xff\xfe",
    ],
)
async def test_a_tampered_cookie_is_an_empty_session(damage: Any) -> None:
    """What was not signed is not believed, and is no error."""
    cookie = SessionCookie.from_keys(KEY, [], "session")
    value = damage(cookie.serializer.dumps({"user_id": 1}))
    assert cookie.load(value) == {}
    async with client() as http:
        headers = [(b"cookie", f"session={value}".encode("latin-1"))]
        answer = await http.get("/fastapi/read", headers=headers)
    assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize(
    "lines",
    [
        ["session={A}; session={B}"],
        ["session={A}", "session={B}"],
        ["other=1", "session={A}"],
        ["my_session={B}; session={A}"],
    ],
)
async def test_both_stacks_believe_the_same_cookie(lines: list[str]) -> None:
    """Of two cookies of one name both take the first, wherever in the headers it stands."""
    cookie = SessionCookie.from_keys(KEY, [], "session")
    values = {name: str(cookie.serializer.dumps({"value": name})) for name in "AB"}
    headers = [("cookie", line.format(**values)) for line in lines]
    async with client() as http:
        # Each HTTP/2 stream may bring several lines; to Flask the adapter joins them.
        answers = [
            (await http.get(f"/{s}/read", headers=headers)).json() for s in ("flask", "fastapi")
        ]
    assert answers == [{"value": "A"}, {"value": "A"}]


def test_a_signed_value_that_is_no_session_is_an_empty_session() -> None:
    """A value of another kind that the same key signed is not a session."""
    cookie = SessionCookie.from_keys(KEY, [], "session")
    assert cookie.load(str(cookie.serializer.dumps(5))) == {}


def test_an_expired_cookie_is_an_empty_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cookie older than the lifetime is not believed."""
    cookie = SessionCookie.from_keys(KEY, [], "session")
    value = str(cookie.serializer.dumps({"user_id": 1}))
    later = datetime.now(UTC) + cookie.lifetime + timedelta(seconds=2)
    monkeypatch.setattr("itsdangerous.timed.time.time", later.timestamp)
    assert cookie.load(value) == {}


def test_keys_can_be_rotated() -> None:
    """Sessions of an earlier key stay valid; new ones are signed with the new key."""
    old = SessionCookie.from_keys(KEY, [], "session")
    new = SessionCookie.from_keys("another-key-another-key", [KEY], "session")
    value = str(old.serializer.dumps({"user_id": 1}))
    assert new.load(value) == {"user_id": 1}
    assert old.load(str(new.serializer.dumps({"user_id": 1}))) == {}


async def test_flask_s_own_fallbacks_are_honoured() -> None:
    """A Flask app that rotates its keys needs no second setting."""
    old = SessionCookie.from_keys("yesterday-yesterday", [], "session")
    web = flask_app(SECRET_KEY_FALLBACKS=["yesterday-yesterday"])
    async with client(web) as http:
        headers = {"cookie": f"session={old.serializer.dumps({'value': 'old'})}"}
        assert (await http.get("/fastapi/read", headers=headers)).json() == {"value": "old"}


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.uuids()
    | st.binary()
    | st.text().map(Markup)
    | st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
        lambda moment: moment.replace(microsecond=0)
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_values_cross_as_flask_reads_and_writes_them(data: dict[str, Any]) -> None:
    """Every type that Flask's own format knows arrives as itself, both ways."""
    app = Flask("web")
    app.secret_key = KEY
    theirs = SecureCookieSessionInterface().get_signing_serializer(app)
    ours = SessionCookie.from_keys(KEY, [], "session")
    assert theirs is not None
    assert theirs.loads(ours.serializer.dumps(data)) == ours.load(str(theirs.dumps(data)))
    assert ours.load(str(theirs.dumps(data))) == data


def test_the_first_flask_mount_with_a_key_is_shared() -> None:
    """The sharing needs no setting; a Flask app without a key is passed over."""
    keyless, keyed = Flask("a"), flask_app(SESSION_COOKIE_NAME="keyed")
    cookie = shared_cookie(SessionSettings(), {"a": keyless, "b": object(), "c": keyed})
    assert cookie is not None
    assert cookie.name == "keyed"


def test_the_named_mount_is_shared() -> None:
    """`session.mount` decides between several."""
    services = {"a": flask_app(), "b": flask_app(SESSION_COOKIE_NAME="second")}
    cookie = shared_cookie(SessionSettings(mount="b"), services)
    assert cookie is not None
    assert cookie.name == "second"


def test_the_gateway_s_own_key_wins() -> None:
    """A key in the settings signs the session, whatever Flask has."""
    settings = SessionSettings.model_validate({"secret_key": KEY, "cookie_name": "own"})
    cookie = shared_cookie(settings, {"a": flask_app()})
    assert cookie is not None
    assert cookie.name == "own"


class _ServerSide(SessionInterface):
    """Stands for an extension that keeps sessions in a store."""


def test_nothing_is_shared_where_it_cannot_be() -> None:
    """Off by setting, without a key, or with sessions of another kind."""
    elsewhere = flask_app()
    elsewhere.session_interface = _ServerSide()
    assert shared_cookie(SessionSettings(shared=False), {"a": flask_app()}) is None
    assert shared_cookie(SessionSettings(), {"a": Flask("a")}) is None
    assert shared_cookie(SessionSettings(), {"a": elsewhere}) is None
