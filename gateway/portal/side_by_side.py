"""The same request to two services, and what differs: `POST /api/compare`.

Both requests are sent within the process, through the whole gateway, one after the other, so that
neither waits for the other. They are for the host that the portal was asked by, from the same
client, with the browser's cookies but the admin's own, so that the shared session is there.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.config import Settings
from gateway.health import Health
from gateway.portal.in_process import InProcess, Reply
from gateway.portal.question import (
    Asked,
    Origin,
    Question,
    Unaskable,
    ask_of_both,
    read_question,
)
from gateway.portal.result import result
from gateway.problems import problem

ADMIN_COOKIE = "gateway_admin"
USER_AGENT = "gateway-portal"


@dataclass(frozen=True)
class Patience:
    """How long a comparison may take.

    Attributes:
        one_seconds: For one answer.
        all_seconds: For all runs; none begins later.
    """

    one_seconds: float = 10.0
    all_seconds: float = 30.0


def compare_route(
    app: ASGIApp, settings: Settings, health: Health, patience: Patience | None = None
) -> Route:
    """The endpoint, below the admin prefix.

    Args:
        app: The gateway's root application.
        settings: The gateway's settings.
        health: Tells of the stop.
        patience: How long a comparison may take.
    """
    side_by_side = SideBySide(InProcess(app), settings, health, patience or Patience())
    return Route("/api/compare", side_by_side.answer, methods=["POST"])


class SideBySide:
    """Sends what it is asked to, and compares.

    Args:
        gateway: Where to.
        settings: The gateway's settings.
        health: Tells of the stop.
        patience: How long it may take.
    """

    def __init__(
        self, gateway: InProcess, settings: Settings, health: Health, patience: Patience
    ) -> None:
        self._gateway = gateway
        self._settings = settings
        self._health = health
        self._patience = patience
        self._running = False

    async def answer(self, request: Request) -> Response:
        """Answer a request for a comparison."""
        try:
            question = read_question(await request.body())
            _refuse_credentials(question, self._settings.admin.token.get_secret_value())
            origin = _origin(request, self._settings.admin.prefix)
            # What only a switch leads to answers at no place of its own.
            mounts = [mount for mount in self._settings.mounts if mount.prefix]
            both = ask_of_both(question, mounts, self._settings.admin.prefix, origin)
            asking = _Both(self._gateway, self._settings, question, both, request)
        except Unaskable as error:
            return problem(request.scope, HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody reads it
        if question.times == 1:
            return _json(await self._compare(asking))
        if self._running:
            return problem(
                request.scope,
                HTTPStatus.CONFLICT,
                "Another comparison of many runs is being made, and two at once would measure "
                "each other. Try again in half a minute.",
                headers={"Retry-After": str(int(self._patience.all_seconds))},
            )
        self._running = True
        try:
            return _json(await self._compare(asking))
        finally:
            self._running = False

    async def _compare(self, asking: _Both) -> dict[str, Any]:
        first = await asking.ask_both(self._patience.one_seconds)
        series = ([first[0]], [first[1]])
        end = ""
        if asking.question.times > 1:
            end = await self._repeat(asking, series)
        # Beside the event loop: it takes as long as the bodies are large.
        return await asyncio.to_thread(result, asking.question, asking.both, series, end)

    async def _repeat(self, asking: _Both, series: tuple[list[Reply], list[Reply]]) -> str:
        """Ask on, as often as asked for; say why not where it was less often."""
        until = time.monotonic() + self._patience.all_seconds
        last = series[0][0], series[1][0]
        for index in range(1, asking.question.times):
            silent = [
                asked.mount for asked, reply in zip(asking.both, last, strict=True) if reply.fault
            ]
            if silent:
                return f"as {' and '.join(silent)} did not answer in full"
            if self._health.stopping:
                return "as the gateway stops"
            if await asking.nobody_waits():
                return "as nobody waits for them"
            if time.monotonic() >= until:
                return f"after {self._patience.all_seconds:g} seconds"
            # Each goes first as often as the other, so that none has the warmer caches.
            last = await asking.ask_both(self._patience.one_seconds, turned=index % 2 == 1)
            for replies, reply in zip(series, last, strict=True):
                reply.body.clear()  # nobody looks at it
                replies.append(reply)
        return ""


class _Both:
    """A question on its way to its two mounts.

    Args:
        gateway: Answers.
        settings: The gateway's settings.
        question: What is asked.
        both: What that is for each.
        request: The request that brought it.
    """

    def __init__(
        self,
        gateway: InProcess,
        settings: Settings,
        question: Question,
        both: tuple[Asked, Asked],
        request: Request,
    ) -> None:
        self.question = question
        self.both = both
        self._gateway = gateway
        scope = request.scope
        self._scope = {"client": scope.get("client"), "server": scope.get("server")}
        self._scheme = scope.get("scheme", "http")
        self._cookies = _cookies(question, request)
        # A prefix of the settings is put before every request; a proxy's was said by headers.
        public = _origin(request, settings.admin.prefix).prefix
        self._root_path = "" if settings.server.root_path else public
        self.nobody_waits = request.is_disconnected
        try:
            self._requests = {asked.mount: self._written(asked) for asked in both}
        except httpx.InvalidURL as error:
            raise Unaskable([f"target: {error}"]) from None

    async def ask_both(self, seconds: float, *, turned: bool = False) -> tuple[Reply, Reply]:
        """Send it to each, one after the other.

        Args:
            seconds: How long each answer may take.
            turned: Whether the second is asked first.
        """
        if turned:
            second = await self._ask(self.both[1], seconds)
            return await self._ask(self.both[0], seconds), second
        return await self._ask(self.both[0], seconds), await self._ask(self.both[1], seconds)

    async def _ask(self, asked: Asked, seconds: float) -> Reply:
        request = self._requests[asked.mount]
        return await self._gateway.ask(request, self._scope, self._root_path, seconds)

    def _written(self, asked: Asked) -> httpx.Request:
        question = self.question
        named = {name.lower() for name in question.headers}
        headers = [("Host", asked.host)]
        if "user-agent" not in named:
            headers.append(("User-Agent", USER_AGENT))
        headers += [
            (name, value)
            for name, value in question.headers.items()
            if name.lower() not in {"host", "cookie"}
        ]
        if self._cookies:
            headers.append(("Cookie", self._cookies))
        return httpx.Request(
            question.method,
            # The host is in its header, and need not be one that URLs can have.
            f"{self._scheme}://gateway{self._root_path}{asked.target}",
            headers=[(name.encode(), value.encode("latin-1")) for name, value in headers],
            content=question.body.encode() or None,
        )


def _refuse_credentials(question: Question, token: str) -> None:
    """Services are none of those whom the admin token is for, however it is wrapped up."""
    for name, value in question.headers.items():
        if token and token in value:
            raise Unaskable([f"headers: {name} has the admin token, which no service is to see."])


def _cookies(question: Question, request: Request) -> str:
    """The cookies that go with it: those that it names, else the browser's, never the admin's."""
    named = question.header("cookie")
    cookies = "; ".join(request.headers.getlist("cookie")) if named is None else named
    pairs = (pair.strip() for pair in cookies.split(";"))
    return "; ".join(
        pair for pair in pairs if pair and pair.partition("=")[0].strip() != ADMIN_COOKIE
    )


def _origin(request: Request, admin_prefix: str) -> Origin:
    root_path = request.scope.get("root_path", "")
    prefix = root_path.removesuffix(admin_prefix)
    return Origin(request.scope.get("scheme", "http"), request.headers.get("host", ""), prefix)


def _json(document: Mapping[str, Any]) -> Response:
    # Escaped, as a body may hold half a character.
    body = json.dumps(document)
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})
