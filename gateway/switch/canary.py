"""Who is one user where nothing else tells: a cookie of the gateway's own."""

from __future__ import annotations

import secrets
from typing import Final

from starlette.types import Scope
from werkzeug.http import dump_cookie, parse_cookie

from gateway.exchange import Exchange

COOKIE: Final = "gateway_canary"
_SECONDS: Final = 365 * 24 * 3600
_LENGTH: Final = 22  # of `secrets.token_urlsafe(16)`


def cookie_of(scope: Scope, exchange: Exchange) -> str:
    """What the cookie says; where there is none, the answer sets one."""
    lines = [value for name, value in scope["headers"] if name == b"cookie"]
    line = b"; ".join(lines).decode("latin-1")
    given = parse_cookie(line).get(COOKIE, "") if COOKIE in line else ""
    if len(given) == _LENGTH:
        return given
    key = secrets.token_urlsafe(16)
    cookie = dump_cookie(
        COOKIE,
        key,
        max_age=_SECONDS,
        path=scope["root_path"] or "/",
        secure=scope.get("scheme") in {"https", "wss"},
        httponly=True,
        samesite="Lax",
    ).encode()
    exchange.observers.append(lambda message: message["headers"].append((b"set-cookie", cookie)))
    return key
