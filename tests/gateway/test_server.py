"""What the server does with signals."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from gateway.health import Health
from gateway.server import _begin_drain, _on_stop_signal


@pytest.fixture
def handlers() -> Iterator[list[int]]:
    """Signal handlers that record, in the place of a server's own."""
    received: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, lambda number, frame: received.append(number))
    yield received
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_readiness_turns_before_the_server_starts_to_stop(
    handlers: list[int], number: signal.Signals
) -> None:
    """A load balancer may know first, and the server's own handler still runs."""
    health = Health()
    _on_stop_signal(lambda: handlers.append(-1) or health.drain())  # type: ignore[func-returns-value]
    signal.raise_signal(number)
    assert not health.ready
    assert handlers == [-1, number]


def test_the_deadline_runs_from_the_first_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second signal does not put the end off."""
    timers: list[float] = []

    class Timer:
        def __init__(self, seconds: float, act: object, arguments: object) -> None:
            self.seconds = seconds

        def start(self) -> None:
            assert self.daemon is True
            timers.append(self.seconds)

        daemon = False

    monkeypatch.setattr("gateway.server.threading.Timer", Timer)
    health = Health()
    _begin_drain(health, 3)
    _begin_drain(health, 3)
    assert timers == [3]
