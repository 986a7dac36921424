"""The portal's JSON API and `gateway top`, of a real gateway with several workers."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.projects import PIDS, WEB_AND_API, write_project
from tests.live.serving import Gateway, run_gateway, serving, wait_until

TOKEN = "of-the-test-and-long-enough"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ENV = {"GATEWAY_ADMIN__TOKEN": TOKEN}


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Two workers."""
    folder: Path = tmp_path_factory.mktemp("workers")
    write_project(folder, WEB_AND_API, {"services_": PIDS})
    with serving("--workers", "2", cwd=folder, env=ENV) as gateway:
        yield gateway


def facts(gateway: Gateway, path: str) -> Any:
    """What the API answers, on a connection of its own: by any worker."""
    answer = httpx.get(f"{gateway.url}/_gateway/api{path}", headers=BEARER)
    assert answer.status_code == 200
    return answer.json()


def ask(gateway: Gateway, mount: str, times: int) -> dict[str, int]:
    """Ask so often and until both workers have answered; return who answered which ID."""
    answered: dict[str, int] = {}
    for number in range(500):
        if number >= times and len(set(answered.values())) > 1:
            break
        # Each on a connection of its own, which any worker may take.
        answer = httpx.get(f"{gateway.url}/{mount}/pid")
        answered[answer.headers["x-request-id"]] = int(answer.text)
    return answered


def charted(gateway: Gateway, mount: str) -> int:
    """How many requests of a mount are in the overview's chart, in windows that are over."""
    overview = facts(gateway, "/overview")
    (its,) = (one for one in overview["mounts"] if one["name"] == mount)
    rates: list[float] = its["history"]["requests_per_second"]
    return round(sum(rates) * int(overview["step_seconds"]))


def routed(gateway: Gateway, template: str) -> int:
    """How many requests a route has had."""
    (route,) = (one for one in facts(gateway, "/routes")["routes"] if one["template"] == template)
    return int(route["requests"])


def pids(gateway: Gateway) -> set[int]:
    """The workers that the overview shows."""
    return {worker["pid"] for worker in facts(gateway, "/overview")["workers"]}


def test_the_overview_counts_the_requests_of_all_workers(workers: Gateway) -> None:
    """Whichever of them is asked: none is missing, and none counted twice."""
    before = routed(workers, "/web/pid")
    answered = ask(workers, "web", 40)
    after = before + len(answered)
    # Both may be a second old, and the overview's last window is one that is over.
    wait_until(lambda: {routed(workers, "/web/pid") for _ in range(8)} == {after})
    wait_until(lambda: {charted(workers, "web") for _ in range(8)} == {after})
    overview = facts(workers, "/overview")
    shown = {worker["pid"] for worker in overview["workers"]}
    assert shown == set(answered.values())
    assert len(shown) == 2
    assert overview["memory_bytes"] == sum(one["memory_bytes"] for one in overview["workers"])
    assert [mount["threads"] and mount["threads"]["allowed"] for mount in overview["mounts"]] == [
        *(20, None)
    ]


@pytest.mark.parametrize(("mount", "event"), [("web", "in flask"), ("api", "in fastapi")])
def test_a_request_is_found_whichever_worker_answered_it(
    workers: Gateway, mount: str, event: str
) -> None:
    """Its record, its worker and its log lines, by whichever is asked."""
    answered = ask(workers, mount, 12)
    assert len(set(answered.values())) == 2
    for request_id, pid in answered.items():
        found = facts(workers, f"/requests/{request_id}")
        assert (found["found"], found["worker"]) == (True, pid)
        assert (found["record"]["path"], found["record"]["status"]) == (f"/{mount}/pid", 200)
        assert [line["event"] for line in found["lines"]] == [event]
    assert facts(workers, "/requests/nobody-s")["found"] is False


