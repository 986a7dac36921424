"""`gateway switch`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.switch.evidence.store import Store
from gateway.switch.records import Period, Tally
from gateway.switch_command import switch
from tests.gateway.projects import write_project

MODULE = """
    from fastapi import FastAPI
    from flask import Flask

    web = Flask(__name__, static_folder=None)

    @web.get("/items/<int:item_id>")
    def read_item(item_id): return {"id": item_id}

    @web.route("/items", methods=["GET", "POST"])
    def items(): return {"items": []}

    @web.get("/old")
    def old(): return "old"

    @web.get("/lists/<name>")
    def lists(name): return {"name": name}

    api = FastAPI()

    @api.get("/items/{item_id:int}")
    async def read(item_id: int): return {"id": item_id}

    @api.get("/items")
    async def all_items(): return {"items": []}

    @api.post("/items")
    async def add(): return {"items": []}

    @api.get("/lists/{name}")
    async def lists_of(name: str): return {"name": name}
"""

TOML = """
    [[mounts]]
    name = "flask"
    app = "switched_:web"
    [[mounts]]
    name = "fastapi"
    app = "switched_:api"
    [[mounts]]
    name = "api"
    prefix = "/api"
    switch = { legacy = "flask", candidate = "fastapi" }
    [[mounts.rules]]
    methods = ["GET"]
    path = "/items/{item_id}"
    mode = "shadow"
    group = "teas"
    [[mounts.rules]]
    methods = ["GET", "POST"]
    path = "/items"
"""

Run = Callable[..., Result]
ITEM = "GET /items/{item_id}"


@pytest.fixture
def project(tmp_path: Path, forget_imports: None) -> Path:
    return write_project(tmp_path, TOML, {"switched_": MODULE})


@pytest.fixture
def run(project: Path) -> Run:
    """Runs a command of `gateway switch` in the project."""

    def run(command: str, *arguments: str) -> Result:
        return CliRunner().invoke(switch, [command, "--config", str(project), *arguments])

    return run


@pytest.fixture
def stored(project: Path) -> Callable[[], Store]:
    """The store of the project's switch."""

    def stored() -> Store:
        store = Store(f"sqlite:///{project.parent / 'switch.db'}")
        store.prepare()
        return store

    return stored


def routes(done: Result) -> dict[str, Any]:
    assert done.exit_code == 0, done.output
    return {route["route"]: route for route in json.loads(done.stdout)["routes"]}


def test_the_inventory_says_what_the_candidate_lacks(run: Run) -> None:
    """Without a database."""
    done = run("inventory")
    assert done.exit_code == 0, done.output
    assert "5 routes of flask; fastapi has 4 of them, 1 to go." in done.stdout
    (old,) = (line for line in done.stdout.splitlines() if line.startswith("GET /old"))
    assert old.split()[2:] == ["/old", "old", "-", "-"]
    found = json.loads(run("inventory", "--json").stdout)
    assert {route["route"] for route in found if route["candidate"] is None} == {"GET /old"}
    assert not any("openapi" in route["path"] for route in found)


def test_a_mode_that_is_set_is_there_for_whoever_looks(
    run: Run, stored: Callable[[], Store]
) -> None:
    """No gateway has to run; what was before and what is now is told."""
    done = run("set", ITEM, "canary", "--percent", "5", "--why", "begin", "--who", "ann")
    assert done.exit_code == 0, done.output
    assert f"{ITEM}: was shadow (the file), now canary 5 %" in done.stdout
    one = stored().run_time("api").rules[ITEM]
    assert (one.mode, one.percent, one.who, one.why) == ("canary", 5.0, "ann", "begin")
    (change,) = stored().history("api")
    assert (change.before, change.after) == (("shadow", 0.0), ("canary", 5.0))
    route = routes(run("status", "--json"))["GET /items/{}"]
    assert (route["mode"], route["percent"], route["set"]["who"]) == ("canary", 5.0, "ann")
    assert "was canary 5 %, now shadow" in run("set", ITEM, "file").stdout
    assert stored().run_time("api").rules == {}


@pytest.mark.parametrize("name", [ITEM, "teas", "GET /items/{}", "/items/<int:other>"])
def test_a_route_is_called_by_its_rule_its_group_or_its_path(
    run: Run, stored: Callable[[], Store], name: str
) -> None:
    """In either stack's syntax."""
    assert run("set", name, "candidate").exit_code == 0
    assert set(stored().run_time("api").rules) == {ITEM}


