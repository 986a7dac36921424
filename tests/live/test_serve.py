"""How the process starts, stops and refuses to start."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import trustme
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.gateway.projects import write_project
from tests.live.serving import environment, run_gateway, serving, wait_until

MODULE = """
    import asyncio, os, threading, time
    from contextlib import asynccontextmanager, suppress
    from fastapi import FastAPI, WebSocket, WebSocketDisconnect
    from fastapi.responses import StreamingResponse
    from flask import Flask

    web = Flask(__name__)

    @web.get("/")
    def index():
        return "first"

    @web.get("/pid")
    def pid():
        return str(os.getpid())

    @web.get("/slow")
    def slow():
        print("slow began", flush=True)
        time.sleep(1)
        return "slow ended"

    @web.get("/never")
    def never():
        print("never began", flush=True)
        threading.Event().wait()

    @asynccontextmanager
    async def lifespan(app):
        yield
        print("api stopped", flush=True)

    api = FastAPI(lifespan=lifespan)

    @asynccontextmanager
    async def failing(app):
        raise RuntimeError("no database")
        yield

    broken = FastAPI(lifespan=failing)

    @asynccontextmanager
    async def lasting(app):
        print("start began", flush=True)
        time.sleep(20)
        yield

    lasts = FastAPI(lifespan=lasting)

    @api.get("/events")
    async def events():
        async def forever():
            yield "data: first\\n\\n"
            await asyncio.Event().wait()
        return StreamingResponse(forever(), media_type="text/event-stream")

    @api.websocket("/ws")
    async def ws(websocket: WebSocket):
        await websocket.accept()
        with suppress(WebSocketDisconnect):
            await websocket.receive_text()
"""

TOML = """
    [server]
    drain_seconds = 4

    [[mounts]]
    name = "web"
    prefix = "/"
    app = "module_:web"

    [[mounts]]
    name = "api"
    prefix = "/api"
    app = "module_:api"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_project(tmp_path, TOML, {"module_": MODULE})
    return tmp_path


def get_in_background(url: str) -> tuple[threading.Thread, list[httpx.Response]]:
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(httpx.get(url, timeout=30)))
    thread.start()
    return thread, answers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_cleanly(folder: Path, number: signal.Signals) -> None:
    """The running request is answered, lifespans stop, the exit code is 0."""
    with serving(cwd=folder) as gateway:
        thread, answers = get_in_background(f"{gateway.url}/slow")
        gateway.wait_for("slow began")
        gateway.signal(number)
        assert gateway.wait() == 0
        thread.join()
    assert answers[0].text == "slow ended"
    assert "api stopped" in gateway.output
    assert "Traceback" not in gateway.output


@pytest.mark.parametrize(
    ("adapter", "reason"),
    [
        ("bridge", 'service "web" did not stop within'),
        ("a2wsgi", "still busy 4 s after the signal"),
    ],
)
def test_a_stuck_thread_does_not_outlive_the_deadline(
    folder: Path, adapter: str, reason: str
) -> None:
    """`drain_seconds` is kept whatever a thread does; others stop, and the log says who did not."""
    file = folder / "gateway.toml"
    file.write_text(
        file.read_text().replace('"module_:web"', f'"module_:web"\nadapter = "{adapter}"')
    )
    with serving(cwd=folder) as gateway:
        thread = threading.Thread(target=_ignore_errors, args=[f"{gateway.url}/never"])
        thread.start()
        gateway.wait_for("never began")
        gateway.signal(signal.SIGTERM)
        began = time.monotonic()
        assert gateway.wait() == 1
        assert time.monotonic() - began < 8
        thread.join()
    assert reason in gateway.output
    assert "api stopped" in gateway.output


