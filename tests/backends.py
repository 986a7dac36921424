"""Private PostgreSQL and Redis servers, started from the system's binaries."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import psycopg.sql
import pytest
import redis

START_SECONDS = 30.0
# initdb and postgres refuse to run as root.
POSTGRES_USER = "postgres"


def require(binary: str, folders: tuple[Path, ...] = ()) -> Path:
    """Find a server's binary, or skip the test and say why.

    With `REQUIRE_SERVICES=1`, as in CI, a missing binary is a failure.

    Args:
        binary: The program's name.
        folders: Where to look besides PATH.

    Returns:
        The program.
    """
    for folder in folders:
        if (folder / binary).exists():
            return folder / binary
    if found := shutil.which(binary):
        return Path(found)
    reason = f"{binary} is not installed"
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(f"{reason}, and REQUIRE_SERVICES=1")
    pytest.skip(reason)


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class PostgresServer:
    """A running PostgreSQL that nobody else uses."""

    port: int
    _numbers: Iterator[int] = field(default_factory=count)
    _process: ExitStack = field(default_factory=ExitStack)
    _run: Callable[[], AbstractContextManager[None]] = nullcontext

    def start(self) -> None:
        """Start it; what it stored is there."""
        self._process.enter_context(self._run())

    def stop(self) -> None:
        """Stop it at once, and close every connection."""
        self._process.close()

    def fresh_database(self) -> str:
        """Create an empty database, and return its URL."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(
                psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name))
            )
        return self._url(name)

    def _url(self, database: str) -> str:
        return f"postgresql://{POSTGRES_USER}@127.0.0.1:{self.port}/{database}"

    def answers(self) -> bool:
        """Whether it accepts connections yet."""
        try:
            psycopg.connect(self._url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def run_postgres() -> Iterator[PostgresServer]:
    """Run a PostgreSQL that keeps its data in a temporary folder."""
    folders = tuple(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
    postgres, initdb = require("postgres", folders), require("initdb", folders)
    user = POSTGRES_USER if os.geteuid() == 0 else None
    server = PostgresServer(free_port())
    settings = {
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "200",
    }
    options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    # Not pytest's temporary folder, which nobody but its owner may enter.
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        if user:
            shutil.chown(folder, user)
        data = Path(folder, "data")
        subprocess.run(
            [initdb, "-D", data, "-U", POSTGRES_USER, "-A", "trust", "-E", "UTF8", "--no-sync"],
            user=user,
            cwd=folder,
            check=True,
            capture_output=True,
            env=_environment(user),
        )
        command = [str(postgres), "-D", str(data), "-p", str(server.port), *options]
        server._run = lambda: _running(command, Path(folder), server.answers, user)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def run_redis() -> Iterator[str]:
    """Run a Redis that keeps nothing, and yield its URL."""
    binary = require("redis-server")
    url = f"redis://127.0.0.1:{(port := free_port())}/0"
    command = [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]

    def answers() -> bool:
        with redis.Redis.from_url(url) as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False

    with (
        tempfile.TemporaryDirectory(prefix="redis-") as folder,
        _running([*command, "--dir", folder], Path(folder), answers),
    ):
        yield url


def wait_until(condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Wait until something is so, and fail the test if it never is."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)


@contextmanager
def _running(
    command: list[str], folder: Path, answers: Callable[[], bool], user: str | None = None
) -> Iterator[None]:
    log = folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=folder, user=user, stdout=output, stderr=output, env=_environment(user)
        ) as process,
    ):
        try:
            wait_until(
                lambda: answers() or process.poll() is not None, f"{Path(command[0]).name} answers"
            )
            if process.returncode is not None:
                pytest.fail(f"{command[0]} did not start:\n{log.read_text()}")
            yield
        finally:
            # SIGINT is PostgreSQL's fast shutdown: it does not wait for open connections.
            process.send_signal(signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _environment(user: str | None) -> dict[str, str]:
    home = pwd.getpwnam(user).pw_dir if user else os.environ.get("HOME", "/")
    return {"PATH": os.environ["PATH"], "HOME": home, "LC_ALL": "C.UTF-8"}