def test_a_route_without_a_rule_gets_one(run: Run, stored: Callable[[], Store]) -> None:
    """Which holds until it is set to what the file says."""
    done = run("set", "GET /lists/{}", "shadow", "--who", "ann")
    assert "GET /lists/<name>: was legacy (the file), now shadow" in done.stdout
    assert set(stored().run_time("api").rules) == {"GET /lists/<name>"}
    assert routes(run("report", "--json"))["GET /lists/{}"]["mode"] == "shadow"
    assert "now no rule" in run("set", "GET /lists/<name>", "file").stdout
    assert routes(run("report", "--json"))["GET /lists/{}"]["mode"] == "legacy"


def test_the_kill_switch_is_a_route_called_star(run: Run, stored: Callable[[], Store]) -> None:
    """Who sets anything while it is on is told that it changes nothing."""
    done = run("set", "*", "legacy", "--who", "ann")
    assert "was kill switch off, now kill switch on" in done.stdout
    assert stored().run_time("api").killed
    assert "The kill switch is on" in run("set", ITEM, "candidate").stdout
    assert "The kill switch is on" in run("status").stdout
    assert "was kill switch on, now kill switch off" in run("set", "*", "rules").stdout
    assert not stored().run_time("api").killed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("GET /nowhere", "shadow"), "Neither service has a route GET /nowhere"),
        (("/nowhere", "shadow"), "Neither service has a route /nowhere"),
        (("nothing", "shadow"), "groups are teas"),
        ((ITEM, "canary"), '"canary" needs a percent'),
        ((ITEM, "canary", "--percent", "0"), "canary at 0 %"),
        ((ITEM, "canary", "--percent", "101"), "canary at 101 %"),
        ((ITEM, "shadow", "--percent", "5"), 'percent is for the mode "canary"'),
        ((ITEM, "rules"), '"*" is the kill switch'),
        (("*", "candidate"), '"*" is the kill switch'),
        ((ITEM, "faster"), "is not one of"),
        (("GET /old", "shadow"), 'no route for GET /old in "fastapi"'),
        (("POST /items", "shadow"), 'belongs to the rule "GET,POST /items", which is for GET, too'),
        ((ITEM, "legacy", "--switch", "other"), "is none of api"),
    ],
)
def test_what_cannot_be_set_is_refused_in_words(
    run: Run, stored: Callable[[], Store], arguments: tuple[str, ...], words: str
) -> None:
    """As it would be in the configuration; nothing is set."""
    done = run("set", *arguments)
    assert done.exit_code == 2
    assert words in " ".join(done.output.split())
    assert stored().run_time("api").rules == {}
    assert stored().revision() == 0


def test_shadows_of_what_may_not_be_repeated_are_refused(
    run: Run, project: Path, stored: Callable[[], Store]
) -> None:
    """A POST would be done twice."""
    text = project.read_text(encoding="utf-8").replace('["GET", "POST"]', '["POST"]')
    project.write_text(text, encoding="utf-8")
    done = run("set", "POST /items", "shadow")
    assert done.exit_code == 2
    assert "may not be repeated" in " ".join(done.output.split())
    assert stored().revision() == 0
    assert run("set", "POST /items", "canary", "--percent", "5").exit_code == 0


def test_the_report_exits_by_the_verdict_on_the_routes_asked_for(
    run: Run, stored: Callable[[], Store]
) -> None:
    """For a pipeline; whoever only looks gets 0."""
    period = Period("api", ITEM, "GET /items/{}", 0, "shadow")
    stored().add({period: Tally({"shadow match": 2999, "served legacy 2xx": 2999})})
    done = run("report", "--route", ITEM)
    assert done.exit_code == 1
    assert "NOT YET: 2,999 of 3,000 comparisons" in done.stdout
    assert run("report").exit_code == 0
    stored().add({period: Tally({"shadow match": 1})})
    assert run("report", "--route", ITEM).exit_code == 0
    assert run("report", "--route", "teas", "--json").exit_code == 0
    assert run("report", "--route", ITEM, "--route", "GET /old").exit_code == 1
    assert run("report", "--route", "*").exit_code == 1
    done = run("report", "--route", "GET /nowhere")
    assert done.exit_code == 2
    assert "gateway switch inventory" in done.output


