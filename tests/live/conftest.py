"""The gateway as `make run` starts it, for tests of both reference services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.live.serving import Gateway, serving

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Both reference services on a fresh SQLite file."""
    database = tmp_path_factory.mktemp("data") / "catalog.db"
    with serving(cwd=ROOT, env={"CATALOG_DATABASE_URL": f"sqlite:///{database}"}) as gateway:
        yield gateway


@pytest.fixture
def visitor(reference: Gateway) -> Iterator[httpx.Client]:
    """Somebody who is not signed in."""
    with httpx.Client(base_url=reference.url) as client:
        yield client


@pytest.fixture
def member(reference: Gateway) -> Iterator[httpx.Client]:
    """The demo user, signed in at Flask: which counts at FastAPI too."""
    with httpx.Client(base_url=reference.url) as client:
        sign_in(client, "flask")
        yield client


def sign_in(client: httpx.Client, stack: str, password: str = "demo-password") -> httpx.Response:
    """Sign the demo user in at one of the stacks, in that stack's own way."""
    credentials = {"username": "demo", "password": password}
    if stack == "flask":
        return client.post("/flask/login", data=credentials)
    return client.post("/fastapi/login", json=credentials)
