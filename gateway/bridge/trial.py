"""How many of a pool's workers are best awake, found out by trying."""

from __future__ import annotations

# Between blocked and computing, only trying tells how many awake workers do the most. Where those
# awake use less than this much of a processor, one more is tried; else one more and one less in
# turn: what computes without the lock has use for several processors. A trial that did not pay is
# undone, and the next of its kind waits twice as long.
_SATURATED_SHARE = 0.8
_WORTH_SHARE = 0.04
# Beyond one processor the worth is a good part of another: to change hands costs some time, too.
_WORTH_PROCESSOR = 0.25
_SMOOTHING = 0.1  # the weight of one look in the share that trials are judged by
_TRIAL_LOOKS = 24
_FIRST_TRY_LOOKS = 16
_LAST_TRY_LOOKS = 8192


class Trial:
    """Tries one awake worker more, or one less, and keeps what pays."""

    def __init__(self) -> None:
        self._share = 1.0
        self._looks = 0
        self._kind = 0  # of the trial that runs: +1, -1, or 0 for none
        self._ends = 0
        self._share_before = 0.0
        self._turn = 1  # which kind is next, where both could be
        self._wait = {1: _FIRST_TRY_LOOKS, -1: _FIRST_TRY_LOOKS}
        self._due = dict(self._wait)

    def look(self, share: float, *, may_rest: bool) -> int:
        """Take what one look saw while jobs waited; return by how many workers to change.

        Args:
            share: How many processors the awake workers used.
            may_rest: Whether there is one that can be spared.
        """
        self._share += _SMOOTHING * (share - self._share)
        self._looks += 1
        if self._kind:
            return self._end() if self._looks >= self._ends else 0
        saturated = self._share >= _SATURATED_SHARE
        for kind in (self._turn, -self._turn) if saturated else (1,):
            if self._looks >= self._due[kind] and (kind > 0 or may_rest):
                self._kind, self._turn = kind, -kind
                self._ends = self._looks + _TRIAL_LOOKS
                self._share_before = self._share
                return kind
        return 0

    def cancel(self) -> None:
        """Something else has changed the number; what was being tried says nothing now."""
        self._kind = 0

    def _end(self) -> int:
        kind, self._kind = self._kind, 0
        gain = self._share - self._share_before
        saturated = self._share_before >= _SATURATED_SHARE
        worth = _WORTH_PROCESSOR if saturated else _WORTH_SHARE
        paid = gain >= worth if kind > 0 else gain > -worth
        self._wait[kind] = _FIRST_TRY_LOOKS if paid else min(2 * self._wait[kind], _LAST_TRY_LOOKS)
        # What was just found better is not asked for its opposite at once.
        other = max(self._due[-kind], self._looks + self._wait[-kind])
        self._due = {kind: self._looks + self._wait[kind], -kind: other}
        return 0 if paid else -kind
