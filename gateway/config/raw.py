"""Values as the file and the environment give them, before they are settings."""

from __future__ import annotations

from typing import Any

Location = tuple[str | int, ...]


def text_of(value: Any) -> str:
    """A text; empty for what is none."""
    return value if isinstance(value, str) else ""


def list_of(value: Any) -> list[Any]:
    """A list; empty for what is none."""
    return list(value) if isinstance(value, list | tuple) else []


def value_at(values: Any, location: Location) -> Any:
    """What stands at a location of nested tables and lists; None for nothing."""
    for part in location:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values
