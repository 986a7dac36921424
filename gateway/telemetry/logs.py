"""One stream of log lines for both stacks, each with the ID of its request.

JSON where machines read, text where a person does. What Flask, uvicorn, SQLAlchemy and the services
log through the standard library goes the same way.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from gateway.exchange import Exchange, current_exchange
from gateway.telemetry.lines import RememberedLines

LogFormat = Literal["auto", "json", "text"]

# They are ours to configure, whatever a service does to the root logger.
_OURS = ("gateway", "uvicorn", "uvicorn.error")
_ours = logging.getLogger("gateway")
_access = logging.getLogger("gateway.access")
_MILLISECONDS = 1000
_PROBES = frozenset({"/livez", "/readyz"})


def configure_logging(level: str, form: LogFormat, *, production: bool, stream: TextIO) -> None:
    """Have everything logged to one stream.

    Called before services are loaded, so that what they log finds its handler, and once more after
    that, as a service may have configured logging for itself: its own handlers stay, and ours.

    Args:
        level: The least severe level: "debug", "info", "warning" or "error".
        form: "json", "text", or "auto": JSON in production, text else.
        production: Whether this is production.
        stream: Where to write, `sys.stderr` as a rule.
    """
    as_json = form == "json" or (form == "auto" and production)
    handler: logging.StreamHandler[TextIO] = (_JSONLines if as_json else logging.StreamHandler)(
        stream
    )
    handler.setFormatter(_formatter(as_json=as_json, colours=not as_json and stream.isatty()))
    handler.set_name("gateway")
    root = logging.getLogger()
    for logger in (root, *map(logging.getLogger, _OURS)):
        for old in [old for old in logger.handlers if old.get_name() == "gateway"]:
            logger.removeHandler(old)
    if not root.handlers:
        root.addHandler(handler)
        root.setLevel(logging.WARNING if level == "error" else level.upper())
    for name in _OURS[:2]:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level.upper())
    logging.getLogger("uvicorn.error").handlers.clear()
    logging.getLogger("uvicorn.error").addFilter(_is_no_websocket_line)
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] in _OURS:
            logging.getLogger(name).disabled = False
    _know_requests()


def log_access(*, query_strings: bool) -> Callable[[Iterable[Exchange]], None]:
    """One line for each exchange, at its end.

    Args:
        query_strings: Whether to log them; they may hold what is nobody's business.
    """

    def log(exchanges: Iterable[Exchange]) -> None:
        if not _access.isEnabledFor(logging.INFO):
            return
        told = [exchange for exchange in exchanges if not _is_routine(exchange)]
        lines = _only_handler()
        if lines is not None:
            lines.write_access([access_fields(exchange, query_strings) for exchange in told], told)
            return
        for exchange in told:
            # This is not its own context: it stands for several.
            current_exchange.set(exchange)
            _access.info("request", extra={"exchange": access_fields(exchange, query_strings)})

    return log


def access_fields(exchange: Exchange, query_strings: bool) -> dict[str, Any]:
    """What the access line says of a request, beside its ID."""
    target = exchange.path
    if query_strings and exchange.query:
        target = f"{target}?{exchange.query.decode('latin-1')}"
    return {
        "method": exchange.method,
        "path": target,
        "status": exchange.status,
        "mount": exchange.mount,
        "stack": exchange.stack,
        "route": exchange.route,
        "client": exchange.client,
        "outcome": exchange.outcome,
        "bytes_in": exchange.bytes_in,
        "bytes_out": exchange.bytes_out,
        "first_byte_ms": _milliseconds(exchange.first_byte - exchange.started)
        if exchange.answered
        else None,
        "total_ms": _milliseconds(exchange.ended - exchange.started),
        "waited_ms": _milliseconds(exchange.waited),
    }


class _JSONLines(logging.StreamHandler[TextIO]):
    """Writes lines of JSON.

    There is an access line for each request: those need no record of logging's, no search for the
    caller, no chain of processors, and no write of their own where several end together.
    """

    def write_access(self, fields: Iterable[Mapping[str, Any]], exchanges: list[Exchange]) -> None:
        """Write what the formatter would have made of the access lines."""
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        written = []
        for exchange, its_fields in zip(exchanges, fields, strict=True):
            event = {
                "event": "request",
                "level": "info",
                "logger": _access.name,
                "request_id": exchange.request_id,
                "timestamp": now,
                **its_fields,
            }
            if exchange.trace_id:
                event["trace_id"] = exchange.trace_id
            written.append(json.dumps(event))
        if not written:
            return
        self.acquire()
        try:
            self.stream.write(self.terminator.join([*written, ""]))
            self.flush()
        except (OSError, ValueError):  # a full disk, a closed stream: as logging has it
            self.handleError(logging.makeLogRecord({"msg": written}))
        finally:
            self.release()


def _only_handler() -> _JSONLines | None:
    """The handler of access lines, where it writes JSON and nobody else wants to see them."""
    # Those who remember lines remember requests by themselves.
    handlers = [one for one in _ours.handlers if not isinstance(one, RememberedLines)]
    if _access.handlers or _access.filters or not _access.propagate or len(handlers) != 1:
        return None
    handler = handlers[0]
    return handler if isinstance(handler, _JSONLines) and not handler.filters else None


def is_probe(exchange: Exchange) -> bool:
    """Whether it asks how the process is: several a second, for ever."""
    return exchange.stack == "gateway" and exchange.route in _PROBES


def _is_routine(exchange: Exchange) -> bool:
    """A probe that found what it looked for."""
    return is_probe(exchange) and exchange.status == HTTPStatus.OK


def _milliseconds(seconds: float) -> float:
    return round(seconds * _MILLISECONDS, 2)


def _formatter(*, as_json: bool, colours: bool) -> logging.Formatter:
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _add_request,
        structlog.processors.TimeStamper(fmt="iso", utc=True)
        if as_json
        else structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
    ]
    last: list[Processor]
    if as_json:
        last = [
            _flatten,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            # Without the values of variables: some are secrets, and all of them take time.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(default=str),
        ]
    else:
        last = [
            _in_words,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.dev.ConsoleRenderer(
                colors=colours,
                pad_event_to=0,
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last)


def _add_request(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """The ID of the request that the line belongs to."""
    exchange = current_exchange.get()
    if exchange is not None:
        event["request_id"] = exchange.request_id
        if exchange.trace_id:
            event["trace_id"] = exchange.trace_id
    return event


def _flatten(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """The fields of an access line, and what `extra` brought, beside the others."""
    fields = getattr(event.get("_record"), "exchange", None)
    if fields:
        event.update(fields)
    return event


def _in_words(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """An access line as a person reads it."""
    fields = getattr(event.get("_record"), "exchange", None)
    if fields:
        outcome = "" if fields["outcome"] == "ok" else f" ({fields['outcome']})"
        # The path is a stranger's: quoted where it could forge a line or a colour.
        path = fields["path"]
        path = path if path.isprintable() else ascii(path)
        where = f"  {fields['mount']} {fields['route']}".rstrip()
        event["event"] = (
            f"{fields['method']} {path} {fields['status'] or '-'}{outcome} "
            f"{fields['total_ms']:g} ms{where}"
        )
        event.pop("logger", None)
    return event


def _is_no_websocket_line(record: logging.LogRecord) -> bool:
    """Leave out uvicorn's lines on handshakes: they have the query string; ours has the record."""
    return '"WebSocket %s"' not in str(record.msg)


def _know_requests() -> None:
    """Give each record `request_id`, for services that have a log format of their own."""
    before = logging.getLogRecordFactory()
    if getattr(before, "knows_requests", False):
        return

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        exchange = current_exchange.get()
        record.request_id = exchange.request_id if exchange is not None else "-"
        return record

    make.knows_requests = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make)
