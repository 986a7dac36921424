"""Both reference services behind one front door: what one stack does, the other knows."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.live.conftest import ROOT, sign_in
from tests.live.serving import Gateway

STACKS = pytest.mark.parametrize("stack", ["flask", "fastapi"])
BOTH_WAYS = pytest.mark.parametrize(("one", "other"), [("flask", "fastapi"), ("fastapi", "flask")])
ITEM = {"name": "Folding saw", "description": "Cuts on the pull.", "price": "24.90", "stock": 7}


@STACKS
def test_the_article_s_first_answers(visitor: httpx.Client, stack: str) -> None:
    """Hello, World from each."""
    if stack == "flask":
        assert visitor.get("/flask/hello").text == "Hello, World!"
        assert "Hello, World!" in visitor.get("/flask/").text
    else:
        assert visitor.get("/fastapi/").json() == {"Hello": "World"}


@BOTH_WAYS
def test_signing_in_and_out_counts_on_both_sides(
    visitor: httpx.Client, one: str, other: str
) -> None:
    """One login, one logout."""
    assert visitor.get(f"/{other}/me").status_code == 401
    assert sign_in(visitor, one).status_code == 200
    assert visitor.get(f"/{other}/me").json()["username"] == "demo"
    assert visitor.post(f"/{other}/logout").status_code == 204
    assert visitor.get(f"/{one}/me").status_code == 401
    assert len(visitor.cookies.jar) == 0


@STACKS
def test_a_wrong_password_is_refused_and_never_repeated(visitor: httpx.Client, stack: str) -> None:
    """401, no session, no echo."""
    answer = sign_in(visitor, stack, "open-sesame")
    assert answer.status_code == 401
    assert "open-sesame" not in answer.text
    assert len(visitor.cookies.jar) == 0


@STACKS
def test_writes_need_a_signed_in_user(visitor: httpx.Client, stack: str) -> None:
    """Reading is for everybody, writing is not."""
    assert visitor.get(f"/{stack}/items").status_code == 200
    assert visitor.post(f"/{stack}/items", json=ITEM).status_code == 401
    assert visitor.put(f"/{stack}/items/1", json=ITEM).status_code == 401
    assert visitor.delete(f"/{stack}/items/1").status_code == 401


@BOTH_WAYS
def test_what_one_stack_writes_the_other_serves(member: httpx.Client, one: str, other: str) -> None:
    """One database: create, replace and delete on one side, read on the other."""
    created = member.post(f"/{one}/items", json=ITEM)
    assert created.status_code == 201
    assert created.headers["location"].endswith(f"/{one}/items/{created.json()['id']}")
    path = f"items/{created.json()['id']}"
    assert member.get(f"/{other}/{path}").json() == created.json()
    replaced = member.put(f"/{other}/{path}", json={**ITEM, "stock": 8})
    assert replaced.json()["stock"] == 8
    assert member.get(f"/{one}/{path}").json() == replaced.json()
    assert member.delete(f"/{one}/{path}").status_code == 204
    assert member.get(f"/{other}/{path}").status_code == 404


@pytest.mark.parametrize(
    "query", ["", "?page=2&size=5", "?q=mug", "?sort=-price&size=3", "?q=no-such-thing"]
)
def test_both_stacks_list_alike(visitor: httpx.Client, query: str) -> None:
    """The same shapes, the same order, the same paging."""
    flask, fastapi = (visitor.get(f"/{stack}/items{query}") for stack in ("flask", "fastapi"))
    assert flask.status_code == fastapi.status_code == 200
    assert flask.json() == fastapi.json()


@pytest.mark.parametrize("query", ["?page=0", "?size=1000", "?sort=colour", "?page=x"])
def test_both_stacks_refuse_bad_paging_alike(visitor: httpx.Client, query: str) -> None:
    """422 with the same explanation."""
    flask, fastapi = (visitor.get(f"/{stack}/items{query}") for stack in ("flask", "fastapi"))
    assert flask.status_code == fastapi.status_code == 422
    assert flask.json() == fastapi.json()


@BOTH_WAYS
def test_a_write_by_either_stack_invalidates_the_report_of_both(
    member: httpx.Client, one: str, other: str
) -> None:
    """A cached report is never older than the last write."""
    member.get(f"/{one}/report")
    before = member.get(f"/{one}/report")
    assert before.headers["x-cache"] == "HIT"
    item = member.post(f"/{other}/items", json=ITEM).json()
    after = member.get(f"/{one}/report")
    assert after.headers["x-cache"] == "MISS"
    assert after.json()["count"] == before.json()["count"] + 1
    assert member.get(f"/{one}/report").headers["x-cache"] == "HIT"
    member.delete(f"/{other}/items/{item['id']}")


@STACKS
def test_server_sent_events_announce_writes_of_either_stack(
    reference: Gateway, member: httpx.Client, stack: str
) -> None:
    """A listener at FastAPI learns of a write at Flask."""
    with httpx.stream("GET", f"{reference.url}/fastapi/events", timeout=20) as stream:
        lines = stream.iter_lines()
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert next(lines) == ": listening"
        item = member.post(f"/{stack}/items", json=ITEM).json()
        data = next(line for line in lines if line.startswith("data:"))
    change = json.loads(data.removeprefix("data:"))
    assert (change["kind"], change["item_id"]) == ("created", item["id"])


@STACKS
def test_a_websocket_announces_writes_of_either_stack(
    reference: Gateway, member: httpx.Client, stack: str
) -> None:
    """The same over a WebSocket."""
    with connect(reference.url.replace("http", "ws") + "/fastapi/events/ws") as websocket:
        item = member.post(f"/{stack}/items", json=ITEM).json()
        change = json.loads(websocket.recv(timeout=20))
    assert (change["kind"], change["item_id"]) == ("created", item["id"])


def test_the_export_streams_every_item(visitor: httpx.Client) -> None:
    """All items, one line each, under the header."""
    total = visitor.get("/flask/items").json()["total"]
    with visitor.stream("GET", "/flask/export.csv") as answer:
        lines = list(answer.iter_lines())
    assert answer.headers["content-type"].startswith("text/csv")
    assert len(lines) == total + 1


def test_a_browser_is_sent_back_to_where_it_was(visitor: httpx.Client) -> None:
    """Sign-in pages, redirects and forms carry the prefix."""
    html = {"Accept": "text/html"}
    asked = visitor.get("/flask/items/new", headers=html)
    assert asked.status_code == 303
    assert asked.headers["location"].startswith("/flask/login?next=")
    credentials = {"username": "demo", "password": "demo-password"}
    signed_in = visitor.post(asked.headers["location"], data=credentials, headers=html)
    assert signed_in.status_code == 303
    assert signed_in.headers["location"] == "/flask/items/new"
    created = visitor.post("/flask/items", data=ITEM, headers=html)
    assert created.status_code == 303
    page = visitor.get(created.headers["location"], headers=html)
    assert "Folding saw" in page.text


def test_the_session_cookie_is_careful(visitor: httpx.Client) -> None:
    """HttpOnly and SameSite=Lax from either stack."""
    for stack in ("flask", "fastapi"):
        attributes = sign_in(visitor, stack).headers["set-cookie"].split("; ")
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)


def test_the_commands_of_the_readme_work(reference: Gateway, tmp_path: Path) -> None:
    """Whoever follows the first ten minutes sees what they promise."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^curl .*$", readme, re.MULTILINE)
    assert len(commands) >= 4
    for command in commands:
        here = command.replace("http://127.0.0.1:8000", reference.url)
        done = subprocess.run(
            [*shlex.split(here), "--fail", "--silent", "--show-error"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "demo" in done.stdout or "Enamel mug" in done.stdout
