"""Takes the pictures of the README: the reference services, asked for two minutes by three clients.

`make screenshots` runs it; it takes as long as the charts are wide.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import FloatRect, Page, sync_playwright

from tests.backends import require
from tests.live.serving import serving

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "docs" / "images"
TRAFFIC_SECONDS = 120.0
CLIENTS = 3
# Paths below both prefixes, with how often they are asked for.
PATHS = {"/items/1": 6, "/items/2": 3, "/items": 3, "/report": 2, "/me": 1}


@contextmanager
def traffic(url: str) -> Iterator[None]:
    """Ask both services, by turns busier and calmer, until the block ends."""
    ended = threading.Event()

    def ask(seed: int) -> None:
        dice = random.Random(seed)
        with httpx.Client(base_url=url) as client:
            while not ended.is_set():
                path = dice.choices(list(PATHS), list(PATHS.values()))[0]
                client.get(dice.choice(["/flask", "/fastapi", "/fastapi", "/api"]) + path)
                calm = 1.5 if int(time.monotonic() / 20) % 2 else 0.7
                ended.wait(dice.expovariate(30) * calm)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def overview(page: Page, url: str) -> None:
    """The overview, down to what it says of the process."""
    page.goto(f"{url}/_gateway/")
    page.wait_for_selector("text=/Live, /")
    page.screenshot(path=FOLDER / "overview.png", clip=_down_to(page, "[data-process]"))


def compare(page: Page, url: str) -> None:
    """Both answers to one request, and how long 200 of them take."""
    query = "method=GET&path=/items/{item_id}&first=flask&second=fastapi"
    page.goto(f"{url}/_gateway/compare?{query}")
    page.wait_for_selector("text=Filled in")
    page.click("text=Run 200 times")
    page.wait_for_selector("svg.plot")
    page.mouse.move(0, 0)
    page.evaluate("scrollTo(0, 0)")
    clip = _down_to(page, ".plot-box")
    page.screenshot(path=FOLDER / "compare.png", clip=clip, full_page=True)


def switch(page: Page, url: str) -> None:
    """The board, with what differs on one route."""
    page.goto(f"{url}/_gateway/switch")
    route = page.locator('details[data-route="GET /items/{}"]')
    route.locator("summary").first.click()
    route.locator(".finding").first.wait_for()
    page.evaluate("scrollTo(0, 0)")
    clip = _down_to(page, 'details[data-route="GET /items/{}"] .finding')
    page.screenshot(path=FOLDER / "switch.png", clip=clip, full_page=True)


def _down_to(page: Page, selector: str) -> FloatRect:
    box = page.locator(selector).first.bounding_box()
    assert box is not None
    return {"x": 0, "y": 0, "width": 1280, "height": box["y"] + box["height"] + 14}


def main() -> None:
    """Take all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=require("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(
            viewport={"width": 1280, "height": 800}, color_scheme="light", reduced_motion="reduce"
        )
        databases = {
            "CATALOG_DATABASE_URL": f"sqlite:///{data}/catalog.db",
            "GATEWAY_SWITCH__DATABASE": f"sqlite:///{data}/switch.db",
        }
        with serving(cwd=ROOT, env=databases) as gateway:
            command = [sys.executable, "-m", "gateway", "switch", "set", "GET /items"]
            command += ["canary", "--percent", "25", "--why", "a quarter, for a day"]
            subprocess.run(command, cwd=ROOT, env=os.environ | databases, check=True)
            with traffic(gateway.url):
                time.sleep(TRAFFIC_SECONDS)
                overview(page, gateway.url)
            compare(page, gateway.url)
            switch(page, gateway.url)
        browser.close()


if __name__ == "__main__":
    main()
