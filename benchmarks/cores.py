"""Which cores the server and the load run on. Children inherit what is set here."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Cores:
    """A core each, or None where processes cannot be pinned or there is only one core."""

    server: int | None
    load: int | None

    @classmethod
    def available(cls) -> Cores:
        """The first and the last usable core: neighbours may be two halves of one."""
        if sys.platform != "linux":
            return cls(None, None)
        usable = sorted(os.sched_getaffinity(0))
        return cls(usable[0], usable[-1]) if len(usable) > 1 else cls(None, None)

    def __str__(self) -> str:
        if self.server is None:
            return "server and load not pinned"
        return f"server on core {self.server}, load on core {self.load}"


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Keep this process, and those that it starts, on one core."""
    if sys.platform != "linux" or core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
