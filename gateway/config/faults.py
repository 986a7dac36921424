"""A fault: one thing wrong with the configuration, in words that say what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing wrong with the configuration.

    Attributes:
        source: The file, "environment" or "command line".
        key: The setting as that source spells it: `server.port`, `GATEWAY_SERVER__PORT`.
        found: What stands there.
        accepted: What may stand there.
    """

    source: str
    key: str
    found: str
    accepted: str

    def __str__(self) -> str:
        found = self.found.replace("\n", "\n            ")
        return f"{self.source}: {self.key}\n  found     {found}\n  accepted  {self.accepted}"


class ConfigurationError(Exception):
    """The configuration cannot be used; `faults` says why, all of it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        lines = "\n\n".join(str(fault) for fault in self.faults)
        super().__init__(f"{count} in the configuration; nothing was started.\n\n{lines}")
