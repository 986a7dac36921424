"""Every adapter against the same cases; what one is known not to hold, it must not hold."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bridge.conformance import CASES
from tests.bridge.known import KNOWN
from tests.bridge.table import PAGE, page_with_table

ROOT = Path(__file__).parents[2]
Outcomes = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def outcomes() -> Iterator[Outcomes]:
    """The outcomes of all adapters, each in a process that takes its lost threads with it."""
    processes = {
        adapter: subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.bridge.conformance", adapter],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for adapter in KNOWN
    }
    try:
        yield {
            adapter: json.loads(process.communicate(timeout=240)[0])
            for adapter, process in processes.items()
        }
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()


@pytest.mark.parametrize("title", CASES)
@pytest.mark.parametrize("adapter", KNOWN)
def test_conformance(outcomes: Outcomes, adapter: str, title: str) -> None:
    """An adapter holds a case, or does not for a reason that is written down."""
    outcome = outcomes[adapter][title]
    reason = KNOWN[adapter].get(title)
    if reason is None:
        assert outcome == ""
    else:
        assert outcome != "", f"{adapter} holds this now; it was thought that {reason}"


def test_every_known_difference_is_a_case() -> None:
    """A case that is renamed takes its reason along."""
    for reasons in KNOWN.values():
        assert set(reasons) <= set(CASES)


def test_the_page_has_the_table_of_this_suite() -> None:
    """The documentation's table is generated, not claimed."""
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_with_table(page)
