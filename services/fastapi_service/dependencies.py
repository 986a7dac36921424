"""What path operations ask for; tests override each with `app.dependency_overrides`."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, HTTPException, Query, Request
from fastapi.requests import HTTPConnection
from sqlalchemy.ext.asyncio import AsyncSession

from services.catalog import queries
from services.catalog.models import User
from services.catalog.schemas import Paging
from services.catalog.settings import CatalogSettings
from services.fastapi_service.lifespan import Catalog


def get_catalog(connection: HTTPConnection) -> Catalog:
    """What the lifespan made."""
    catalog: Catalog = connection.state.catalog
    return catalog


CatalogDep = Annotated[Catalog, Depends(get_catalog)]


def get_settings(catalog: CatalogDep) -> CatalogSettings:
    """The settings."""
    return catalog.settings


SettingsDep = Annotated[CatalogSettings, Depends(get_settings)]


async def get_session(catalog: CatalogDep) -> AsyncIterator[AsyncSession]:
    """A database session that lasts as long as the path operation."""
    async with catalog.sessions() as session:
        yield session


# A client that reads its answer slowly shall not hold a connection to the database meanwhile.
SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]


async def get_current_user(request: Request, session: SessionDep) -> User:
    """Who is signed in; 401 where nobody is."""
    user_id = request.session.get("user_id")
    user = await session.scalar(queries.user(user_id)) if user_id else None
    if user is None:
        raise HTTPException(401, "Sign in first", headers={"WWW-Authenticate": "Session"})
    return user


CurrentUserDep = Annotated[User, Depends(get_current_user, scope="function")]


def get_paging(paging: Annotated[Paging, Query()]) -> Paging:
    """Which part of a list the client asks for."""
    return paging


PagingDep = Annotated[Paging, Depends(get_paging)]
