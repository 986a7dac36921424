"""The shop as a FastAPI application: what the Flask one becomes, router by router."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.concurrency import run_in_threadpool
from starlette.staticfiles import StaticFiles

from .. import storage
from . import account, basket, catalogue, desk, errors, methods, orders, programs, visits

ROUTERS = (
    programs.router,
    catalogue.router,
    basket.router,
    account.router,
    orders.router,
    desk.router,
)


def create_app(routers: Sequence[APIRouter] = ROUTERS, *, static: bool = True) -> FastAPI:
    """Build the application.

    Args:
        routers: What has been written of it: all, in the end.
        static: Whether it serves the style sheet, too.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(storage.prepare)
        yield

    app = FastAPI(title="Tea", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(visits.KeepPrivate)
    app.add_middleware(methods.HeadAsGet)
    errors.init_app(app)
    for router in routers:
        app.include_router(router)
    if static:
        folder = Path(__file__).parent.parent / "static"
        app.mount("/static", StaticFiles(directory=folder), name="static")
    return app
