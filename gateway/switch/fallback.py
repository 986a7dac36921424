"""Whether the candidate has answered, or why the legacy service has to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable
from typing import Final

from starlette.types import Message, Send

from gateway.exchange import Exchange
from gateway.problems import Refusal

logger = logging.getLogger("gateway.switch")

_SERVER_ERROR: Final = 500
_GATEWAY_TIMEOUT: Final = 504


class _Stopped(Exception):
    """Nobody wants the rest of a server error."""


class Guard:
    """Lets an answer out unless it is a server error: then nothing of it.

    Args:
        send: Leads to the client.

    Attributes:
        begun: Whether something was let out.
        status: Of the answer, once it began.
        stopped: Whether the rest of a server error was refused.
    """

    __slots__ = ("_send", "begun", "status", "stopped")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False
        self.status = 0
        self.stopped = False

    @property
    def reason(self) -> str:
        """Why what came is no answer; empty where nothing came."""
        if not self.status:
            return ""
        return "timeout" if self.status == _GATEWAY_TIMEOUT else "5xx"

    def send(self, message: Message) -> Awaitable[None]:
        """Pass on, or throw away."""
        if self.begun:
            return self._send(message)
        if message["type"] == "http.response.start" and not self.status:
            self.status = message["status"]
            if self.status < _SERVER_ERROR:
                self.begun = True
                return self._send(message)
        elif message.get("more_body"):
            # It may have no end, and nothing would hold it up.
            self.stopped = True
            raise _Stopped
        return asyncio.sleep(0)


async def why_nothing(guard: Guard, exchange: Exchange) -> str:
    """Why a candidate that came to its end has to be answered for; empty where nobody is there.

    Args:
        guard: What it answered by, and let nothing out.
        exchange: The request.
    """
    if is_gone(exchange):
        return ""
    await _let_deadline_arrive(exchange)
    return guard.reason or "exception"


async def why_failed(
    error: Exception | asyncio.CancelledError, guard: Guard, exchange: Exchange
) -> str | None:
    """Likewise for one that raised: "exception", "5xx" or "timeout"; None where the error stands.

    Args:
        error: What it raised.
        guard: What it answered by.
        exchange: The request.
    """
    if isinstance(error, asyncio.CancelledError):
        # By the deadline of the candidate's mount, which leaves time for another answer.
        may_go_on = exchange.expired and not guard.begun and not is_gone(exchange)
        if not may_go_on or not exchange.take_back_cancellation():
            return None
        return guard.reason or "timeout"
    refused = isinstance(error, Refusal) and error.status < _SERVER_ERROR
    if guard.begun or (refused and not guard.status):
        return None
    if is_gone(exchange):
        return ""  # nobody is there to be answered, which is why it raised, or no matter
    await _let_deadline_arrive(exchange)
    reason = guard.reason if guard.stopped else _reason(error)
    if reason == "exception":
        logger.error("the candidate failed, and the legacy service answers", exc_info=error)
    return reason


def is_gone(exchange: Exchange) -> bool:
    """Whether the client has left, where the server tells."""
    return exchange.connection is not None and exchange.client_left


async def _let_deadline_arrive(exchange: Exchange) -> None:
    """Take back a cancellation that is on its way: it was for the candidate."""
    if not exchange.expired:
        return
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
    exchange.take_back_cancellation()


def _reason(error: Exception) -> str:
    if not isinstance(error, Refusal):
        return "exception"
    return "timeout" if error.status == _GATEWAY_TIMEOUT else "5xx"
