"""What a real browser makes of the pages, with no way to the internet."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.backends import require
from tests.live.serving import Gateway

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Whatever asks for another host finds none, on a machine with internet too.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--virtual-time-budget=10000",
]


def rendered(url: str, folder: Path) -> str:
    """The document after its scripts have run."""
    done = subprocess.run(
        [require("chromium"), *FLAGS, f"--user-data-dir={folder}", "--dump-dom", url],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/flask/", "<h1>Hello, World!</h1>"),
        # Each operation as Swagger UI draws it, from the schema at the prefix.
        ("/fastapi/docs", 'id="operations-items-'),
        # A section as ReDoc draws it.
        ("/fastapi/redoc", 'data-section-id="tag/items"'),
        ("/nowhere", "No service is mounted here."),
    ],
)
def test_pages_work_without_internet(
    reference: Gateway, tmp_path: Path, path: str, shown: str
) -> None:
    """Nobody meets a blank page behind a firewall."""
    assert shown in rendered(reference.url + path, tmp_path)
