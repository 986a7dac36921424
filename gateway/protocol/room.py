"""How many connections there may be, and which one goes where there is no room for a new one."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sized
from dataclasses import dataclass, field
from typing import Protocol


@dataclass
class ConnectionCounts:
    """What the connections of one process have seen; published by telemetry.

    Attributes:
        open: Connections now, WebSockets included.
        refused: Requests refused before the edge saw them, by status.
        crowded_out: Waiting connections that were closed for newer ones.
        not_taking: Connections that were closed as their client took nothing of its answer.
    """

    open: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    crowded_out: int = 0
    not_taking: int = 0


class Waiting(Protocol):
    """A connection without a request."""

    def still_takes(self) -> bool:
        """Whether its client still takes its last answer."""

    def make_room(self) -> bool:
        """Close at once; return whether anybody loses something by it."""


class Room:
    """The connections of one process that only wait, the one that waits longest first.

    The newest is not refused as long as another only waits: else whoever opens as many as there may
    be, and says nothing, shuts everybody out.

    Args:
        connections: All connections; those that are closed take themselves out.
        counts: Where it is counted.
    """

    def __init__(self, connections: Sized, counts: ConnectionCounts) -> None:
        self._connections = connections
        self._counts = counts
        self._waiting: OrderedDict[Waiting, None] = OrderedDict()

    def wait(self, connection: Waiting) -> None:
        """It has no request, as of now."""
        self._waiting[connection] = None

    def leave(self, connection: Waiting) -> None:
        """It has a request, or is gone."""
        self._waiting.pop(connection, None)

    def fits(self, most: int) -> bool:
        """Whether there is room for the newest connection, once those that wait made some."""
        while len(self._connections) > most:
            if not self._close_longest_waiting():
                return False
        return True

    def _close_longest_waiting(self) -> bool:
        for _ in range(len(self._waiting)):
            oldest, _ = self._waiting.popitem(last=False)
            if oldest.still_takes():
                self._waiting[oldest] = None
                continue
            self._counts.crowded_out += oldest.make_room()
            return True
        return False
