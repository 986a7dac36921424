"""How many of a pool's workers are best awake, found out by trying."""

from __future__ import annotations

# Between blocked and computing, only trying tells how many awake workers do the most. Where those
# awake use less than this, one more is tried, else one less. A trial that did not pay is undone,
# and the next of its kind waits twice as long.
_SATURATED_SHARE = 0.8
_WORTH_SHARE = 0.04
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
        self._share_before = 0.0
        self._wait = {1: _FIRST_TRY_LOOKS, -1: _FIRST_TRY_LOOKS}

    def look(self, share: float, *, jobs_wait: bool) -> int:
        """Take the share of one look; return by how many workers to change."""
        self._share += _SMOOTHING * (share - self._share)
        self._looks += 1
        if self._kind:
            return self._end() if self._looks >= _TRIAL_LOOKS else 0
        kind = -1 if self._share >= _SATURATED_SHARE else 1
        if self._looks < self._wait[kind] or (kind > 0 and not jobs_wait):
            return 0
        self._kind, self._looks, self._share_before = kind, 0, self._share
        return kind

    def cancel(self) -> None:
        """Something else has changed the number; what was being tried says nothing now."""
        self._kind = self._looks = 0

    def _end(self) -> int:
        kind, self._kind, self._looks = self._kind, 0, 0
        gain = self._share - self._share_before
        paid = gain >= _WORTH_SHARE if kind > 0 else gain > -_WORTH_SHARE
        if paid:
            self._wait[kind] = _FIRST_TRY_LOOKS
            return 0
        self._wait[kind] = min(2 * self._wait[kind], _LAST_TRY_LOOKS)
        return -kind
