"""The last log lines of requests, kept in memory for whoever looks one up."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import deque
from datetime import UTC, datetime
from typing import Any

from gateway.exchange import current_exchange

# The root logger, and those that may hand nothing on to it.
_LOGGERS = ("", "gateway", "uvicorn")
_LONGEST_EVENT = 4000
_LONGEST_TRACEBACK = 16_000
# On the average: what is longer leaves room for fewer.
_CHARACTERS_EACH = 1000

_Line = tuple[str, float, str, str, str, str]


class RememberedLines(logging.Handler):
    """Keeps the last lines that were logged for requests; the access lines are kept elsewhere.

    Args:
        limit: How many lines; 0 to keep none.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self._lines: deque[_Line] = deque()
        self._characters = 0

    async def keep(self) -> None:
        """Listen to what is logged, until cancelled."""
        if not self._limit:
            return
        loggers = [logging.getLogger(name) for name in _LOGGERS]
        # Heard of once, also where one of them hands on what it is told.
        loggers = [logger for logger in loggers if logger.parent is None or not logger.propagate]
        for logger in loggers:
            logger.addHandler(self)
        try:
            await asyncio.Event().wait()
        finally:
            for logger in loggers:
                logger.removeHandler(self)

    def of_request(self, request_id: str) -> list[dict[str, Any]]:
        """The lines of one request, the oldest first, as JSON."""
        self.acquire()
        try:
            lines = [line for line in self._lines if line[0] == request_id]
        finally:
            self.release()
        return [_told(line) for line in lines]

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line. Called with the lock of the handler."""
        exchange = current_exchange.get()
        if exchange is None or record.name == "gateway.access":
            return
        try:
            event = record.getMessage()
        except Exception:  # noqa: BLE001 - as every handler of logging has it
            self.handleError(record)
            return
        line = (
            exchange.request_id,
            record.created,
            record.levelname.lower(),
            _sound(record.name),
            _sound(event[:_LONGEST_EVENT]),
            _traceback(record),
        )
        self._lines.append(line)
        self._characters += _size(line)
        most = self._limit * _CHARACTERS_EACH
        while len(self._lines) > self._limit or self._characters > most:
            self._characters -= _size(self._lines.popleft())


def spelled_time(seconds: float) -> str:
    """Seconds since 1970 as ISO 8601 has them, in UTC."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _traceback(record: logging.LogRecord) -> str:
    """Its last part, which says the most."""
    if not record.exc_info or record.exc_info[0] is None:
        return ""
    return _sound("".join(traceback.format_exception(*record.exc_info))[-_LONGEST_TRACEBACK:])


def _sound(text: str) -> str:
    """As text that can be sent: the name of a file may have bytes that are none (PEP 383)."""
    return text.encode(errors="backslashreplace").decode()


def _size(line: _Line) -> int:
    return len(line[4]) + len(line[5])


def _told(line: _Line) -> dict[str, Any]:
    _, created, level, logger, event, exception = line
    told = {
        "timestamp": spelled_time(created),
        "level": level,
        "logger": logger,
        "event": event,
    }
    return {**told, "exception": exception} if exception else told
