"""Errors that the gateway itself answers: RFC 9457 problem documents, built in one place.

    Refusal                 the request is not served, for a reason that the client may know
    ├── bridge.BodyTooLarge 413
    ├── bridge.BodyTimeout  408
    ├── bridge.NoRoom       507
    ├── bridge.Saturated    503
    └── bridge.Expired      504

A service's own errors never come through here. A browser that asks for HTML gets a page; everybody
else gets `application/problem+json`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from html import escape
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect
from uvicorn.protocols.utils import ClientDisconnected
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from gateway.exchange import Outcome, exchange_of

logger = logging.getLogger("gateway.problems")

_JSON = "application/problem+json"
# The pages are one file each: nothing is fetched, nothing is run, nobody may frame them.
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 1.05rem/1.6 system-ui, sans-serif }}
main {{ max-width: 40rem; margin: 12vh auto; padding: 0 1.25rem }}
h1 {{ font-size: 1.6rem; margin-bottom: .25rem }}
small {{ opacity: .75 }}
</style>
<main>
{body}
</main>
</html>
"""


def page(title: str, body: str) -> str:
    """A page of the gateway's own.

    Args:
        title: Text.
        body: HTML, escaped already.
    """
    return _PAGE.format(title=escape(title), body=body)


def accepts_html(scope: Scope) -> bool:
    """Whether the request would rather have a page than JSON: a browser's navigation does."""
    accepted = parse_accept_header(Request(scope).headers.get("accept"), MIMEAccept)
    return bool(accepted.best_match([_JSON, "text/html"], default=_JSON) == "text/html")


def problem(
    scope: Scope,
    status: HTTPStatus,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
) -> Response:
    """An answer that says what went wrong.

    Args:
        scope: The request's ASGI scope.
        status: The status; its phrase is the title.
        detail: What happened and what to do about it, for this request.
        headers: Headers to add.
        links: Where to go instead, as label to path: links on a page, a member in JSON.

    Returns:
        The answer, in the form that the request accepts (RFC 9457, section 3; RFC 9110, 12.5.1).
    """
    identifier = exchange_of(scope).request_id
    if accepts_html(scope):
        ways = "".join(
            f'<p><a href="{escape(path)}">{escape(label)}</a></p>\n'
            for label, path in (links or {}).items()
        )
        body = page(
            status.phrase,
            f"<h1>{int(status)} {escape(status.phrase)}</h1>\n<p>{escape(detail)}</p>\n{ways}"
            f"<p><small>Request <code>{escape(identifier)}</code></small></p>",
        )
        media_type = "text/html"
        headers = {**(headers or {}), "Content-Security-Policy": PAGE_POLICY}
    else:
        document = {
            "type": "about:blank",
            "title": status.phrase,
            "status": int(status),
            "detail": detail,
            "instance": quote(scope["path"], safe="/:@!$&'()*+,;=~"),
            "request_id": identifier,
        }
        if links:
            document["links"] = dict(links)
        body = json.dumps(document)
        media_type = _JSON
    return Response(
        body,
        status,
        {
            "Cache-Control": "no-store",
            "Vary": "Accept",
            "X-Request-ID": identifier,
            **(headers or {}),
        },
        media_type,
    )


async def refuse_websocket(receive: Receive, send: Send) -> None:
    """Refuse a handshake: closing before accepting is a 403 on the wire (ASGI)."""
    await receive()
    await send({"type": "websocket.close", "code": 1008})


class NotFound:
    """Answers what nothing else does: 404, and 403 to a WebSocket handshake.

    Args:
        detail: What is not there.
        links: What is, as label to path.
    """

    def __init__(self, detail: str, links: Mapping[str, str] | None = None) -> None:
        self._detail = detail
        self._links = links

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] == "websocket":
            await refuse_websocket(receive, send)
            return
        answer = problem(scope, HTTPStatus.NOT_FOUND, self._detail, links=self._links)
        await answer(scope, receive, send)


class Refusal(Exception):
    """The request is not served. Each kind has its status, its words and its headers."""

    status: HTTPStatus
    detail: str
    headers: Mapping[str, str] = MappingProxyType({})
    outcome: Outcome = "rejected"


