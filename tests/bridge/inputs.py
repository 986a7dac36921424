"""Pieces for tests of `wsgi.input`: an application that reads, and the ways in which it can."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

CHUNKED = [(b"transfer-encoding", b"chunked")]
# Limits by where a body is read from: memory, a temporary file, or as it arrives.
KINDS: dict[str, dict[str, Any]] = {
    "memory": {"threads": 1},
    "file": {"threads": 1, "memory_bytes": 0},
    "stream": {"threads": 1, "buffering": "stream"},
}
Read = tuple[str, int | None]


class App:
    """An application that does `read` with its input and keeps what came of it."""

    def __init__(self, read: Callable[[Any], Any] = lambda file: file.read()) -> None:
        self.read = read
        self.calls = 0
        self.seen: Any = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.calls += 1
        self.seen = self.read(environ["wsgi.input"])
        start_response("200 OK", [])
        return [b"ok"]


def apply(file: Any, reads: Sequence[Read]) -> list[Any]:
    """What each of the reads gives."""
    return [apply_one(file, name, size) for name, size in reads]


def apply_one(file: Any, name: str, size: int | None) -> Any:
    """What one of the reads gives."""
    if name == "next":
        return next(file, None)
    if name == "all":
        return list(file)
    if name == "readinto":
        buffer = bytearray(max(size or 0, 0))
        return file.readinto(buffer), bytes(buffer)
    if size is None:
        return getattr(file, name)()
    return getattr(file, name)(size)


def read_until_error(file: Any, operations: Sequence[Read]) -> tuple[list[Any], list[OSError]]:
    """What the reads give, and three more that would reach the end; and which errors they raise."""
    got: list[Any] = []
    errors: list[OSError] = []
    for name, size in [*operations, ("read", None), ("read", None), ("readline", None)]:
        try:
            got.append(apply_one(file, name, size))
        except OSError as error:
            errors.append(error)
    return got, errors
