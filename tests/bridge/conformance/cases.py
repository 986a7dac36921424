"""How a case is written, and the applications that cases have in common."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from starlette.types import ASGIApp

from tests.bridge import driver
from tests.bridge.driver import Exchange, ask

WSGIApp = Callable[..., Any]
Adapt = Callable[[WSGIApp], ASGIApp]
Case = Callable[[Adapt], Awaitable[None]]

# The heading of more than one module's cases.
ANSWERS = "Answers coming out"

# What FAILURES.md allows a thread to be free again.
until = functools.partial(driver.until, seconds=1.0)


class Section:
    """Some of the cases under one heading of the table.

    Attributes:
        heading: The table's.
        cases: By what they hold.
    """

    def __init__(self, heading: str) -> None:
        self.heading = heading
        self.cases: dict[str, Case] = {}

    def __call__(self, title: str) -> Callable[[Case], Case]:
        """Register a case."""

        def register(function: Case) -> Case:
            self.cases[title] = function
            return function

        return register


class Recorded:
    """An application that answers with what `read` makes of its environ, and keeps it."""

    def __init__(self, read: Callable[[dict[str, Any]], Any] = lambda environ: b"") -> None:
        self.read = read
        self.seen: Any = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.seen = self.read(environ)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]


class Closing:
    """An iterable that keeps from which threads it was iterated over, and closed."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.closed: list[int] = []
        self.iterated_in: set[int] = set()

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.iterated_in.add(threading.get_ident())
            yield chunk

    def close(self) -> None:
        self.closed.append(threading.get_ident())

    def is_closed(self) -> bool:
        """Whether it was closed, and once only."""
        return len(self.closed) == 1


def answering(iterable: Any, *headers: tuple[str, str], status: str = "200 OK") -> WSGIApp:
    """An application that returns an iterable."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, [("Content-Type", "text/plain"), *headers])
        return iterable

    return app


def alive_or(app: WSGIApp) -> WSGIApp:
    """The application, and beside it what `alive` asks for."""
    ok = answering([b"ok"])

    def either(environ: dict[str, Any], start_response: Any) -> Any:
        return (ok if environ["PATH_INFO"] == "/alive" else app)(environ, start_response)

    return either


async def alive(app: ASGIApp, requests: int = 4) -> None:
    """The application still answers, more often than it has threads."""
    async with asyncio.timeout(1.5):
        for _ in range(requests):
            assert (await ask(app, "/alive")).status == 200


async def raises(exchange: Exchange, kind: type[Exception]) -> None:
    """The request ends with this error, so that the server learns of it."""
    try:
        await exchange.run()
    except kind:
        return
    raise AssertionError("not raised")
