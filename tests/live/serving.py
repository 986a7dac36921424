"""Real gateways for tests: a process of its own, a free port, always ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_ADDRESS = re.compile(r"listens on (\S+)")
_OURS = ("GATEWAY_", "CATALOG_", "CACHE_", "PORT")


@dataclass
class Gateway:
    """A `gateway serve` that answers.

    Attributes:
        process: Its process, a supervisor where there are several workers.
        url: Where it listens, `http://127.0.0.1:54321`.
        lines: What it has printed.
    """

    process: subprocess.Popen[str]
    url: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def output(self) -> str:
        """Everything printed so far."""
        return "".join(self.lines)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        self.process.send_signal(number)

    def wait(self, seconds: float = 20) -> int:
        """Wait for the end; return the exit code."""
        return self.process.wait(seconds)

    def wait_for(self, text: str, seconds: float = 20) -> None:
        """Wait until a text was printed."""
        wait_until(lambda: text in self.output, seconds, lambda: f"no {text!r} in:\n{self.output}")


def wait_until(condition: object, seconds: float = 20, complaint: object = None) -> None:
    """Poll a condition until it holds.

    Raises:
        AssertionError: It did not within the time.
    """
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(complaint() if callable(complaint) else "it did not happen")
        time.sleep(0.02)


def environment(**given: str) -> dict[str, str]:
    """This process's environment without settings of ours, plus the given."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(_OURS)}
    return {**inherited, "PYTHONUNBUFFERED": "1", **given}


def run_gateway(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a `gateway` command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=cwd,
        env=environment(**(env or {})),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def serving(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, port: int | None = 0
) -> Iterator[Gateway]:
    """Serve, in a process of its own, until the block ends.

    Args:
        arguments: Options of `gateway serve`.
        cwd: The folder that it runs in.
        env: Variables to set.
        port: The port; 0 for a free one; None to leave it to the settings.
    """
    listen = [] if port is None else ["--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", *listen, *arguments],
        cwd=cwd,
        env=environment(**(env or {})),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    gateway = Gateway(process)
    assert process.stdout is not None
    stream = process.stdout

    def collect() -> None:
        for line in stream:
            gateway.lines.append(line)

    reader = threading.Thread(target=collect, daemon=True)
    reader.start()
    try:
        wait_until(
            lambda: _ADDRESS.search(gateway.output) or process.poll() is not None,
            60,
            lambda: f"it does not listen:\n{gateway.output}",
        )
        found = _ADDRESS.search(gateway.output)
        if found is None:
            reader.join(5)
            raise AssertionError(f"it ended with {process.returncode}:\n{gateway.output}")
        gateway.url = found[1]
        yield gateway
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        reader.join(5)
        stream.close()
