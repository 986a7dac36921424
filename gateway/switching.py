"""How long Python lets one thread run before another may: short only while WSGI services work.

Beside a thread that computes, the event loop waits for one interval each time it has something to
do; so it is short then. Where nothing computes in threads it only costs: threads that hand each
other work, as the drivers of databases do, would be interrupted ten times as often.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection

from gateway.exchange import Running

LOOK_SECONDS = 0.05
# Of looks without such a request, before the interval is the usual one again.
_LOOKS = 10


class SwitchInterval:
    """Keeps the interval right for what runs.

    Args:
        short_seconds: The interval while a WSGI service works.
        mounts: The names of the mounts of WSGI services.
        running: The exchanges.
        is_shadowed: Whether shadows ask a service, which are no exchanges; None for no shadows.
    """

    def __init__(
        self,
        short_seconds: float,
        mounts: Collection[str],
        running: Running,
        is_shadowed: Callable[[str], bool] | None = None,
    ) -> None:
        self._short = short_seconds
        self._mounts = frozenset(mounts)
        self._running = running
        self._is_shadowed = is_shadowed

    async def keep(self) -> None:
        """Look now and then, until cancelled; then leave the interval as it was."""
        usual = sys.getswitchinterval()
        looks_left = 0
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                if self._works():
                    if not looks_left:
                        sys.setswitchinterval(self._short)
                    looks_left = _LOOKS
                elif looks_left:
                    looks_left -= 1
                    if not looks_left:
                        sys.setswitchinterval(usual)
        finally:
            sys.setswitchinterval(usual)

    def _works(self) -> bool:
        if any(exchange.mount in self._mounts for exchange in self._running):
            return True
        return self._is_shadowed is not None and any(map(self._is_shadowed, self._mounts))
