"""Who may see the gateway's own endpoints.

With a token: whoever has it, as a bearer token or by the cookie that the sign-in page gives for it.
Without: a browser on this machine, in development, and nobody else.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Mapping, Sequence
from functools import partial
from html import escape
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlencode

from itsdangerous import BadSignature, TimestampSigner
from limits import parse
from limits.aio.strategies import FixedWindowRateLimiter
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from werkzeug.http import dump_cookie

from gateway.edge.counts import MemoryCounts
from gateway.edge.hosts import host_name
from gateway.edge.proxies import unmapped
from gateway.edge.rate_limit import counted_address
from gateway.exchange import exchange_of
from gateway.problems import PAGE_POLICY, Refusal, accepts_html, page, refuse

logger = logging.getLogger("gateway.admin")

COOKIE = "gateway_admin"
_COOKIE_SECONDS = 12 * 3600
_ATTEMPTS = parse("10/minute")
# A token, and where to go with it. Anybody may send one.
_FORM_BYTES = 4096
_FOLLOWING_BYTES = 3072
_SIGN_IN = "/sign-in"
_SIGN_OUT = "/sign-out"
_LOOPBACK_NAMES = frozenset({"localhost", "[::1]"})


class SignInNeeded(Refusal):
    """No token, or a wrong one."""

    status = HTTPStatus.UNAUTHORIZED
    detail = "These endpoints need the admin token: Authorization: Bearer (GATEWAY_ADMIN__TOKEN)."
    headers = MappingProxyType({"WWW-Authenticate": 'Bearer realm="gateway"'})


class NoToken(Refusal):
    """No token is set, and the request is not from this machine."""

    status = HTTPStatus.FORBIDDEN
    detail = (
        "No admin token is set, so these endpoints answer to this machine alone, in development. "
        "Set GATEWAY_ADMIN__TOKEN."
    )


class TooManyAttempts(Refusal):
    """A wrong token too often."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    detail = "Too many wrong tokens. Try again in a minute."
    headers = MappingProxyType({"Retry-After": "60"})


