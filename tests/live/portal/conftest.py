"""A browser without internet, and the portal's pages for it to open."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request

from tests.browsers import chromium
from tests.live.portal.serving import SeededPortal, serving

SIZES = {"desktop": (1280, 800), "phone": (360, 740)}


@dataclass
class Watched:
    """A page, and what went wrong in it.

    Attributes:
        page: The page.
        complaints: Errors of the console, errors of scripts and requests to other origins.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)


OpenPage = Callable[..., Watched]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def open_url(browser: Browser) -> Iterator[OpenPage]:
    """Opens a page by its address, each time as somebody else."""
    contexts = []

    def open_(
        url: str, size: str = "desktop", scheme: str = "light", *, scripts: bool = True
    ) -> Watched:
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            java_script_enabled=scripts,
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        context.set_default_timeout(10_000)
        watched = Watched(context.new_page())
        _watch(watched, url)
        watched.page.goto(url)
        return watched

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture
def portal() -> Iterator[SeededPortal]:
    """The pages over seeded facts, fresh for each test."""
    with serving(SeededPortal()) as portal:
        yield portal


@pytest.fixture
def open_page(open_url: OpenPage, portal: SeededPortal) -> OpenPage:
    """Opens a page over the seeded facts, by its path below the prefix."""

    def open_(path: str, *arguments: Any, **options: Any) -> Watched:
        return open_url(portal.url + path, *arguments, **options)

    return open_


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where pictures go: the test's own folder, or the one that `PORTAL_SCREENSHOTS` names."""
    folder = Path(os.environ.get("PORTAL_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _watch(watched: Watched, url: str) -> None:
    origin = urlsplit(url).netloc

    def console(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            watched.complaints.append(f"console: {message.text}")

    def raised(error: Error) -> None:
        watched.complaints.append(f"script: {error}")

    def asked(request: Request) -> None:
        where = urlsplit(request.url)
        if where.scheme not in {"data", "blob"} and where.netloc != origin:
            watched.complaints.append(f"another origin: {request.url}")

    watched.page.on("console", console)
    watched.page.on("pageerror", raised)
    watched.page.on("request", asked)
