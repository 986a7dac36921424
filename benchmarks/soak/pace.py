"""Does things at a steady rate, whatever becomes of them, and never too many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.soak.tally import Tally, UnexpectedError


@dataclass(frozen=True)
class Errand:
    """One kind of thing that a client does.

    Attributes:
        name: In reports.
        weight: How often it is done, relative to the others.
        act: Does it, and says how it ended; raises `UnexpectedError` where it ended badly.
    """

    name: str
    weight: float
    act: Callable[[Random], Awaitable[str]]


@dataclass(frozen=True)
class Pace:
    """How much.

    Attributes:
        per_second: Errands that begin.
        at_once: Errands that are under way; above, the next one is left out.
    """

    per_second: float
    at_once: int


async def drive(
    errands: Sequence[Errand], pace: Pace, seconds: float, chance: Random, tally: Tally
) -> None:
    """Do errands for a while, and wait for those under way.

    Args:
        errands: The kinds, each as often as it weighs.
        pace: How many.
        seconds: For how long.
        chance: Which comes next, and what each makes up.
        tally: Is told how they end.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    running: set[asyncio.Task[None]] = set()
    weights = [errand.weight for errand in errands]
    number = 0
    while (due := number / pace.per_second) < seconds:
        await asyncio.sleep(max(begun + due - loop.time(), 0))
        number += 1
        if len(running) >= pace.at_once:
            tally.skipped += 1
            continue
        errand = chance.choices(errands, weights)[0]
        task = asyncio.create_task(_do(errand, chance, tally))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)


async def _do(errand: Errand, chance: Random, tally: Tally) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    tally.asked[errand.name] += 1
    try:
        outcome = await errand.act(chance)
    except UnexpectedError as error:
        tally.failed(errand.name, str(error))
    except Exception as error:  # noqa: BLE001 - whatever a client's library raises
        tally.failed(errand.name, f"{type(error).__name__}: {error}")
    else:
        tally.ended(errand.name, outcome, loop.time() - begun)
