"""The system's Chromium, driven by Playwright."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.backends import require


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that finds this machine and nothing else.

    Not for a whole session: while Playwright runs it holds this thread's event loop, which
    asynchronous tests of other modules need.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=require("chromium"),
            args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
        )
        yield browser
        browser.close()
