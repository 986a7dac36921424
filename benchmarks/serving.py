"""Starts a peer on a free port, and always ends it."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cores import pinned
from benchmarks.flask_app import FILE_VARIABLE
from benchmarks.peers import MEBIBYTE, Peer

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0
STOP_SECONDS = 10.0
# Settings of the person who measures would make the peers differ from what is stated.
_NOT_INHERITED = (
    *("BENCHMARKS_", "CACHE_", "CATALOG_", "FLASK_", "GATEWAY_", "GRANIAN_", "GUNICORN_", "PORT"),
    *("UVICORN_", "WEB_"),
)


class PeerFailedError(Exception):
    """A peer did not start, or did not answer as it should."""


@dataclass(frozen=True)
class Server:
    """A running peer.

    Attributes:
        port: Where it answers, at 127.0.0.1.
        pid: Its first process, which leads the session that all its processes are in.
    """

    port: int
    pid: int

    def cpu_seconds(self) -> float | None:
        """CPU time that its processes have used so far; None where the system does not tell."""
        if sys.platform != "linux":
            return None
        ticks = sum(_ticks(stat, self.pid) for stat in Path("/proc").glob("[0-9]*/stat"))
        return ticks / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Answer:
    """What a peer answered."""

    status: int
    body: bytes


class Folder:
    """What all peers use, one after the other.

    Args:
        path: An empty folder. The SQLite file and the file that is sent will be in it.
    """

    def __init__(self, path: Path) -> None:
        self.database = path / "catalog.db"
        self.switch = path / "switch.db"
        self.file = path / "file.bin"
        self.file.write_bytes(bytes(range(256)) * (10 * MEBIBYTE // 256))


@contextmanager
def serving(
    peer: Peer,
    folder: Folder,
    core: int | None,
    *,
    variables: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Iterator[Server]:
    """Run a peer.

    Args:
        peer: What to run.
        folder: The files that the services use.
        core: Where it is to run; None for anywhere.
        variables: To be set for it, besides those for the services.
        log: Where its output goes; None: into a file that is thrown away.

    Yields:
        The running peer.

    Raises:
        PeerFailedError: It ended, or did not listen in time.
    """
    port = _free_port()
    with tempfile.TemporaryFile() if log is None else log.open("w+b") as output:
        with pinned(core):
            process = subprocess.Popen(
                peer.command_on(port),
                cwd=ROOT,
                env={**_environment(folder), **(variables or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for us: the peer is ended below, once, by its own process ID.
                start_new_session=True,
            )
        try:
            if not _listens(process, port):
                output.seek(0)
                told = output.read().decode(errors="replace")[-2_000:]
                command = peer.command_on(port)
                raise PeerFailedError(f"{peer.name} did not start: {command}\n{told}")
            yield Server(port, process.pid)
        finally:
            _end(process)


def ask(port: int, path: str, body_bytes: int = 0) -> Answer:
    """GET a path of a server on this machine, or POST as many bytes to it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        if body_bytes:
            headers = {"Content-Type": "application/octet-stream"}
            connection.request("POST", path, b"x" * body_bytes, headers)
        else:
            connection.request("GET", path)
        response = connection.getresponse()
        return Answer(response.status, response.read())
    finally:
        connection.close()


@contextmanager
def reading(port: int, path: str) -> Iterator[None]:
    """Read an event stream of a server on this machine until the block ends; empty: none.

    Raises:
        PeerFailedError: There is none, or it ended before that.
    """
    if not path:
        yield
        return
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        host = f"127.0.0.1:{port}"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = b""
        while b"\nevent: " not in head:
            piece = connection.recv(65536)
            head += piece
            if not piece or not head.startswith(b"HTTP/1.1 200 "[: len(head)]):
                raise PeerFailedError(f"{path} is no event stream: {head[:2000]!r}")
        ended = threading.Event()
        reader = threading.Thread(target=_read_on, args=(connection, ended), daemon=True)
        reader.start()
        try:
            yield
            if ended.is_set():
                raise PeerFailedError(f"{path} ended while it was read")
        finally:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            reader.join(STOP_SECONDS)


def _read_on(connection: socket.socket, ended: threading.Event) -> None:
    """Read all that comes, and say when nothing more does."""
    with suppress(OSError):
        while connection.recv(65536):
            pass
    ended.set()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(folder: Folder) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_INHERITED)}
    return inherited | {
        "CATALOG_DATABASE_URL": f"sqlite:///{folder.database}",
        "GATEWAY_SWITCH__DATABASE": f"sqlite:///{folder.switch}",
        FILE_VARIABLE: str(folder.file),
    }


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.05)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _ticks(stat: Path, session: int) -> int:
    """CPU time of a process, user and system, if it is of the session (proc(5), /proc/pid/stat)."""
    try:
        # The name, the second field, may hold anything, spaces and brackets too.
        fields = stat.read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0  # it has just ended
    return int(fields[11]) + int(fields[12]) if int(fields[3]) == session else 0
