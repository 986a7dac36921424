"""Importing, building and telling apart what users name in their mounts."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from gateway.config import ConfigurationError, read
from gateway.loading import Service, interface_of, load_services
from tests.gateway.projects import write_project

pytestmark = pytest.mark.usefixtures("forget_imports")

SHOP = """
from flask import Flask

web = Flask(__name__)
nothing = None
number = 5

class Web(Flask): ...

def create(): return web
def wants(config, debug=False): return web
def broken(): raise RuntimeError("no database")
def leaves(): raise SystemExit("bye")
async def asynchronous(): return web
def returns_number(): return 5
def anything(*args): ...
class nested:
    app = web
"""


def load(folder: Path, app: str, **keys: Any) -> Service:
    lines = [f"{key} = {str(value).lower()}" for key, value in keys.items() if key == "factory"]
    lines += [f'{key} = "{value}"' for key, value in keys.items() if key != "factory"]
    toml = "\n".join(['[[mounts]]\nname = "m"\nprefix = "/m"', f'app = "{app}"', *lines])
    (service,) = load_services(read(write_project(folder, toml, {"shop_": SHOP}), environ={}))
    return service


def fault_of(folder: Path, app: str, **keys: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(folder, app, **keys)
    (fault,) = caught.value.faults
    return f"{fault.key}: {fault.found}"


@pytest.mark.parametrize(
    ("app", "factory"), [("shop_:web", False), ("shop_:create", True), ("shop_:nested.app", False)]
)
def test_a_service_is_imported_from_beside_the_file(
    tmp_path: Path, app: str, factory: bool
) -> None:
    """A user's own module is found without installing it."""
    service = load(tmp_path, app, factory=factory)
    assert (service.stack, service.interface, service.adapter) == ("Flask", "wsgi", "bridge")


def test_a_factory_is_called_once(tmp_path: Path) -> None:
    """Every service is built once."""
    counting = "built = []\ndef create():\n    built.append(1)\n    return lambda e, s: built\n"
    toml = '[[mounts]]\nname="m"\nprefix="/m"\napp="counting:create"\nfactory=true'
    file = write_project(tmp_path, toml, {"counting": counting})
    (service,) = load_services(read(file, environ={}))
    assert service.app(None, None) == [1]


@pytest.mark.parametrize(
    ("app", "keys", "found"),
    [
        ("nowhere_:web", {}, 'app: no module "nowhere_"'),
        ("shop_.sub:web", {}, 'app: importing "shop_.sub" failed'),
        ("shop_:wbe", {}, 'app: "shop_" has no attribute "wbe"; it has anything, asynchronous'),
        ("shop_:nothing", {}, "app: None, which is neither WSGI nor ASGI"),
        ("shop_:number", {}, "app: an object of type int, which is neither"),
        ("shop_:Web", {}, "app: the class Web; is it a factory? Then set factory = true"),
        ("shop_:create", {}, "app: the function create() without arguments; is it a factory?"),
        ("shop_:anything", {}, "called neither like WSGI nor like ASGI"),
        (
            "shop_:wants",
            {"factory": True},
            "factory: true, but calling it needs arguments: (config",
        ),
        ("shop_:number", {"factory": True}, "factory: true, but the attribute is an object of"),
        ("shop_:broken", {"factory": True}, "app: the factory raised RuntimeError: no database ("),
        ("shop_:leaves", {"factory": True}, "app: the factory raised SystemExit: bye ("),
        ("shop_:asynchronous", {"factory": True}, "app: what an async factory returns"),
        ("shop_:returns_number", {"factory": True}, "app: an object of type int, which is neither"),
        ("shop_:number", {"interface": "wsgi"}, "which cannot be called"),
    ],
)
def test_what_cannot_be_served_says_why(
    tmp_path: Path, app: str, keys: dict[str, Any], found: str
) -> None:
    """Each way to name something that is no service has its own words."""
    assert found in fault_of(tmp_path, app, **keys)


