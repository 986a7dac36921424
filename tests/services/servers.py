"""The services under their own servers, in processes of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.backends import free_port, wait_until

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent


@contextmanager
def run_server(
    command: list[str], settings: dict[str, str], folder: Path, stop: int = signal.SIGINT
) -> Iterator[str]:
    """Run a server on a free port, and yield its URL once it answers.

    Args:
        command: The tool and its arguments; `--port N` is added.
        settings: Environment variables.
        folder: Where to keep what it prints, in `log`.
        stop: The signal that ends it; the exit must then be a clean one.

    Yields:
        The server's URL.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings}
    log = folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [TOOLS / command[0], *command[1:], "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
            # A shell starts what is in its background with SIGINT ignored, which is inherited.
            preexec_fn=lambda: signal.signal(  # noqa: PLW1509 - no thread is started before
                signal.SIGINT, signal.default_int_handler
            ),
        ) as process,
    ):
        try:
            wait_until(lambda: _answers(url) or process.poll() is not None, f"{command} answers")
            if process.returncode is not None:
                pytest.fail(f"{command} did not start:\n{log.read_text()}")
            yield url
        finally:
            process.send_signal(stop)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                pytest.fail(f"{command} did not stop:\n{log.read_text()}")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False
