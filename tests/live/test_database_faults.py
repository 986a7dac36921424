"""The database goes and comes back while both stacks are asked."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg

from tests.backends import run_postgres
from tests.live.conftest import ROOT, sign_in
from tests.live.serving import serving, wait_until

ITEM = {"name": "Guy line", "description": "", "price": "2.40", "stock": 7}


def test_a_database_that_stops_and_starts_costs_only_what_needs_it(tmp_path: Path) -> None:
    """Others are served throughout, health returns by itself, and what was accepted is there."""
    with run_postgres() as postgres:
        url = postgres.fresh_database()
        with serving(cwd=ROOT, env={"CATALOG_DATABASE_URL": url}) as gateway:
            over = threading.Event()
            seen: dict[str, Counter[int]] = {}

            def ask(path: str) -> None:
                answers = seen[path] = Counter()
                while not over.wait(0.01):
                    answers[httpx.get(gateway.url + path, timeout=30).status_code] += 1

            def write(stack: str) -> None:
                answers = seen[f"POST {stack}"] = Counter()
                with httpx.Client(base_url=gateway.url, timeout=30) as client:
                    assert sign_in(client, stack).is_success
                    while not over.wait(0.01):
                        with contextlib.suppress(httpx.TimeoutException):
                            answer = client.post(f"/{stack}/items", json=ITEM)
                            answers[answer.status_code] += 1

            stacks = ("flask", "fastapi")
            items = [f"/{stack}/items/1" for stack in stacks]
            plain = ["/flask/hello", "/fastapi/"]
            with ThreadPoolExecutor(6) as pool:
                running = [pool.submit(ask, path) for path in items + plain]
                running += [pool.submit(write, stack) for stack in stacks]
                everything = [*items, *plain, *(f"POST {stack}" for stack in stacks)]
                try:
                    wait_until(lambda: all(seen.get(name) for name in everything))
                    postgres.stop()
                    wait_until(lambda: all(sum(_failures(seen[path])) for path in items), 60)
                    postgres.start()
                    for path in items:
                        wait_until(lambda path=path: _works(gateway.url + path), 60)
                    before = {name: seen[name][200] + seen[name][201] for name in everything}
                    wait_until(lambda: all(seen[n][200] + seen[n][201] > before[n] for n in before))
                finally:
                    over.set()
                for future in running:
                    future.result(60)
            for path in plain:
                assert set(seen[path]) == {200}
            accepted = sum(seen[f"POST {stack}"][201] for stack in stacks)
            with psycopg.connect(url) as connection:
                row = connection.execute(
                    "SELECT count(*) FROM items WHERE name = %s", [ITEM["name"]]
                ).fetchone()
            # An answer may be lost with the connection of a write that was done; never the reverse.
            assert row is not None
            assert row[0] >= accepted > 0
            assert httpx.get(f"{gateway.url}/_gateway/readyz").status_code == 200


def _failures(answers: Counter[int]) -> list[int]:
    return [count for status, count in answers.items() if status >= 500]


def _works(url: str) -> bool:
    return httpx.get(url, timeout=30).status_code == 200