class AdminAccess:
    """Lets through who may see the admin endpoints.

    Args:
        app: The endpoints.
        token: The token; empty for none.
        development: Whether a browser on this machine may do without one.
        open_paths: What everybody may see, below the prefix: probes.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        *,
        development: bool,
        open_paths: Sequence[str] = ("/livez", "/readyz"),
    ) -> None:
        self.app = app
        self._token = token.encode()
        self._development = development
        self._open = frozenset(open_paths)
        # The cookie proves that its holder knew the token; a new token ends all sign-ins.
        key = hashlib.sha256(b"gateway admin cookie\0" + self._token).digest()
        self._signer = TimestampSigner(key, salt="gateway.admin", digest_method=hashlib.sha256)
        self._attempts = FixedWindowRateLimiter(MemoryCounts())

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass on, or refuse."""
        if scope["type"] == "lifespan" or _below(scope) in self._open:
            return self.app(scope, receive, send)
        return self._answer(scope, receive, send)

    async def vouches_for(self, scope: Scope) -> bool:
        """Whether a request elsewhere, with the token in `X-Gateway-Served-By`, is an admin's.

        A wrong token counts as an attempt, as anywhere else. Where no token is set, any value is
        right from this machine, in development.
        """
        if not self._token:
            return self._is_here(scope)
        given = Headers(scope=scope).get("x-gateway-served-by", "").encode("latin-1")
        if hmac.compare_digest(given.strip(), self._token):
            return True
        await self._refusal_of_wrong(exchange_of(scope).client)
        return False

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _below(scope)
        if not self._token:
            answer: ASGIApp = self.app if self._is_here(scope) else partial(refuse, NoToken())
        elif scope["type"] == "http" and path == _SIGN_IN:
            answer = await self._sign_in(Request(scope, receive))
        elif scope["type"] == "http" and path == _SIGN_OUT:
            answer = self._signed_out(scope)
        else:
            answer = await self._by_credentials(scope)
        await answer(scope, receive, send)

    async def _by_credentials(self, scope: Scope) -> ASGIApp:
        request = Request(scope) if scope["type"] == "http" else None
        given = Headers(scope=scope).get("authorization", "").encode("latin-1")
        if given[:7].lower() == b"bearer ":
            # Before anything is counted: who guesses from the same address locks nobody out.
            if hmac.compare_digest(given[7:].strip(), self._token):
                return self.app
            return partial(refuse, await self._refusal_of_wrong(exchange_of(scope).client))
        if self._has_cookie(scope):
            return self.app
        if request is not None and request.method == "GET" and accepts_html(scope):
            following = quote(_below(scope))
            if scope["query_string"]:
                following += f"?{scope['query_string'].decode('latin-1')}"
            where = f"{scope['root_path']}{_SIGN_IN}?next={quote(following)}"
            return RedirectResponse(where, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})
        return partial(refuse, SignInNeeded())

    async def _refusal_of_wrong(self, client: str) -> Refusal:
        """Count a wrong bearer token."""
        if not await self._attempts.hit(_ATTEMPTS, counted_address(client)):
            return TooManyAttempts()
        logger.warning("a wrong admin token from %s", client)
        return SignInNeeded()

    def _has_cookie(self, scope: Scope) -> bool:
        for name, line in scope["headers"]:
            if name != b"cookie":
                continue
            for pair in line.decode("latin-1").split(";"):
                key, _, value = pair.strip().partition("=")
                if key == COOKIE and self._is_signed(value):
                    return True
        return False

    def _is_signed(self, value: str) -> bool:
        try:
            return self._signer.unsign(value, max_age=_COOKIE_SECONDS) == b"admin"
        except BadSignature:
            return False

    async def _sign_in(self, request: Request) -> ASGIApp:
        following = _sound(request.query_params.get("next", ""))
        if request.method != "POST":
            return self._form(following)
        client = counted_address(exchange_of(request.scope).client)
        if not await self._attempts.test(_ATTEMPTS, client):
            return partial(refuse, TooManyAttempts())
        form = await _read_form(request)
        if not await self._attempts.test(_ATTEMPTS, client):
            # Others of this client were read meanwhile. From here on nothing really waits.
            return partial(refuse, TooManyAttempts())
        following = _sound(form.get("next", ""))
        if not hmac.compare_digest(form.get("token", "").encode(), self._token):
            await self._attempts.hit(_ATTEMPTS, client)
            logger.warning("a wrong admin token from %s", client)
            return self._form(following, wrong=True)
        answer = RedirectResponse(request.scope["root_path"] + following, HTTPStatus.SEE_OTHER)
        answer.headers.append("Set-Cookie", self._cookie(request.scope, sign=True))
        return answer

    def _signed_out(self, scope: Scope) -> Response:
        if scope["method"] != "POST":
            return Response(status_code=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
        answer = RedirectResponse(f"{scope['root_path']}{_SIGN_IN}", HTTPStatus.SEE_OTHER)
        answer.headers.append("Set-Cookie", self._cookie(scope, sign=False))
        return answer

    def _cookie(self, scope: Scope, *, sign: bool) -> str:
        return dump_cookie(
            COOKIE,
            self._signer.sign("admin").decode() if sign else "",
            max_age=_COOKIE_SECONDS if sign else 0,
            path=scope["root_path"],
            secure=scope.get("scheme") == "https",
            httponly=True,
            samesite="Strict",
        )

    def _form(self, following: str, *, wrong: bool = False) -> HTMLResponse:
        complaint = '<p role="alert">That is not the token.</p>' if wrong else ""
        body = (
            f"<h1>Sign in</h1>{complaint}"
            '<form method="post"><p><label>Admin token '
            '<input type="password" name="token" required autofocus '
            'autocomplete="current-password"></label> '
            f'<input type="hidden" name="next" value="{escape(following)}">'
            "<button>Sign in</button></p></form>"
            "<p><small>GATEWAY_ADMIN__TOKEN, as the gateway was started with.</small></p>"
        )
        status = HTTPStatus.UNAUTHORIZED if wrong else HTTPStatus.OK
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": PAGE_POLICY}
        return HTMLResponse(page("Gateway: sign in", body), status, headers)

    def _is_here(self, scope: Scope) -> bool:
        """Whether the request was made on this machine, and not for somebody else."""
        exchange = exchange_of(scope)
        if not self._development or exchange.forwarded:
            return False
        client = scope.get("client")
        try:
            local = not client or not client[0] or unmapped(client[0]).is_loopback
        except ValueError:
            local = False
        # A name that a stranger's page has made to mean this machine (DNS rebinding) is none of it.
        return local and _names_loopback(Headers(scope=scope).get("host", ""))


def _names_loopback(host: str) -> bool:
    name = host_name(host)
    if name in _LOOPBACK_NAMES or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _below(scope: Scope) -> str:
    """The path below the admin prefix, from its slash."""
    path: str = scope["path"]
    return path.removeprefix(scope["root_path"])


def _sound(target: str) -> str:
    """Where to go after signing in, path and query: below the prefix, nowhere else."""
    quoted, _, query = target.partition("?")
    path = unquote(quoted)
    segments = path.split("/")
    sound = path.startswith("/") and not {"", ".", ".."} & set(segments[1:-1])
    if not sound or segments[-1] in {".", ".."}:
        return "/"
    # Put together anew, so that nothing in it means anything but a field and its value.
    fields = urlencode(parse_qsl(query, keep_blank_values=True))
    following = quote(path) + (f"?{fields}" if fields else "")
    # It has to fit the form, beside the token.
    return following if len(quote(following, safe="")) <= _FOLLOWING_BYTES else "/"


async def _read_form(request: Request) -> Mapping[str, str]:
    body = b""
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > _FORM_BYTES:
                return {}
        fields = parse_qs(body.decode("latin-1"), max_num_fields=8)
    except (ClientDisconnect, ValueError):
        return {}
    return {name: values[-1] for name, values in fields.items()}