def _ignore_errors(url: str) -> None:
    with contextlib.suppress(httpx.HTTPError):
        httpx.get(url, timeout=30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_open_event_stream_and_websocket_do_not_hold_the_stop(
    folder: Path, number: signal.Signals
) -> None:
    """A browser tab that listens is told the end at once, and nothing is left to time out."""
    with serving(cwd=folder) as gateway, contextlib.ExitStack() as stack:
        url = f"{gateway.url}/api/events"
        stream = stack.enter_context(httpx.stream("GET", url, timeout=20))
        lines = stream.iter_lines()
        assert next(lines) == "data: first"
        websocket = stack.enter_context(connect(gateway.url.replace("http", "ws") + "/api/ws"))
        began = time.monotonic()
        gateway.signal(number)
        assert list(lines) == [""]  # a clean end: a broken one raises
        with pytest.raises(ConnectionClosed):
            websocket.recv(timeout=10)
        assert gateway.wait() == 0
        assert time.monotonic() - began < 3  # of the 4 seconds that it may drain
    assert "Traceback" not in gateway.output


def test_a_stop_during_the_start_of_workers_is_obeyed(folder: Path) -> None:
    """A start that lasts does not make the process deaf."""
    (folder / "gateway.toml").write_text(TOML.replace("module_:api", "module_:lasts"))
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "--port", "0", "--workers", "2"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "start began" in line:
                break
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        process.wait(15)
    finally:
        process.kill()
        process.stdout.close()
    assert "listens on" not in rest


def test_several_workers_serve_and_stop(folder: Path) -> None:
    """`--workers` serves from several processes on one port, and stops all of them."""
    with serving("--workers", "2", cwd=folder) as gateway:
        pids = set()

        def both_answered() -> bool:
            pids.add(httpx.get(f"{gateway.url}/pid").text)
            return len(pids) == 2

        wait_until(both_answered)
        assert str(gateway.process.pid) not in pids
        gateway.signal(signal.SIGTERM)
        assert gateway.wait() == 0
    assert gateway.output.count("listens on") == 1
    assert gateway.output.count("api stopped") == 2


def test_a_worker_that_dies_is_replaced(folder: Path) -> None:
    """The service goes on when one of its processes is killed."""
    with serving("--workers", "2", cwd=folder) as gateway:
        pid = httpx.get(f"{gateway.url}/pid").text
        subprocess.run(["kill", "-9", pid], check=True)
        gateway.wait_for(f"Child process [{pid}] died")

        def two_others() -> bool:
            try:
                seen.add(httpx.get(f"{gateway.url}/pid").text)
            except httpx.HTTPError:
                return False
            return len(seen - {pid}) == 2

        seen: set[str] = set()
        wait_until(two_others)


def test_reload_serves_what_a_file_says_now(folder: Path) -> None:
    """A saved change is served, a broken one is reported, and its mend is served again."""
    module = folder / "module_.py"
    source = module.read_text()

    def answers(text: str) -> bool:
        try:
            return httpx.get(gateway.url).text == text
        except httpx.HTTPError:
            return False

    with serving("--reload", cwd=folder) as gateway:
        wait_until(lambda: answers("first"))
        module.write_text(source.replace('"first"', '"second"'))
        wait_until(lambda: answers("second"))
        module.write_text("def (\n")
        gateway.wait_for("SyntaxError")
        module.write_text(source.replace('"first"', '"third"'))
        wait_until(lambda: answers("third"))
        gateway.signal(signal.SIGINT)
        assert gateway.wait() == 0


def test_a_unix_socket_is_served_and_removed(folder: Path) -> None:
    """A proxy on the same machine needs no port."""
    with serving("--unix-socket", "gw.sock", cwd=folder) as gateway:
        assert gateway.url == f"unix:{folder / 'gw.sock'}"
        transport = httpx.HTTPTransport(uds=str(folder / "gw.sock"))
        with httpx.Client(transport=transport) as client:
            assert client.get("http://gateway/").text == "first"
        second = run_gateway("serve", "--unix-socket", "gw.sock", cwd=folder)
        assert (second.returncode, "in use" in second.stderr) == (1, True)
    assert not (folder / "gw.sock").exists()


def test_a_unix_socket_left_behind_is_replaced(folder: Path) -> None:
    """A process that was killed does not keep the next from starting."""
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(folder / "gw.sock"))
    with serving("--unix-socket", "gw.sock", cwd=folder) as gateway:
        assert gateway.url.endswith("gw.sock")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    chain, key, root = folder / "chain.pem", folder / "key.pem", folder / "root.pem"
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(chain), append=True)
    issued.private_key_pem.write_to_path(str(key))
    authority.cert_pem.write_to_path(str(root))
    return chain, key, root


