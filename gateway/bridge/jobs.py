"""What a pool of threads is given to do, and what it says of it."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Protocol

from gateway.problems import Refusal


class Job(Protocol):
    """What a worker does for one request.

    Attributes:
        waited: Seconds that it waited for a worker.
    """

    waited: float

    def run(self) -> None:
        """Do it, in a worker's thread. Never raises."""

    def deliver(self) -> None:
        """Take over what `notify` told of, on the event loop."""

    def expire(self, oldest: float) -> bool:
        """The deadline has passed for what began before `oldest`, on the event loop.

        Returns:
            Whether a worker that still runs it does so for nobody.
        """

    def discard(self) -> None:
        """It will not be run, on the event loop."""


class Saturated(Refusal):
    """All threads are busy and the queue is full."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    detail = "All threads of the service are busy and its queue is full. Try again soon."
    headers = MappingProxyType({"Retry-After": "1"})


class Closing(Saturated):
    """The pool takes no more jobs: its service stops."""

    detail = "The service is stopping. Try again soon."


@dataclass
class Counters:
    """What has happened since the start; published by telemetry.

    Attributes:
        served: Requests whose answer, or error, was handed on to its end.
        rejected: Those that found no room.
        timed_out: Those that were answered 504.
        left_early: Those whose client left, or took nothing of its answer.
    """

    served: int = 0
    rejected: int = 0
    timed_out: int = 0
    left_early: int = 0
