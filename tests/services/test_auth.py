"""Signing in and out, by either stack."""

import hashlib
import logging
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from services.catalog import database as catalog_database
from services.catalog import passwords, queries
from services.catalog.models import User
from services.catalog.settings import CatalogSettings
from services.flask_service import create_app
from services.flask_service.auth import LOCAL_PATH
from tests.services.conftest import HTML, Stack, StackName, open_stack

BOTH: list[StackName] = ["flask", "fastapi"]


async def test_sign_in_and_out(stack: Stack) -> None:
    """Signing in makes the session the user's, and signing out ends it."""
    assert (await stack.client.get("/me")).status_code == 401
    answer = await stack.log_in()
    assert (answer.status_code, answer.json()) == (200, {"id": 1, "username": "demo"})
    assert (await stack.client.get("/me")).json() == {"id": 1, "username": "demo"}
    out = await stack.client.post("/logout")
    assert (out.status_code, out.content) == (204, b"")
    assert "content-type" not in out.headers
    assert (await stack.client.get("/me")).status_code == 401


@pytest.mark.parametrize(("name", "password"), [("demo", "wrong"), ("nobody", "demo-password")])
async def test_wrong_credentials(stack: Stack, name: str, password: str) -> None:
    """A wrong password and an unknown name get one answer, and no session."""
    answer = await stack.log_in(name, password)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Wrong name or password"})
    assert "www-authenticate" in answer.headers
    assert "set-cookie" not in answer.headers