def test_top_prints_the_mounts_and_their_rates(workers: Gateway, tmp_path: Path) -> None:
    """Once, with the token of the environment or of the command line."""
    ask(workers, "api", 20)
    for arguments, env in ((("--token", TOKEN), {}), ((), ENV)):
        told = run_gateway("top", "--once", "--url", workers.url, *arguments, cwd=tmp_path, env=env)
        assert (told.returncode, told.stderr) == (0, "")
        assert "2 workers" in told.stdout
        rows = {line.split()[0]: line.split() for line in told.stdout.splitlines() if line.strip()}
        assert rows["web"][:4] == ["web", "/web", "Flask", "ready"]
        assert rows["api"][:4] == ["api", "/api", "FastAPI", "ready"]
        assert float(rows["api"][4]) > 0
        assert re.search(r"\d ms", told.stdout)
        assert TOKEN not in told.stdout


def test_top_says_why_it_shows_nothing(workers: Gateway, tmp_path: Path) -> None:
    """One sentence for a wrong token, a path without a gateway and a port without a server."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        for url, token, why in (
            (workers.url, "another-token-of-the-test", "needs the admin token"),
            (workers.url, "", "needs the admin token"),
            (f"{workers.url}/web", TOKEN, "404, no overview"),
            (nobody, TOKEN, "onnect"),
        ):
            told = run_gateway("top", "--once", "--url", url, cwd=tmp_path, env={
                "GATEWAY_ADMIN__TOKEN": token
            })  # fmt: skip
            assert (told.returncode, told.stdout) == (1, "")
            (line,) = told.stderr.splitlines()
            assert line.startswith(f"gateway: {url}")
            assert why in line


def test_a_worker_that_hangs_is_told(workers: Gateway) -> None:
    """By the other one, for the overview as for a request, until it goes on."""
    api = "/_gateway/api"
    with httpx.Client(base_url=workers.url, headers=BEARER, timeout=20) as client:
        # One connection, so one worker.
        own = int(client.get("/web/pid").text)
        (hangs,) = pids(workers) - {own}
        os.kill(hangs, signal.SIGSTOP)
        try:
            wait_until(lambda: client.get(f"{api}/overview").json()["silent"] == [hangs])
            overview = client.get(f"{api}/overview").json()
            assert (overview["well"], [one["pid"] for one in overview["workers"]]) == (False, [own])
            assert {mount["state"] for mount in overview["mounts"]} == {"ready"}
            assert client.get(f"{api}/requests/nobody-s").json()["silent"] == [hangs]
        finally:
            os.kill(hangs, signal.SIGCONT)
        wait_until(lambda: client.get(f"{api}/overview").json()["well"] is True)
        overview = client.get(f"{api}/overview").json()
        assert {one["pid"] for one in overview["workers"]} == {own, hangs}
        wait_until(lambda: client.get(f"{api}/overview").json()["event_loop_lag_seconds"] > 1)


def test_a_killed_worker_leaves_and_its_successor_comes(workers: Gateway) -> None:
    """In the overview; what the others have counted stays."""
    before = pids(workers)
    assert len(before) == 2
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    workers.wait_for("died")
    wait_until(lambda: len(pids(workers) - {killed}) == 2 and killed not in pids(workers))
    (stayed,) = pids(workers) & before
    answered = ask(workers, "web", 20)
    (new,) = set(answered.values()) - {stayed}
    # On a busy machine one may answer too late for once.
    wait_until(lambda: all(pids(workers) == {stayed, new} for _ in range(8)))
    of_new = next(request_id for request_id, pid in answered.items() if pid == new)
    assert {facts(workers, f"/requests/{of_new}")["worker"] for _ in range(8)} == {new}


@pytest.mark.parametrize("count", ["1", "2"])
def test_an_open_stream_does_not_hold_up_a_stop(tmp_path: Path, count: str) -> None:
    """It ends cleanly, and the process long before its time is up."""
    write_project(tmp_path, WEB_AND_API, {"services_": PIDS})
    with serving("--workers", count, cwd=tmp_path, env=ENV) as gateway:
        url = f"{gateway.url}/_gateway/api/overview/stream"
        with httpx.stream("GET", url, headers=BEARER, timeout=20) as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: overview"
            assert json.loads(next(lines).removeprefix("data: "))["draining"] is False
            begun = time.monotonic()
            gateway.signal(signal.SIGTERM)
            for _ in lines:
                pass
            assert gateway.wait() == 0
        assert time.monotonic() - begun < 10
        assert "Traceback" not in gateway.output
