"""How many workers are awake: the judgement by itself, on clocks that the tests set."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from gateway.bridge.trial import Trial
from gateway.bridge.waking import PATIENCE_SECONDS, Clock, Watch, Watched

LOOK = 0.001


class _SetClock(Clock):
    """A clock that says what it is told."""

    __slots__ = ("share",)

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def used(self) -> float:
        """The share of one look."""
        return self.share * LOOK


def _worker(taken: float, share: float) -> Watched:
    worker = Watched()
    worker.taken = taken
    worker.clock = _SetClock(share)
    return worker


def _awake_after(looks: int, share_of: Callable[[int], float]) -> list[int]:
    """How many are awake at each look, where so many of them use so much."""
    trial = Trial()
    awake = 1
    seen = []
    for _ in range(looks):
        awake += trial.look(share_of(awake), may_rest=awake > 1)
        seen.append(awake)
    return seen


@pytest.fixture
def quiet_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop leaves all the time to the workers."""
    monkeypatch.setattr(time, "thread_time", lambda: 0.0)


def test_what_computes_without_the_lock_gets_all_processors() -> None:
    """Hashing on two processors: two are awake nearly all the time, and not many more."""
    seen = _awake_after(5000, lambda awake: min(awake, 2))
    assert sum(awake in {2, 3} for awake in seen[200:]) > 0.95 * len(seen[200:])
    assert sum(awake == 2 for awake in seen) > 0.8 * len(seen)


@pytest.mark.parametrize("overhead", [0.0, 0.05])
def test_what_computes_with_the_lock_gets_one(overhead: float) -> None:
    """Another one brings no more than what it costs to change hands."""
    seen = _awake_after(5000, lambda awake: 1.0 + overhead * (awake - 1))
    assert sum(awake == 1 for awake in seen) > 0.9 * len(seen)


def test_what_waits_in_part_gets_as_many_as_fill_the_processor() -> None:
    """Views that use a third of their time: three."""
    seen = _awake_after(5000, lambda awake: min(awake * 0.3, 1.0))
    assert sum(awake in {3, 4} for awake in seen) > 0.8 * len(seen)


def test_a_view_that_changes_from_the_lock_to_without_is_found_out() -> None:
    """One kind of trial does not put off the other."""
    seen = _awake_after(5000, lambda awake: 1.0)
    assert seen[-1] == 1
    trial = Trial()
    awake = 1
    for look in range(12000):
        awake += trial.look(min(awake, 2) if look > 4000 else 1.0, may_rest=awake > 1)
    assert awake >= 2


@pytest.mark.usefixtures("quiet_loop")
def test_the_one_that_takes_short_jobs_is_not_rested_beside_one_that_computes_for_long() -> None:
    """Else each short job would wait for the patience with the long one to end."""
    watch = Watch()
    for _ in range(100):
        watch.note_ended(0.001)
    long, short = _worker(1.0, 0.5), _worker(1.0, 0.5)
    watch.note_woken(1.0)
    watch.start(1.0, [long, short])
    awake, least = 2, 2
    now = 1.0
    for _ in range(3000):
        now += LOOK
        short.taken = watch.last_taken = now
        awake += watch.look(now, [long, short], jobs_wait=True)
        if now > 1.1:
            least = min(least, awake)
            assert not watch.can_spare(now, [long, short])
    assert least >= 2


@pytest.mark.usefixtures("quiet_loop")
@pytest.mark.parametrize(
    ("usual", "least", "most"),
    [(0.001, 0.02, 0.05), (0.05, 0.09, 0.12), (1.0, 0.24, PATIENCE_SECONDS + 2 * LOOK)],
    ids=["short", "longer", "long"],
)
def test_patience_with_one_that_computes_is_as_long_as_jobs_usually_take(
    usual: float, least: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside short jobs a long one is noticed soon; where all are long, another is no gain."""
    monkeypatch.setattr(Trial, "look", lambda trial, share, *, may_rest: 0)
    watch = Watch()
    for _ in range(100):
        watch.note_ended(usual)
    worker = _worker(1.0, 1.0)
    watch.note_woken(1.0)
    watch.start(1.0, [worker])
    now = 1.0
    while not watch.look(now, [worker], jobs_wait=True):
        now += LOOK
    assert least <= now - 1.0 <= most