def test_the_report_shows_what_differs_and_what_to_do(
    run: Run, stored: Callable[[], Store]
) -> None:
    """As text; routes that no rule is for are counted."""
    run("set", ITEM, "shadow", "--who", "ann", "--why", "begin")
    epoch = stored().run_time("api").rules[ITEM].epoch
    period = Period("api", ITEM, "GET /items/{}", epoch, "shadow")
    stored().add({period: Tally({"shadow mismatch": 2, "served legacy 2xx": 3})})
    done = run("report")
    assert done.exit_code == 0, done.output
    assert "api: /api, flask -> fastapi, revision 1" in done.stdout
    assert "GET /items/{}  shadow (ann, " in done.stdout
    assert "2 of 2 comparisons differ" in done.stdout
    assert "requests, legacy: 2xx 3 (3 in all)" in done.stdout
    assert "ann shadow -> shadow: begin" in done.stdout
    assert "2 routes that no rule is for are not shown" in done.stdout
    assert "GET /old" not in done.stdout


def test_status_is_one_line_for_each_route(run: Run, stored: Callable[[], Store]) -> None:
    """With its requests since it has its mode."""
    period = Period("api", ITEM, "GET /items/{}", 0, "shadow")
    stored().add({period: Tally({"shadow match": 1200, "served legacy 2xx": 1300})})
    done = run("status")
    (line,) = (each for each in done.stdout.splitlines() if each.startswith("GET /items/{}"))
    assert line.split()[2:] == ["shadow", "-", "1,300", "0", "1,200", "0", "NOT", "YET"]


def test_a_database_that_cannot_be_used_is_told(run: Run, project: Path) -> None:
    """With exit code 1: the settings are sound, and it may be there later."""
    (project.parent / "switch.db").mkdir()
    for command in (("status",), ("report",), ("set", ITEM, "legacy")):
        done = run(*command)
        assert done.exit_code == 1
        assert done.stderr.startswith("gateway: ")
        assert "Traceback" not in done.output


def test_of_several_switches_one_is_named(run: Run, project: Path) -> None:
    """Of one, none need be."""
    more = """
[[mounts]]
name = "second"
prefix = "/second"
switch = { legacy = "flask", candidate = "fastapi" }
"""
    project.write_text(project.read_text(encoding="utf-8") + more, encoding="utf-8")
    done = run("status")
    assert done.exit_code == 2
    assert "api, second" in done.output
    assert run("status", "--switch", "second").exit_code == 0


def test_without_a_switch_there_is_nothing_to_say(tmp_path: Path, forget_imports: None) -> None:
    """But how one is written."""
    toml = '[[mounts]]\nname = "flask"\nprefix = "/"\napp = "switched_:web"\n'
    file = write_project(tmp_path, toml, {"switched_": MODULE})
    done = CliRunner().invoke(switch, ["status", "--config", str(file)])
    assert done.exit_code == 2
    assert "switch = {" in done.output


def test_a_candidate_at_an_address_may_have_any_route(tmp_path: Path, forget_imports: None) -> None:
    """Nobody can look into it."""
    toml = TOML.replace('candidate = "fastapi"', 'candidate = "http://127.0.0.1:9"').replace(
        """    [[mounts]]
    name = "fastapi"
    app = "switched_:api"
""",
        "",
    )
    file = write_project(tmp_path, toml, {"switched_": MODULE})
    done = CliRunner().invoke(switch, ["inventory", "--config", str(file)])
    assert done.exit_code == 0, done.output
    assert "5 routes of flask; http://127.0.0.1:9 has 5 of them, 0 to go." in done.stdout


def test_faults_of_the_configuration_are_told_as_everywhere(project: Path) -> None:
    """With exit code 2, before any database is asked."""
    text = project.read_text(encoding="utf-8").replace('"shadow"', '"faster"')
    project.write_text(text, encoding="utf-8")
    done = CliRunner().invoke(main, ["switch", "status", "--config", str(project)])
    assert done.exit_code == 2
    assert '"candidate-shadow"' in done.stderr
    assert not (project.parent / "switch.db").exists()
