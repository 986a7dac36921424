"""Workers and gateways that share a database do the same, and go on without it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from gateway.switch.evidence.store import Store
from tests.backends import run_postgres
from tests.gateway.projects import write_project
from tests.live.serving import Gateway, run_gateway, serving, wait_until

MODULE = """
    import os
    from fastapi import FastAPI
    from flask import Flask

    old = Flask(__name__)
    new = FastAPI()

    @old.get("/who")
    def old_who():
        return {"stack": "old", "pid": os.getpid()}

    @new.get("/who")
    async def new_who():
        return {"stack": "new", "pid": os.getpid()}
"""
TOML = """
    [server]
    drain_seconds = 3.0
    workers = 2
    [[mounts]]
    name = "old"
    app = "services_:old"
    [[mounts]]
    name = "new"
    app = "services_:new"
    [[mounts]]
    name = "shop"
    prefix = "/shop"
    switch = { legacy = "old", candidate = "new" }
    [[mounts.rules]]
    methods = ["GET"]
    path = "/who"
"""
AGREED_SECONDS = 2.0


@contextmanager
def two_gateways(folder: Path, url: str) -> Iterator[list[Gateway]]:
    """Two of two workers each, on one database."""
    write_project(folder, TOML, {"services_": MODULE})
    with ExitStack() as stack:
        yield [
            stack.enter_context(serving(cwd=folder, env={"GATEWAY_SWITCH__DATABASE": url}))
            for _ in range(2)
        ]


def who(gateways: list[Gateway]) -> dict[int, str]:
    """Which stack answers in each process, asked until all four have answered."""
    found: dict[int, str] = {}
    deadline = time.monotonic() + 20
    while len(found) < 4:
        assert time.monotonic() < deadline, found
        for gateway in gateways:
            answer = httpx.get(f"{gateway.url}/shop/who").json()
            found[answer["pid"]] = answer["stack"]
    return found


def test_two_workers_of_two_gateways_agree_within_two_seconds(tmp_path: Path) -> None:
    """Of a `set`; with the database gone what they know holds, and the log says so."""
    with run_postgres() as postgres:
        url = postgres.fresh_database()
        with two_gateways(tmp_path, url) as gateways:
            assert set(who(gateways).values()) == {"old"}
            for mode, stack in (("candidate", "new"), ("legacy", "old"), ("candidate", "new")):
                store = Store(url)
                store.set("shop", ["GET /who"], mode, who="a test")  # type: ignore[arg-type]
                store.close()
                time.sleep(AGREED_SECONDS)
                assert set(who(gateways).values()) == {stack}
            postgres.stop()
            for gateway in gateways:
                gateway.wait_for("Until then the modes hold that are known here")
            assert set(who(gateways).values()) == {"new"}
            postgres.start()
            for gateway in gateways:
                gateway.wait_for("the database is back")
            env = {"GATEWAY_SWITCH__DATABASE": url}
            done = run_gateway("switch", "set", "*", "legacy", cwd=tmp_path, env=env)
            assert done.returncode == 0, done.stdout + done.stderr
            time.sleep(AGREED_SECONDS)
            assert set(who(gateways).values()) == {"old"}


def test_a_gateway_starts_without_its_database(tmp_path: Path) -> None:
    """With what its configuration says."""
    write_project(
        tmp_path,
        TOML.replace("workers = 2", "") + '    mode = "candidate"\n',
        {"services_": MODULE},
    )
    env = {"GATEWAY_SWITCH__DATABASE": "postgresql+psycopg://nobody:hidden@127.0.0.1:9/none"}
    with serving(cwd=tmp_path, env=env) as gateway:
        assert httpx.get(f"{gateway.url}/shop/who").json()["stack"] == "new"
        gateway.wait_for("Until then the modes hold that are known here")
        assert "hidden" not in gateway.output
        assert httpx.get(f"{gateway.url}/_gateway/readyz").status_code == 200


def test_a_failing_candidate_goes_back_by_itself(tmp_path: Path) -> None:
    """In every worker, and the history says why."""
    bad = MODULE.replace('return {"stack": "new", "pid": os.getpid()}', "raise RuntimeError")
    write_project(
        tmp_path,
        TOML.replace("[[mounts]]", "[switch]\n    return_requests = 20\n    [[mounts]]", 1),
        {"services_": bad},
    )
    with serving(cwd=tmp_path) as gateway:
        store = Store(f"sqlite:///{tmp_path / 'switch.db'}")
        store.prepare()
        store.set("shop", ["GET /who"], "canary", 100.0, who="a test")
        wait_until(lambda: httpx.get(f"{gateway.url}/shop/who").status_code == 500)
        statuses = [httpx.get(f"{gateway.url}/shop/who").status_code for _ in range(40)]
        assert statuses.count(500) >= 20
        wait_until(lambda: store.history("shop")[0].who == "gateway")
        [change, *_] = store.history("shop")
        store.close()
        assert change.after is not None
        assert change.after[0] == "legacy"
        assert "failed" in change.why
        time.sleep(AGREED_SECONDS)
        assert {httpx.get(f"{gateway.url}/shop/who").status_code for _ in range(40)} == {200}
