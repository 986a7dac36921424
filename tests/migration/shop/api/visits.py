"""One request of somebody: what Flask keeps in `g`, `session` and `current_app`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from sqlite3 import Connection, Row
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import storage


class SignInFirst(Exception):
    """A page is for those who have signed in."""


@dataclass
class Visit:
    """A request, with what the views need of it.

    Attributes:
        request: The request itself.
        db: A connection to the database, open until the answer is sent.
        user: Who is signed in.
    """

    request: Request
    db: Connection
    user: Row | None

    @property
    def session(self) -> dict[str, Any]:
        """Flask's own session; see docs/sessions.md."""
        return self.request.session

    def flash(self, text: str) -> None:
        """Say something on the next page, in the place where Flask's `flash` does."""
        self.session["_flashes"] = [*self.session.get("_flashes", []), ("message", text)]

    def token(self) -> str:
        """What a form that changes something must bring."""
        if "csrf" not in self.session:
            self.session["csrf"] = secrets.token_urlsafe()
        return str(self.session["csrf"])


def connection() -> Iterator[Connection]:
    """A connection for one request."""
    opened = storage.connect()
    try:
        yield opened
    finally:
        opened.close()


def visit(request: Request, db: Annotated[Connection, Depends(connection)]) -> Visit:
    """Who it is, in the place of `before_request`."""
    return begin(request, db)


def begin(request: Request, db: Connection) -> Visit:
    """Find the user, and remember the visit for what comes after the view."""
    user_id = request.session.get("user_id")
    found = Visit(request, db, storage.user(db, user_id) if user_id else None)
    request.state.visit = found
    return found


AVisit = Annotated[Visit, Depends(visit)]


def page_visitor(visit: AVisit) -> Visit:
    """A visit of somebody who is signed in; a browser is sent to sign in first."""
    if visit.user is None:
        raise SignInFirst
    return visit


def programs_visitor(visit: AVisit) -> Visit:
    """A visit of somebody who is signed in, else 401."""
    if visit.user is None:
        raise HTTPException(401)
    return visit


def _only_staff(visit: Visit) -> Visit:
    if visit.user is None or not visit.user["staff"]:
        raise HTTPException(403)
    return visit


def page_staff(visit: Annotated[Visit, Depends(page_visitor)]) -> Visit:
    """A visit of somebody who works here."""
    return _only_staff(visit)


def programs_staff(visit: Annotated[Visit, Depends(programs_visitor)]) -> Visit:
    """A visit of a program of somebody who works here."""
    return _only_staff(visit)


def user_of(visit: Visit) -> Row:
    """Who is signed in, where only they come."""
    assert visit.user is not None
    return visit.user


def redirect(path: str) -> RedirectResponse:
    """Go on to a path with GET, as Flask's `redirect` does: Starlette's own 307 repeats a POST."""
    return RedirectResponse(path, 302)


class KeepPrivate:
    """Pages of somebody who is signed in are not kept by caches (an `after_request` of Flask)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the header when the answer begins."""

        async def send_private(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = scope.get("state", {}).get("visit")
                if found is not None and found.user is not None:
                    MutableHeaders(scope=message)["Cache-Control"] = "no-store"
            await send(message)

        await self.app(scope, receive, send_private)
