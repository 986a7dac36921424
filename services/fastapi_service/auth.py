"""Signing in and out."""

from anyio import to_thread
from fastapi import APIRouter, HTTPException, Request, Response

from services.catalog import passwords, queries
from services.catalog.schemas import Credentials, UserOut
from services.fastapi_service.dependencies import CatalogDep, CurrentUserDep, SessionDep
from services.fastapi_service.errors import INVALID, UNAUTHORIZED, UNREADABLE

router = APIRouter(tags=["session"])


@router.post("/login", responses=UNAUTHORIZED | INVALID | UNREADABLE)
async def log_in(
    credentials: Credentials, session: SessionDep, catalog: CatalogDep, request: Request
) -> UserOut:
    """Sign in with a name and a password."""
    user = await session.scalar(queries.user_named(credentials.username))
    # While the hash is computed somebody else may use the connection.
    await session.close()
    matches = await to_thread.run_sync(
        passwords.verify,
        user.password_hash if user else None,
        credentials.password.get_secret_value(),
        limiter=catalog.hashing,
    )
    if user is None or not matches:
        raise HTTPException(401, "Wrong name or password", headers={"WWW-Authenticate": "Session"})
    # What was in the session belonged to somebody else.
    request.session.clear()
    request.session["user_id"] = user.id
    return UserOut.model_validate(user)


@router.post("/logout", status_code=204, response_class=Response)
async def log_out(request: Request) -> None:
    """Sign out."""
    request.session.clear()


@router.get("/me", responses=UNAUTHORIZED)
async def read_me(user: CurrentUserDep) -> UserOut:
    """Say who is signed in."""
    return UserOut.model_validate(user)