async def test_unknown_user_takes_the_same_work(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown name costs as much hashing as a wrong password: none tells who has an account."""
    await stack.log_in("nobody", "warm")
    work: list[tuple[Any, ...]] = []
    scrypt = hashlib.scrypt

    def counted(*args: Any, **kwargs: Any) -> bytes:
        work.append((kwargs["n"], kwargs["r"], kwargs["p"]))
        return scrypt(*args, **kwargs)

    monkeypatch.setattr(hashlib, "scrypt", counted)
    await stack.log_in("demo", "wrong")
    known, work[:] = list(work), []
    await stack.log_in("nobody", "wrong")
    assert known == work
    assert len(known) == 1


@pytest.mark.parametrize("password", ["secret-" * 200, ""])
async def test_password_is_never_repeated(stack: Stack, password: str) -> None:
    """A password that cannot be is a 422 that does not contain it."""
    answer = await stack.log_in("demo", password)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "password"]
    assert "secret-" not in answer.text


async def test_other_fields_do_not_repeat_the_password(stack: Stack) -> None:
    """A 422 about the name does not contain the password."""
    answer = await stack.log_in("", "hunter2-hunter2")
    assert answer.status_code == 422
    assert "hunter2" not in answer.text


async def test_session_of_a_user_who_is_gone(signed_in: Stack, engine: Engine) -> None:
    """A session whose user was removed is nobody's."""
    with Session(engine) as session:
        session.delete(session.scalars(queries.user_named("demo")).one())
        session.commit()
    assert (await signed_in.client.get("/me")).status_code == 401


async def test_sign_in_replaces_the_session(stack: Stack, engine: Engine) -> None:
    """Signing in as somebody else leaves nothing of the session before."""
    with Session(engine) as session:
        session.add(User(username="ada", password_hash=passwords.hash_password("engine-no-1")))
        session.commit()
    await stack.log_in()
    await stack.log_in("ada", "engine-no-1")
    assert (await stack.client.get("/me")).json()["username"] == "ada"


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_cookie_attributes(settings: CatalogSettings, name: StackName, scheme: str) -> None:
    """The cookie is HttpOnly, SameSite=Lax, valid on all paths, and Secure under TLS."""
    async with open_stack(name, settings, scheme=scheme) as stack:
        cookie = (await stack.log_in()).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/;" in cookie + ";"
    assert ("secure" in cookie) == (scheme == "https")
    assert cookie.startswith({"flask": "session=", "fastapi": "fastapi_session="}[name])


@pytest.mark.parametrize("name", BOTH)
async def test_key_rotation(database: str, name: StackName) -> None:
    """A session signed with an earlier key is accepted while that key is a fallback."""
    engine = catalog_database.build_engine(CatalogSettings(database_url=database))
    production = CatalogSettings(database_url=database, secret_key="an-old-key")
    catalog_database.prepare(engine, production)
    with Session(engine) as session:
        session.add(User(username="ada", password_hash=passwords.hash_password("engine-no-1")))
        session.commit()
    engine.dispose()
    async with open_stack(name, production) as stack:
        await stack.log_in("ada", "engine-no-1")
        cookies = dict(stack.client.cookies)
    for fallbacks, status in ((["an-old-key"], 200), ([], 401)):
        new = CatalogSettings(
            database_url=database, secret_key="a-new-key", secret_key_fallbacks=fallbacks
        )
        async with open_stack(name, new) as stack:
            stack.client.cookies.update(cookies)
            assert (await stack.client.get("/me")).status_code == status


@pytest.mark.parametrize("name", BOTH)
async def test_demo_user_only_in_development(database: str, name: StackName) -> None:
    """With a secret key there is no demo user, not even one from an earlier start."""
    async with open_stack(name, CatalogSettings(database_url=database)) as stack:
        assert (await stack.log_in()).status_code == 200
    secret = CatalogSettings(database_url=database, secret_key="a-secret-key")
    async with open_stack(name, secret) as stack:
        assert (await stack.log_in()).status_code == 401


def test_demo_user_is_announced_once(
    settings: CatalogSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """The demo user and the password are said once in a process, and not in production."""
    catalog_database._announce_once.cache_clear()
    secret = settings.model_copy(update={"secret_key": "a-secret-key"})
    with caplog.at_level(logging.WARNING):
        catalog_database.announce_demo_user(secret)
        assert not caplog.records
        create_app(settings)
        create_app(settings)
    assert len(caplog.records) == 1
    assert "'demo'" in caplog.text
    assert "'demo-password'" in caplog.text


async def test_browser_is_sent_to_sign_in(settings: CatalogSettings) -> None:
    """A browser that is not signed in signs in first, and then comes back, under any prefix."""
    async with open_stack("flask", settings, prefix="/flask") as stack:
        refused = await stack.client.get("/items/new", headers=HTML)
        assert refused.status_code == 303
        assert refused.headers["location"] == "/flask/login?next=/flask/items/new"
        form = {"username": "demo", "password": "demo-password", "next": "/flask/items/new"}
        answer = await stack.client.post("/login", data=form, headers=HTML)
        assert (answer.status_code, answer.headers["location"]) == (303, "/flask/items/new")
        out = await stack.client.post("/logout", headers=HTML)
        assert (out.status_code, out.headers["location"]) == (303, "/flask/")


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/\t/evil.example/",
        "\n//evil.example",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x=1",
        "",
    ],
)
async def test_next_stays_here(settings: CatalogSettings, target: str) -> None:
    """After signing in a browser goes nowhere but to a path of this host."""
    assert not LOCAL_PATH.fullmatch(target)
    form = {"username": "demo", "password": "demo-password", "next": target}
    async with open_stack("flask", settings) as stack:
        answer = await stack.client.post("/login", data=form, headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_failed_sign_in_shows_the_form_again(settings: CatalogSettings) -> None:
    """A browser that fails to sign in sees the form with its name, and not its password."""
    async with open_stack("flask", settings) as stack:
        form = {"username": "ada", "password": "hunter2", "next": "/items/new"}
        wrong = await stack.client.post("/login", data=form, headers=HTML)
        missing = await stack.client.post("/login", data={"username": "ada"}, headers=HTML)
    assert (wrong.status_code, missing.status_code) == (401, 422)
    for answer in (wrong, missing):
        assert 'value="ada"' in answer.text
        assert "hunter2" not in answer.text
    assert 'value="/items/new"' in wrong.text


def test_create_user(database: str) -> None:
    """`flask create-user` adds somebody who can sign in."""
    app = create_app(CatalogSettings(database_url=database, secret_key="a-secret-key"))
    result = app.test_cli_runner().invoke(args=["create-user", "ada", "--password", "engine-no-1"])
    assert result.exit_code == 0, result.output
    answer = app.test_client().post("/login", data={"username": "ada", "password": "engine-no-1"})
    app.extensions["catalog"].close()
    assert answer.status_code == 200
