"""Two workers on one PostgreSQL and one Redis: which of them answers makes no difference."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.backends import PostgresServer
from tests.live.conftest import ROOT, sign_in
from tests.live.serving import Gateway, serving

ITEM = {"name": "Tent peg", "description": "", "price": "1.20", "stock": 400}


@pytest.fixture(scope="module")
def workers(postgres: PostgresServer, redis_url: str) -> Iterator[Gateway]:
    """A gateway of two processes, started on an empty database."""
    env = {"CATALOG_DATABASE_URL": postgres.fresh_database(), "CACHE_REDIS_URL": redis_url}
    with serving("--workers", "2", cwd=ROOT, env=env) as gateway:
        yield gateway


def ask(client: httpx.Client, path: str) -> httpx.Response:
    """Ask on a connection of its own, so that any worker may answer."""
    return client.get(path, headers={"Connection": "close"})


def test_a_session_holds_whichever_worker_answers(workers: Gateway) -> None:
    """Signed in once, signed in everywhere."""
    with httpx.Client(base_url=workers.url) as client:
        sign_in(client, "fastapi")
        for stack in ("flask", "fastapi") * 8:
            assert ask(client, f"/{stack}/me").status_code == 200


def test_a_cached_report_serves_all_workers_and_both_stacks_until_a_write(
    workers: Gateway,
) -> None:
    """Through Redis one stack's MISS is the other's HIT, and no worker answers an old report."""
    with httpx.Client(base_url=workers.url) as client:
        sign_in(client, "flask")
        for stack, other in (("flask", "fastapi"), ("fastapi", "flask")):
            before = ask(client, f"/{stack}/report").json()["count"]
            assert ask(client, f"/{other}/report").headers["x-cache"] == "HIT"
            assert client.post(f"/{other}/items", json=ITEM).status_code == 201
            answers = [ask(client, f"/{stack}/report") for _ in range(8)]
            assert [answer.json()["count"] for answer in answers] == [before + 1] * 8
            assert [answer.headers["x-cache"] for answer in answers] == ["MISS"] + ["HIT"] * 7


def test_a_listener_hears_of_writes_in_other_processes(workers: Gateway) -> None:
    """Every write arrives in order, whichever worker and stack made it."""
    url = f"{workers.url}/fastapi/events"
    with (
        httpx.Client(base_url=workers.url) as client,
        httpx.stream("GET", url, timeout=20) as stream,
    ):
        lines = stream.iter_lines()
        assert next(lines) == ": listening"
        sign_in(client, "flask")
        headers = {"Connection": "close"}
        written = [
            client.post(f"/{stack}/items", json=ITEM, headers=headers).json()["id"]
            for stack in ("flask", "fastapi") * 6
        ]
        data = (line.removeprefix("data:") for line in lines if line.startswith("data:"))
        heard = [json.loads(next(data))["item_id"] for _ in written]
    assert heard == written
