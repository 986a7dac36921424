"""Told to stop: readiness first, then the rest, in time."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import threading
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import websockets.exceptions
from websockets.sync.client import connect

from tests.gateway.projects import WEB_AND_API, write_project
from tests.live.serving import Gateway, serving, wait_until

TOML = (
    """
    [server]
    drain_seconds = {drain}
    drain_delay_seconds = {delay}
"""
    + WEB_AND_API
)
MODULE = """
    import asyncio, time
    from fastapi import FastAPI, WebSocket
    from flask import Flask

    web = Flask(__name__)
    api = FastAPI()

    @web.get("/slow")
    def web_slow():
        time.sleep(0.05)
        return "slow"

    @api.get("/slow")
    async def api_slow():
        await asyncio.sleep(0.05)
        return "slow"

    @web.get("/never")
    def never():
        time.sleep(1000)

    @api.websocket("/ws")
    async def ws(websocket: WebSocket):
        await websocket.accept()
        await websocket.send_text("here")
        while True:
            await websocket.receive_text()
"""


@contextmanager
def project(folder: Path, *, drain: float, delay: float = 0.0) -> Iterator[Gateway]:
    write_project(folder, TOML.format(drain=drain, delay=delay), {"services_": MODULE})
    with serving(cwd=folder) as gateway:
        yield gateway


def ask_until_refused(url: str, answers: list[int | str]) -> None:
    """Ask on new connections until nobody listens any more; note every answer.

    Not with httpx, which reports a connection that was reset before it sent anything, and one that
    the server took and closed without an answer, in the same words.
    """
    target = urllib.parse.urlsplit(url)
    while True:
        connection = http.client.HTTPConnection(str(target.hostname), target.port, timeout=10)
        try:
            connection.request("GET", target.path, headers={"Connection": "close"})
            answer = connection.getresponse()
            answer.read()
            answers.append(answer.status)
        except ConnectionRefusedError:
            return
        except http.client.RemoteDisconnected as error:
            answers.append(repr(error))
        except (ConnectionResetError, BrokenPipeError):
            answers.append("reset")
        except (http.client.HTTPException, OSError) as error:
            answers.append(repr(error))
        finally:
            connection.close()


@pytest.mark.parametrize("attempt", range(10))
def test_no_accepted_request_fails_when_the_process_is_told_to_stop(
    tmp_path: Path, attempt: int
) -> None:
    """Under load, twenty times: two at once, one of them with a thread that never returns."""
    with ThreadPoolExecutor(2) as pool:
        stopping = [
            pool.submit(stop_under_load, tmp_path / f"{attempt}-{stuck}", stuck=stuck)
            for stuck in (False, True)
        ]
        for stopped in stopping:
            stopped.result(60)


def stop_under_load(folder: Path, *, stuck: bool) -> None:
    """Ask a gateway for more than it has answered when it is told to stop."""
    folder.mkdir()
    with (
        project(folder, drain=2) as gateway,
        ThreadPoolExecutor(8) as pool,
        socket.create_connection(("127.0.0.1", int(gateway.url.rpartition(":")[2]))) as forever,
    ):
        if stuck:
            forever.sendall(b"GET /web/never HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answers: list[int | str] = []
        urls = [f"{gateway.url}/{mount}/slow" for mount in ("web", "api")] * 3
        asking = [pool.submit(ask_until_refused, url, answers) for url in urls]
        wait_until(lambda: len(answers) > 12)
        gateway.signal(signal.SIGTERM)
        code = gateway.wait(2 + 2)
        for future in asking:
            future.result(10)
    # A connection that the system had taken and the process had not is reset, as by any server.
    failed = [answer for answer in answers if answer not in {200, "reset"}]
    assert failed == []
    assert code == (1 if stuck else 0)


def test_the_delay_gives_the_load_balancer_time(tmp_path: Path) -> None:
    """Not ready, and served as before; then gone."""
    with project(tmp_path, drain=10, delay=1.5) as gateway:
        gateway.signal(signal.SIGTERM)
        wait_until(lambda: httpx.get(f"{gateway.url}/_gateway/readyz").status_code == 503)
        for mount in ("web", "api"):
            assert httpx.get(f"{gateway.url}/{mount}/slow").status_code == 200
        assert gateway.process.poll() is None
        assert gateway.wait(12) == 0


def test_a_reload_of_the_workers_loses_no_request(tmp_path: Path) -> None:
    """SIGHUP replaces one after the other; the socket they share waits for nobody."""
    write_project(tmp_path, TOML.format(drain=6, delay=0), {"services_": MODULE})
    with serving("--workers", "2", cwd=tmp_path) as gateway, ThreadPoolExecutor(4) as pool:
        answers: list[int | str] = []
        reloaded = threading.Event()

        def ask(url: str) -> None:
            while not reloaded.is_set():
                try:
                    answers.append(httpx.get(url, headers={"Connection": "close"}).status_code)
                except httpx.HTTPError as error:
                    answers.append(repr(error))

        asking = [pool.submit(ask, f"{gateway.url}/{mount}/slow") for mount in ("web", "api") * 2]
        wait_until(lambda: len(answers) > 12)
        gateway.signal(signal.SIGHUP)
        wait_until(lambda: gateway.output.count("Finished server process") == 2, 60)
        before = len(answers)
        wait_until(lambda: len(answers) > before + 12)
        reloaded.set()
        for future in asking:
            future.result(10)
    assert [answer for answer in answers if answer != 200] == []


def test_a_websocket_is_told_that_the_server_goes_away(tmp_path: Path) -> None:
    """1001, so that the client reconnects elsewhere."""
    with project(tmp_path, drain=6) as gateway:
        url = gateway.url.replace("http", "ws") + "/api/ws"
        with connect(url) as websocket:
            assert websocket.recv(timeout=10) == "here"
            gateway.signal(signal.SIGTERM)
            with pytest.raises(websockets.exceptions.ConnectionClosed):
                websocket.recv(timeout=10)
            assert websocket.close_code == 1001
        assert gateway.wait(8) == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """Whatever still runs."""
    with project(tmp_path, drain=600) as gateway:
        asking = threading.Thread(target=_ask_quietly, args=(f"{gateway.url}/web/never",))
        asking.start()
        wait_until(lambda: "/never" in _running(gateway))
        gateway.signal(signal.SIGTERM)
        wait_until(lambda: not _listens(gateway) or _not_ready(gateway))
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(10) == 1
        asking.join(10)


def _ask_quietly(url: str) -> None:
    with contextlib.suppress(httpx.HTTPError):
        httpx.get(url, timeout=60)


def _running(gateway: Gateway) -> str:
    text = httpx.get(f"{gateway.url}/_gateway/metrics", headers={"Host": "localhost"}).text
    busy = 'gateway_pool_threads{mount="web",state="busy"} 1.0'
    return "/never" if busy in text else ""


def _not_ready(gateway: Gateway) -> bool:
    try:
        return httpx.get(f"{gateway.url}/_gateway/readyz").status_code == 503
    except httpx.HTTPError:
        return True


def _listens(gateway: Gateway) -> bool:
    port = int(gateway.url.rpartition(":")[2])
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