class BodyTooLarge(Refusal):
    """The body is larger than the mount accepts."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    detail = "The body is larger than this service accepts."
    # What is still on its way is not read.
    headers = MappingProxyType({"Connection": "close"})


def announces_too_much(length: bytes, limit: int) -> bool:
    """Whether a body is too large by its own account.

    Args:
        length: The value of `Content-Length`. What is no number (RFC 9110, section 8.6) announces
            nothing.
        limit: In bytes; 0 for no limit.
    """
    if not limit or not length.isdigit():
        return False
    # Compared as text: Python reads no number of thousands of digits.
    digits, most = length.lstrip(b"0"), b"%d" % limit
    return (len(digits), digits) > (len(most), most)


class BodyTimeout(Refusal):
    """The body did not arrive in time."""

    status = HTTPStatus.REQUEST_TIMEOUT
    detail = "The body did not arrive in time."
    headers = MappingProxyType({"Connection": "close"})
    outcome = "timeout"


class Expired(Refusal):
    """The service did not begin its answer in time."""

    status = HTTPStatus.GATEWAY_TIMEOUT
    detail = "The service did not answer in time."
    outcome = "timeout"


class GaveUp(Exception):
    """An answer that has begun is not finished, and the log need not know more than the words."""


async def refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with a refusal; a WebSocket handshake with 403."""
    exchange_of(scope).outcome = refusal.outcome
    if scope["type"] == "websocket":
        await refuse_websocket(receive, send)
        return
    answer = problem(scope, refusal.status, refusal.detail, headers=refusal.headers)
    await answer(scope, receive, send)


# What frameworks and the server make of it.
_CLIENT_LEFT = (ClientDisconnect, ClientDisconnected, WebSocketDisconnect)


def _is_being_cancelled() -> bool:
    """Whether somebody asked for the request's end, and not the service by an error of its own."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class ProblemsMiddleware:
    """Answers refusals, and 500 where a service, or the gateway, raised before it answered.

    That answer says nothing of the reason, but for the ID under which the log has it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and answer for who raises."""
        try:
            await self.app(scope, receive, send)
        except (GeneratorExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit, too, ends its request alone
            await self._answer_for(error, scope, receive, send)
        else:
            # Where the service made nothing of its cancellation.
            if not await self._answer_if_expired(scope, receive, send):
                await self._answer_if_silent(scope, receive, send)

    async def _answer_if_silent(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 500 where the service has returned without an answer, and a client waits."""
        exchange = exchange_of(scope)
        if scope["type"] == "http" and not exchange.answered and not exchange.client_left:
            error = RuntimeError("the service returned without an answer")
            await self._answer_for_error(error, scope, receive, send)

    async def _answer_for(
        self, error: BaseException, scope: Scope, receive: Receive, send: Send
    ) -> None:
        exchange = exchange_of(scope)
        if isinstance(error, Refusal):
            if exchange.answered:
                raise error
            await refuse(error, scope, receive, send)
        elif isinstance(error, GaveUp):
            # Its connection is closed by the server, as the answer is not complete.
            logger.warning("request %s was given up: %s", exchange.request_id, error)
        elif isinstance(error, _CLIENT_LEFT) and exchange.client_left:
            # Nobody is there to be answered, and nobody's fault it is.
            exchange.outcome = "client left"
        elif not isinstance(error, asyncio.CancelledError):
            await self._answer_for_error(error, scope, receive, send)
        elif not await self._answer_if_expired(scope, receive, send):
            if _is_being_cancelled():
                raise error
            await self._answer_for_error(error, scope, receive, send)

    async def _answer_if_expired(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answer 504 where the request's time was up before its answer began."""
        exchange = exchange_of(scope)
        if not exchange.expired or exchange.answered:
            return False
        exchange.take_back_cancellation()
        await refuse(Expired(), scope, receive, send)
        return True

    async def _answer_for_error(
        self, error: BaseException, scope: Scope, receive: Receive, send: Send
    ) -> None:
        exchange = exchange_of(scope)
        exchange.outcome = "error"
        logger.error(
            "request %s failed: %s %r",
            exchange.request_id,
            exchange.method,
            exchange.path,
            exc_info=error,
        )
        if exchange.complete:
            # Starlette answers 500 and raises once more. Raised further, it would cost the
            # client a connection that has nothing wrong with it.
            return
        if scope["type"] != "http" or exchange.answered:
            raise error  # what was begun cannot be answered again; the server closes the connection
        answer = problem(
            scope,
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "The service failed. The log has the reason under this request's ID.",
        )
        await answer(scope, receive, send)
