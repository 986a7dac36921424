"""A whole migration, under load, with a user who is signed in throughout."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from gateway.switch.evidence.store import Store
from tests.gateway.projects import write_project
from tests.live.serving import run_gateway, serving, wait_until

MODULE = """
    from fastapi import FastAPI, Request
    from flask import Flask, jsonify, session

    old = Flask(__name__)
    old.secret_key = "a key for tests only, long enough"
    new = FastAPI()

    @old.post("/login/<name>")
    def login(name):
        session["user_id"] = name
        session["visits"] = 0
        return jsonify(name)

    @old.get("/visits")
    def old_visits():
        session["visits"] += 1
        return jsonify(visits=session["visits"], user=session["user_id"])

    @new.get("/visits")
    async def new_visits(request: Request):
        request.session["visits"] += 1
        return {"visits": request.session["visits"], "user": request.session["user_id"]}

    @old.get("/items/<int:number>")
    def old_item(number):
        return jsonify(number=number, stack="same")

    @new.get("/items/{number:int}")
    async def new_item(number: int):
        return {"number": number, "stack": "same"}
"""
TOML = """
    [server]
    drain_seconds = 5.0
    workers = 2
    [switch]
    # The counter differs between two answers: that is what it is for.
    noise_percent = 0.0
    # All of them.
    shadows_per_second = 100000.0
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
    path = "/visits"
    group = "shop"
    [[mounts.rules]]
    methods = ["GET"]
    path = "/items/{number}"
    group = "shop"
"""
STEPS = (
    ("shadow", ()),
    ("canary", ("--percent", "5")),
    ("canary", ("--percent", "25")),
    ("canary", ("--percent", "50")),
    ("candidate", ()),
    ("legacy", ()),
)
# Of each client, in each step.
REQUESTS = 30


def test_a_whole_migration_fails_no_request_and_loses_no_session(tmp_path: Path) -> None:
    """And the evidence adds up to the requests that were sent."""
    write_project(tmp_path, TOML, {"services_": MODULE})
    with serving(cwd=tmp_path) as gateway, load(gateway.url) as clients:
        clients.wait_for_more()
        for mode, options in STEPS:
            done = run_gateway("switch", "set", "shop", mode, *options, cwd=tmp_path)
            assert done.returncode == 0, done.stdout + done.stderr
            clients.wait_for_more()
        sent = clients.stop()
        assert clients.faults == []
        store = Store(f"sqlite:///{tmp_path / 'switch.db'}")
        try:
            wait_until(lambda: served(store) == sent, 10, lambda: (served(store), sent))
            assert stacks(store) == {"legacy", "candidate"}
            shadows = shadowed(store)
            assert shadows["match"] > 0
            assert not shadows.keys() & {"error", "timeout"}
            changes = [change for change in store.history("shop") if change.rule == "GET /visits"]
        finally:
            store.close()
    told = [change.after for change in reversed(changes)]
    percents = {"canary": [5.0, 25.0, 50.0]}
    assert [one[0] for one in told if one] == [mode for mode, _ in STEPS]
    assert [one[1] for one in told if one and one[0] == "canary"] == percents["canary"]


class Load:
    """Clients that ask all the while: some of them strangers, and one who is signed in."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/shop"
        self._stopping = threading.Event()
        self._sent: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._user)]
        self._threads += [threading.Thread(target=self._stranger, args=(n,)) for n in range(3)]
        self.faults: list[str] = []
        for thread in self._threads:
            thread.start()

    def wait_for_more(self) -> None:
        """Until each client has asked often enough with what holds now."""
        before = self._sent.copy()
        names = ["GET /visits", *(f"stranger {number}" for number in range(3))]
        wait_until(
            lambda: self.faults or all(self._sent[n] >= before[n] + REQUESTS for n in names), 60
        )

    def stop(self) -> Counter[str]:
        """End; how many requests of each route were sent."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(20)
        strangers = sum(n for name, n in self._sent.items() if name.startswith("stranger"))
        return Counter({"GET /visits": self._sent["GET /visits"], "GET /items/{}": strangers})

    def _user(self) -> None:
        with httpx.Client(base_url=self._url) as client:
            client.post(f"{self._url}/login/ann")
            while not self._stopping.is_set():
                answer = client.get(f"{self._url}/visits")
                self._sent["GET /visits"] += 1
                wanted = {"visits": self._sent["GET /visits"], "user": "ann"}
                if answer.status_code != 200 or answer.json() != wanted:
                    self.faults.append(f"{answer.status_code} {answer.text}, not {wanted}")
                    return

    def _stranger(self, number: int) -> None:
        while not self._stopping.is_set():
            # Each time another one: a canary is for shares of users, and not of requests.
            with httpx.Client() as client:
                for _ in range(5):
                    answer = client.get(f"{self._url}/items/{number}")
                    self._sent[f"stranger {number}"] += 1
                    if answer.json() != {"number": number, "stack": "same"}:
                        self.faults.append(f"{answer.status_code} {answer.text}")
                        return


@contextmanager
def load(url: str) -> Iterator[Load]:
    """Run the clients."""
    clients = Load(url)
    try:
        yield clients
    finally:
        clients.stop()


def served(store: Store) -> Counter[str]:
    """How many requests the evidence has of each route."""
    found: Counter[str] = Counter()
    for period, tally in store.evidence("shop").items():
        for name, number in tally.counts.items():
            if name.startswith("served ") and not period.route.startswith("POST"):
                found[period.route] += number
    return found


def stacks(store: Store) -> set[str]:
    """Who has answered."""
    return {
        name.split()[1]
        for tally in store.evidence("shop").values()
        for name in tally.counts
        if name.startswith("served ")
    }


def shadowed(store: Store) -> Counter[str]:
    """The outcomes of all shadows."""
    found: Counter[str] = Counter()
    for tally in store.evidence("shop").values():
        for name, number in tally.counts.items():
            if name.startswith("shadow "):
                found[name.removeprefix("shadow ")] += number
    return found
