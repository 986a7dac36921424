"""Fixtures for the gateway's own tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway.projects import clean_imports


@pytest.fixture
def forget_imports() -> Iterator[None]:
    """Modules of a test's own project do not leak into the next test."""
    with clean_imports():
        yield
