"""Where an effective setting comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

OriginKind = Literal["default", "file", "environment", "command line"]


@dataclass(frozen=True)
class Origin:
    """What gave a setting its value.

    Attributes:
        kind: Which of the sources.
        source: The file's path, the variable's name or the option; empty for a default.
    """

    kind: OriginKind
    source: str = ""


def locations(values: Mapping[str, Any]) -> Iterator[tuple[str | int, ...]]:
    """Where values stand: `("environment",)`, `("server", "port")`, `("mounts", 0, "name")`."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from ((name, key) for key in value)
        elif name == "mounts" and isinstance(value, list | tuple):
            for index, mount in enumerate(value):
                if isinstance(mount, Mapping):
                    yield from ((name, index, key) for key in mount)
        else:
            yield (name,)