def test_a_failing_import_shows_its_own_last_line_and_place(tmp_path: Path) -> None:
    """The user sees their line, not the gateway's frames."""
    modules = {"failing_": "import a_module_that_is_not_there\n"}
    file = write_project(tmp_path, '[[mounts]]\nname="m"\nprefix="/m"\napp="failing_:x"', modules)
    with pytest.raises(ConfigurationError) as caught:
        load_services(read(file, environ={}))
    found = caught.value.faults[0].found
    assert "ModuleNotFoundError: No module named 'a_module_that_is_not_there'" in found
    assert f"({tmp_path / 'failing_.py'}:1)" in found
    assert "gateway/" not in found


def test_a_syntax_error_names_its_file_and_line(tmp_path: Path) -> None:
    """A module that is not Python says where."""
    modules = {"unparsable_": "fine = 1\ndef (:\n"}
    file = write_project(
        tmp_path, '[[mounts]]\nname="m"\nprefix="/m"\napp="unparsable_:x"', modules
    )
    with pytest.raises(ConfigurationError, match=r"SyntaxError.*unparsable_\.py:2\)"):
        load_services(read(file, environ={}))


def test_faults_of_settings_and_of_services_come_together(tmp_path: Path) -> None:
    """One run of `gateway check` finds both."""
    toml = """
    [server]
    prot = 1
    [[mounts]]
    name = "a"
    prefix = "/a"
    app = "nowhere_:a"
    [[mounts]]
    name = "b"
    prefix = "/b"
    app = "nowhere_:b"
    """
    with pytest.raises(ConfigurationError) as caught:
        load_services(read(write_project(tmp_path, toml), environ={}))
    keys = [fault.key for fault in caught.value.faults]
    assert keys == ["server.prot", '[[mounts]] "a" app', '[[mounts]] "b" app']


@pytest.mark.parametrize(
    ("key", "faults"),
    [
        ("dev", 1),
        ("development-only-secret-key", 1),
        ("short", 1),
        ("0123456789abcdef0123", 0),
    ],
)
def test_production_refuses_a_flask_app_with_a_development_secret(
    tmp_path: Path, key: str, faults: int
) -> None:
    """The key that signs the session of both stacks is a real one, or nothing starts."""
    module = f"from flask import Flask\nweb = Flask(__name__)\nweb.secret_key = {key!r}\n"
    toml = 'environment = "production"\n[[mounts]]\nname="m"\nprefix="/m"\napp="keyed_:web"'
    file = write_project(tmp_path, toml, {"keyed_": module})
    configuration = read(file, environ={"GATEWAY_ADMIN__TOKEN": "0123456789abcdef"})
    if not faults:
        assert len(load_services(configuration)) == 1
        return
    with pytest.raises(ConfigurationError) as caught:
        load_services(configuration)
    assert "development SECRET_KEY" in caught.value.faults[0].found
    assert repr(key) not in str(caught.value)


class _Asgi2:
    def __init__(self, scope: Any) -> None: ...


class _PlainAsgi:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class _PlainWsgi:
    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return []


async def _asgi_function(scope: Any, receive: Any, send: Any) -> None: ...


def _wsgi_function(environ: Any, start_response: Any) -> list[bytes]:
    return []


@pytest.mark.parametrize(
    ("app", "interface"),
    [
        (Flask("x"), "wsgi"),
        (ProxyFix(Flask("x").wsgi_app), "wsgi"),
        (DispatcherMiddleware(Flask("x")), "wsgi"),
        (_wsgi_function, "wsgi"),
        (_PlainWsgi(), "wsgi"),
        (functools.partial(lambda extra, environ, start: [], 1), "wsgi"),
        (FastAPI(), "asgi"),
        (Starlette(), "asgi"),
        (CORSMiddleware(Starlette()), "asgi"),
        (_asgi_function, "asgi"),
        (_PlainAsgi(), "asgi"),
        (functools.partial(_asgi_function), "asgi"),
        (_Asgi2, None),
        (Flask, None),
        (lambda: None, None),
        (lambda *args: None, None),
        ("text", None),
        (None, None),
    ],
)
def test_the_interface_is_told_from_the_object(app: object, interface: str | None) -> None:
    """WSGI takes two arguments, ASGI three; anything else is neither."""
    assert interface_of(app) == interface


