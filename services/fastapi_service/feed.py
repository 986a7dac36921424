"""Changes made by either stack in any process, for everybody who listens in this one."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from services.catalog import queries
from services.catalog.models import now
from services.catalog.schemas import ChangeOut
from services.catalog.writes import KEPT_CHANGES

POLL_SECONDS = 0.2

log = logging.getLogger(__name__)


class ChangeFeed:
    """Follows the table of changes with one task, and only while somebody listens.

    Listeners have no queues: the newest changes are kept once, and each listener remembers the id
    of the last one that it took. One that falls too far behind is told to read the list again, so
    that slow listeners cost no memory, however many they are.
    """

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions
        self._newest: int | None = None
        self._recent: deque[ChangeOut] = deque(maxlen=KEPT_CHANGES)
        self._arrival = asyncio.Condition()
        self._listeners = 0
        self._follower: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()

    async def latest(self) -> int:
        """The id of the newest change."""
        async with self._sessions() as session:
            return (await session.scalars(queries.revision())).one().value

    async def listen(self, after: int) -> AsyncGenerator[ChangeOut]:
        """Yield the changes after one as they happen, for as long as the caller iterates.

        Args:
            after: The id of the last change that the listener knows.

        Yields:
            The changes in order; a `reset` takes the place of changes that are no longer kept.
        """
        self._listeners += 1
        if self._follower is None:
            self._stopped = asyncio.Event()
            self._follower = asyncio.create_task(self._follow(self._stopped))
        try:
            while True:
                for change in await self._next(after):
                    yield change
                    after = change.id
        finally:
            self._listeners -= 1
            if self._listeners == 0:
                self._stop()

    async def close(self) -> None:
        """Stop following, and wait until that is done."""
        if follower := self._stop():
            await asyncio.wait([follower])

    def _stop(self) -> asyncio.Task[None] | None:
        follower, self._follower = self._follower, None
        self._newest = None
        self._recent.clear()
        # Not cancelled: in the middle of a query, that would cost the connection to the database.
        self._stopped.set()
        return follower

    async def _next(self, after: int) -> Sequence[ChangeOut]:
        """Wait until the newest change is another one, and return what lies between."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: self._newest not in {None, after})
            newest = self._newest or 0
            if self._recent and self._recent[0].id <= after + 1 <= newest:
                return [change for change in self._recent if change.id > after]
        changes = [change for change in await self._load(after) if change.id <= newest]
        if changes and changes[0].id == after + 1:
            return changes
        # Pruned meanwhile; or the listener knows a change that never was in this database.
        return [ChangeOut(id=newest, kind="reset", item_id=None, at=now())]

    async def _load(self, after: int) -> Sequence[ChangeOut]:
        async with self._sessions() as session:
            changes = await session.scalars(queries.changes_since(after, KEPT_CHANGES))
            return [ChangeOut.model_validate(change) for change in changes]

    async def _follow(self, stopped: asyncio.Event) -> None:
        while not stopped.is_set():
            try:
                await self._look(stopped)
            except SQLAlchemyError:
                # Listeners wait until the database is back, and miss nothing.
                log.warning("The changes could not be read", exc_info=True)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), POLL_SECONDS)

    async def _look(self, stopped: asyncio.Event) -> None:
        if self._newest is None:
            changes: Sequence[ChangeOut] = []
            newest = await self.latest()
        else:
            changes = await self._load(self._newest)
            newest = changes[-1].id if changes else self._newest
        if stopped.is_set():
            return  # another may follow by now
        if newest != self._newest:
            async with self._arrival:
                if changes and changes[0].id - 1 != self._newest:
                    self._recent.clear()
                self._recent.extend(changes)
                self._newest = newest
                self._arrival.notify_all()