def test_tls(folder: Path, certificate: tuple[Path, Path, Path]) -> None:
    """With a certificate, the server speaks TLS and both stacks know it."""
    chain, key, root = certificate
    env = {"GATEWAY_SERVER__TLS_CERTIFICATE": str(chain), "GATEWAY_SERVER__TLS_KEY": str(key)}
    with serving(cwd=folder, env=env) as gateway:
        assert gateway.url.startswith("https://")
        context = ssl.create_default_context(cafile=str(root))
        assert httpx.get(gateway.url, verify=context).text == "first"


def in_use() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def one_line(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
    """What a start that fails prints: one line, exit code 1."""
    done = run_gateway("serve", *arguments, cwd=folder, env=env)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    return line


def test_a_port_in_use_is_one_clear_line(folder: Path) -> None:
    """It says which, and what to do."""
    with in_use() as taken:
        port = taken.getsockname()[1]
        line = one_line(folder, "--port", str(port))
    assert line == (
        f"gateway: port {port} on 127.0.0.1 is in use; choose another with --port or server.port"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_unusable_host_is_one_clear_line(folder: Path, host: str) -> None:
    """A host that is not this machine's, or not known at all."""
    assert host in one_line(folder, "--host", host)


def test_an_unusable_certificate_is_one_clear_line(
    folder: Path, certificate: tuple[Path, Path, Path]
) -> None:
    """Missing, not a certificate, not its key: each names the file."""
    _, key, root = certificate
    (folder / "junk.pem").write_text("junk")
    (folder / "key.pem").write_bytes(key.read_bytes())
    for certificate_path, key_path in [
        ("nope.pem", "key.pem"),
        ("junk.pem", "key.pem"),
        (str(root), "key.pem"),
    ]:
        env = {
            "GATEWAY_SERVER__TLS_CERTIFICATE": certificate_path,
            "GATEWAY_SERVER__TLS_KEY": key_path,
        }
        assert certificate_path in one_line(folder, env=env)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_service_that_does_not_start_ends_the_process_with_its_reason(
    folder: Path, workers: str
) -> None:
    """A failing lifespan is an exit code and a reason, not a half-served gateway."""
    (folder / "gateway.toml").write_text(TOML.replace("module_:api", "module_:broken"))
    done = run_gateway("serve", "--port", "0", "--workers", workers, cwd=folder)
    assert done.returncode == 3
    assert 'service "api" did not start: RuntimeError: no database' in done.stderr
    assert "listens on" not in done.stdout


def test_port_of_the_platform_is_honoured(folder: Path) -> None:
    """`PORT`, as hosting platforms set it, is where it listens."""
    with in_use() as taken:
        port = taken.getsockname()[1]
    with serving(cwd=folder, env={"PORT": str(port)}, port=None) as gateway:
        assert gateway.url.endswith(f":{port}")


def test_nothing_of_the_server_and_nothing_of_a_stranger_is_shown(folder: Path) -> None:
    """No Server header goes out, and no forwarded address is believed."""
    with serving(cwd=folder) as gateway:
        answer = httpx.get(f"{gateway.url}/pid", headers={"X-Forwarded-For": "198.51.100.7"})
        gateway.wait_for("GET /pid")
    assert "server" not in answer.headers
    assert "198.51.100.7" not in gateway.output


def test_the_access_log_and_its_level_can_be_set(folder: Path) -> None:
    """Both settings reach the server."""
    env = {"GATEWAY_SERVER__ACCESS_LOG": "false", "GATEWAY_SERVER__LOG_LEVEL": "warning"}
    with serving(cwd=folder, env=env) as gateway:
        assert httpx.get(gateway.url).text == "first"
        gateway.signal(signal.SIGTERM)
        assert gateway.wait() == 0
    assert "GET /" not in gateway.output
    assert "INFO" not in gateway.output