SWITCHED = """
    [[mounts]]
    name = "old"
    app = "shops_:old"
    [[mounts]]
    name = "new"
    app = "shops_:new"
    [[mounts]]
    name = "shop"
    prefix = "/shop"
    switch = { legacy = "old", candidate = "new" }
"""
SHOPS = """
    from fastapi import FastAPI
    from flask import Flask

    old, new = Flask(__name__), FastAPI()

    @old.route("/items/<int:number>", methods=["GET", "DELETE"])
    def old_item(number): ...

    @old.get("/only-old")
    def only_old(): ...

    @new.get("/items/{number}")
    def new_item(number: int): ...

    @new.get("/only-new")
    def only_new(): ...
"""


def switched(folder: Path, rule: str = "", more: str = "") -> list[Service]:
    """The services behind a switch with one rule."""
    rules = f"    [[mounts.rules]]\n    {rule}\n" if rule else ""
    file = write_project(folder, f"{SWITCHED}{rules}{more}", {"shops_": SHOPS})
    return load_services(read(file, environ={}))


def test_a_service_behind_a_switch_is_where_the_switch_is(tmp_path: Path) -> None:
    """It has no prefix of its own, and is known by the public one."""
    services = switched(tmp_path)
    assert [(one.name, one.mount.prefix, one.hidden) for one in services] == [
        ("old", "/shop", True),
        ("new", "/shop", True),
    ]


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ('path = "/nowhere"', 'no route for /nowhere in "old" and "new"'),
        ('path = "/only-old"; mode = "candidate"', 'no route for /only-old in "new"'),
        ('path = "/only-new"; mode = "shadow"', 'no route for /only-new in "old"'),
        (
            'path = "/items/{n}"; methods = ["DELETE"]; mode = "candidate"',
            'no route for DELETE /items/{n} in "new"',
        ),
        ('path = "/items"; mode = "legacy"', 'no route for /items in "old" and "new"'),
        ('path = "items"', '"items"'),
        ('path = "/items/{n}"; mode = "canary"', "canary at 0 %"),
        (
            'path = "/admin/{rest:path}"; mode = "legacy"',
            'can never match: another mount answers below "/admin"',
        ),
    ],
)
def test_a_rule_that_cannot_be_kept_is_a_fault(tmp_path: Path, rule: str, found: str) -> None:
    """It is told before anything starts, with the rule that it is."""
    other = '    [[mounts]]\n    name = "b"\n    prefix = "/shop/admin"\n    app = "shops_:new"\n'
    with pytest.raises(ConfigurationError) as caught:
        switched(tmp_path, "\n    ".join(rule.split("; ")), other)
    (fault,) = caught.value.faults
    assert found in fault.found
    assert '[[mounts]] "shop" rule' in fault.key


@pytest.mark.parametrize(
    "rule",
    [
        'path = "/only-new"; mode = "candidate"',
        'path = "/items/<int:n>"; methods = ["GET"]; mode = "shadow"',
        'path = "/{rest:path}"; mode = "candidate"',
        'path = "/only-old"; mode = "legacy"',
    ],
)
def test_a_sound_rule_is_none(tmp_path: Path, rule: str) -> None:
    """Also one for a route that only one side has, where its mode needs no other."""
    elsewhere = (
        '    [[mounts]]\n    name = "b"\n    prefix = "/shop/items"\n'
        '    host = "other.example"\n    app = "shops_:new"\n'
    )
    assert len(switched(tmp_path, "\n    ".join(rule.split("; ")), elsewhere)) == 3
