"""What the server does with signals."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator

import pytest

from gateway.config import ServerSettings
from gateway.health import Health
from gateway.server import StopSignals, on_stop_signal


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


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> dict[float, Callable[[], None]]:
    """What was put off, by the seconds that it was put off for."""
    planned: dict[float, Callable[[], None]] = {}

    class Timer:
        def __init__(self, seconds: float, act: Callable[[], None]) -> None:
            self.seconds, self.act = seconds, act

        def start(self) -> None:
            assert self.daemon is True
            assert self.seconds not in planned
            planned[self.seconds] = self.act

        daemon = False

    monkeypatch.setattr("gateway.server.threading.Timer", Timer)
    return planned


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_readiness_turns_before_the_server_starts_to_stop(
    handlers: list[int], timers: dict[float, Callable[[], None]], number: signal.Signals
) -> None:
    """A load balancer may know first, and the server's own handler still runs."""
    health = Health()
    stops = StopSignals(health, ServerSettings(drain_seconds=3))
    on_stop_signal(stops)
    signal.raise_signal(number)
    assert not health.ready
    assert health.stopping
    assert handlers == [number]
    assert list(timers) == [3]


def test_the_drain_delay_keeps_serving(
    handlers: list[int], timers: dict[float, Callable[[], None]]
) -> None:
    """Until it is over the server knows nothing of the signal, and streams go on."""
    health = Health()
    on_stop_signal(StopSignals(health, ServerSettings(drain_seconds=3, drain_delay_seconds=1)))
    signal.raise_signal(signal.SIGTERM)
    assert (health.ready, health.stopping, handlers) == (False, False, [])
    timers[1]()
    assert (health.stopping, handlers) == (True, [signal.SIGTERM])


def test_a_second_signal_ends_the_process_at_once(
    handlers: list[int],
    timers: dict[float, Callable[[], None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever asks twice does not want to wait."""
    monkeypatch.setattr("gateway.server.os._exit", sys.exit)
    on_stop_signal(StopSignals(Health(), ServerSettings(drain_seconds=3, drain_delay_seconds=1)))
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(SystemExit, match="1"):
        signal.raise_signal(signal.SIGTERM)
