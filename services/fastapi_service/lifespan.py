"""What the application holds while it runs."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TypedDict

import redis
from anyio import CapacityLimiter, to_thread
from cachelib import RedisCache, SimpleCache
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from services.catalog import database
from services.catalog.reports import CACHE_PREFIX, CACHE_SECONDS, REDIS_OPTIONS, ReportCache
from services.catalog.settings import CatalogSettings
from services.fastapi_service.feed import ChangeFeed

# Each hash takes 32 MiB and a core for a while; more at once would only make all of them late.
HASHES_AT_ONCE = 4


@dataclass(frozen=True)
class Catalog:
    """What requests share; they reach it through the dependencies.

    Attributes:
        settings: The settings that the application was made with.
        sessions: Opens database sessions.
        cache: Keeps reports.
        feed: Announces changes.
        hashing: Limits how many passwords are checked at once.
    """

    settings: CatalogSettings
    sessions: async_sessionmaker[AsyncSession]
    cache: ReportCache
    feed: ChangeFeed
    hashing: CapacityLimiter


class State(TypedDict):
    """The lifespan's state."""

    catalog: Catalog


def lifespan_for(
    settings: CatalogSettings,
) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    """Build the lifespan: prepare the database, connect, and let go again.

    Args:
        settings: Where the data lives.

    Returns:
        The lifespan, for `FastAPI(lifespan=...)`.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        await to_thread.run_sync(_prepare, settings)
        engine = database.build_async_engine(settings)
        sessions = async_sessionmaker(engine, expire_on_commit=False)
        feed = ChangeFeed(sessions)
        try:
            yield {
                "catalog": Catalog(
                    settings,
                    sessions,
                    _build_cache(settings),
                    feed,
                    CapacityLimiter(HASHES_AT_ONCE),
                )
            }
        finally:
            await feed.close()
            await engine.dispose()

    return lifespan


def _prepare(settings: CatalogSettings) -> None:
    engine = database.build_engine(settings)
    try:
        database.prepare(engine, settings)
    finally:
        engine.dispose()
    database.announce_demo_user(settings)


def _build_cache(settings: CatalogSettings) -> ReportCache:
    if settings.cache_redis_url is None:
        return SimpleCache(default_timeout=CACHE_SECONDS)
    # The same client, prefix and serialiser as Flask-Caching's, which is made of cachelib.
    return RedisCache(
        host=redis.from_url(settings.cache_redis_url, **REDIS_OPTIONS),
        default_timeout=CACHE_SECONDS,
        key_prefix=CACHE_PREFIX,
    )
