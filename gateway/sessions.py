"""One login for both stacks: Flask's session cookie as Starlette's `request.session`.

The cookie keeps Flask's own format and signature, so that sessions that exist stay valid and Flask
itself needs no change: what one stack writes, the other reads in the next request.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.datastructures import MutableHeaders
from starlette.middleware.sessions import Session as StarletteSession
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from werkzeug.http import dump_cookie
from werkzeug.sansio.http import parse_cookie

from gateway.config import SessionSettings
from gateway.exchange import exchange_of


class Session(StarletteSession):
    """The session of one request, with what Flask's has besides a dictionary's own."""

    @property
    def permanent(self) -> bool:
        """Whether the cookie outlives the browser, as Flask keeps it."""
        return bool(self.get("_permanent", False))

    @permanent.setter
    def permanent(self, value: bool) -> None:
        self["_permanent"] = bool(value)


@dataclass(frozen=True)
class SessionCookie:
    """How the session travels: Flask's settings of the same meaning.

    Attributes:
        serializer: Signs and verifies, with all keys that are valid.
        lifetime: How long a cookie is believed, and a permanent one kept.
    """

    serializer: URLSafeTimedSerializer
    name: str = "session"
    domain: str | None = None
    path: str = "/"
    secure: bool = False
    httponly: bool = True
    samesite: str = "Lax"
    partitioned: bool = False
    lifetime: timedelta = timedelta(days=31)
    refresh_each_request: bool = True

    @classmethod
    def from_keys(cls, secret_key: str, fallbacks: Sequence[str], name: str) -> SessionCookie:
        """The cookie of a Flask app with these keys and otherwise Flask's defaults."""
        interface = SecureCookieSessionInterface
        serializer = URLSafeTimedSerializer(
            [*fallbacks, secret_key],  # itsdangerous signs with the last
            salt=interface.salt,
            serializer=TaggedJSONSerializer(),
            signer_kwargs={
                "key_derivation": interface.key_derivation,
                "digest_method": interface.digest_method,
            },
        )
        return cls(serializer, name)

    @classmethod
    def from_flask(cls, app: Flask) -> SessionCookie | None:
        """The cookie of this Flask app; None where it keeps sessions in another way, or none."""
        interface = app.session_interface
        if not isinstance(interface, SecureCookieSessionInterface):
            return None
        serializer = interface.get_signing_serializer(app)
        if serializer is None:
            return None
        return cls(
            serializer,
            name=interface.get_cookie_name(app),
            domain=interface.get_cookie_domain(app),
            path=interface.get_cookie_path(app),
            secure=app.config["SESSION_COOKIE_SECURE"],
            httponly=app.config["SESSION_COOKIE_HTTPONLY"],
            samesite=app.config["SESSION_COOKIE_SAMESITE"] or "Lax",
            partitioned=app.config["SESSION_COOKIE_PARTITIONED"],
            lifetime=app.permanent_session_lifetime,
            refresh_each_request=app.config["SESSION_REFRESH_EACH_REQUEST"],
        )

    def load(self, value: str) -> Session:
        """The session in a cookie's value; a tampered, expired or foreign one is empty."""
        try:
            data: dict[str, Any] = self.serializer.loads(
                value, max_age=int(self.lifetime.total_seconds())
            )
            return Session(data)
        except (BadData, zlib.error, TypeError, ValueError):
            return Session()

    def dump(self, session: Session, *, tls: bool) -> str:
        """The `Set-Cookie` value that keeps a session, or removes it where it is empty."""
        expires: datetime | int | None = None
        if not session:
            expires = 0
        elif session.permanent:
            expires = datetime.now(UTC) + self.lifetime
        return dump_cookie(
            self.name,
            self.serializer.dumps(dict(session)) if session else "",
            max_age=None if session else 0,
            expires=expires,
            path=self.path,
            domain=self.domain,
            secure=self.secure or tls,
            httponly=self.httponly,
            samesite=self.samesite,
            partitioned=self.partitioned,
        )

    def must_write(self, session: Session) -> bool:
        """Whether the answer carries the cookie (Flask's `should_set_cookie` and deletion)."""
        return session.modified or (
            bool(session) and session.permanent and self.refresh_each_request
        )


def shared_cookie(
    settings: SessionSettings, services: Mapping[str, object]
) -> SessionCookie | None:
    """How the shared session travels.

    Args:
        settings: Whether it is shared, and by whose keys.
        services: The services by the names of their mounts, in mount order.

    Returns:
        The cookie, or None where nothing is shared or no key is known.
    """
    if not settings.shared:
        return None
    if key := settings.secret_key.get_secret_value():
        fallbacks = [old.get_secret_value() for old in settings.secret_key_fallbacks]
        return SessionCookie.from_keys(key, fallbacks, settings.cookie_name)
    candidates = [services.get(settings.mount)] if settings.mount else services.values()
    cookies = (SessionCookie.from_flask(app) for app in candidates if isinstance(app, Flask))
    return next((cookie for cookie in cookies if cookie is not None), None)


def session_value(cookie: SessionCookie | None) -> Callable[[Scope, str], str]:
    """Reads values of the shared session from requests, whichever stack they go to.

    Args:
        cookie: How the session travels; None where none is shared.

    Returns:
        A function of the request's scope and a value's name; it gives the value as text, empty
        where there is none.
    """

    def read(scope: Scope, name: str) -> str:
        session = read_session(cookie, scope) if cookie is not None else Session()
        value = session.get(name)
        return "" if value is None else str(value)

    return read


def read_session(cookie: SessionCookie, scope: Scope) -> Session:
    """The session that a request came with."""
    lines = [value for name, value in scope["headers"] if name == b"cookie"]
    name = cookie.name.encode()
    if not any(name in line for line in lines):
        return Session()
    # Read as Flask reads it: of two cookies of one name, the first.
    cookies = parse_cookie(b"; ".join(lines).decode("latin-1"))
    value = cookies.get(cookie.name)
    return cookie.load(value) if value else Session()


class SharedSession:
    """Gives an ASGI service the shared session.

    Args:
        app: The service.
        cookie: How the session travels.
    """

    def __init__(self, app: ASGIApp, cookie: SessionCookie) -> None:
        self.app = app
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the session before the service runs, write it with the answer's headers."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        session = read_session(self._cookie, scope)
        # The service may put another session of its own into the scope; this one stays ours.
        scope["session"] = session
        # Not the scope itself, which holds the exchange: a cycle is work for the garbage collector.
        tls = scope.get("scheme") in {"https", "wss"}
        exchange_of(scope).observers.append(functools.partial(self._write, session, tls))
        await self.app(scope, receive, send)

    def _write(self, session: Session, tls: bool, message: Message) -> None:
        write = self._cookie.must_write(session)
        if not (session.accessed or write):
            return
        headers = MutableHeaders(scope=message)
        headers.add_vary_header("Cookie")
        if write:
            headers.append("Set-Cookie", self._cookie.dump(session, tls=tls))
