"""One stream of log lines."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.telemetry.lines import RememberedLines
from gateway.telemetry.logs import LogFormat, _only_handler, configure_logging
from tests.gateway.asgi import client_of
from tests.gateway.telemetry.services import observed_gateway

_IDENTIFIER = {"X-Request-ID": "of-the-test"}


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the log goes; logging is as before afterwards."""
    root = logging.getLogger()
    names = ("gateway", "uvicorn", "uvicorn.error")
    saved = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in
             (root, *map(logging.getLogger, names))]  # fmt: skip
    factory = logging.getLogRecordFactory()
    root.handlers.clear()
    yield io.StringIO()
    for logger, handlers, level, propagate in saved:
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)
    logging.setLogRecordFactory(factory)


def configure(form: LogFormat, stream: io.StringIO, *, production: bool = False) -> None:
    """As the server does it, with nobody else's handler in place: pytest has one of its own."""
    logging.getLogger().handlers.clear()
    configure_logging("info", form, production=production, stream=stream)


async def lines(stream: io.StringIO, *paths: str, **settings: Any) -> list[dict[str, Any]]:
    """The JSON lines that requests for these paths leave."""
    configure("json", stream)
    async with client_of(observed_gateway(**settings), raise_app_exceptions=False) as http:
        for path in paths:
            await http.get(path, headers=_IDENTIFIER)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("path", "name"), [("/web/items/5", "of.flask"), ("/api/items/5", "of.fastapi")]
)
async def test_what_a_service_logs_has_the_id_of_its_request(
    stream: io.StringIO, path: str, name: str
) -> None:
    """In a thread of the bridge as on the event loop, through the standard library."""
    found = await lines(stream, path)
    of_service = [line for line in found if line["logger"] == name]
    assert [(line["event"], line["level"]) for line in of_service] == [("item 5", "warning")]
    assert of_service[0]["request_id"] == "of-the-test"


async def test_the_access_line_is_the_record_of_the_exchange(stream: io.StringIO) -> None:
    """Everything that the record knows, under names of its own."""
    found = await lines(stream, "/web/items/5?token=secret")
    (line,) = [line for line in found if line["logger"] == "gateway.access"]
    assert line["request_id"] == "of-the-test"
    expected = {
        "event": "request",
        "method": "GET",
        "path": "/web/items/5",
        "status": 200,
        "mount": "web",
        "stack": "Flask",
        "route": "/items/<int:item_id>",
        "outcome": "ok",
        "client": "127.0.0.1",
        "bytes_in": 0,
    }
    assert {key: line[key] for key in expected} == expected
    assert line["bytes_out"] > 0
    assert line["total_ms"] >= line["first_byte_ms"] > 0
    assert line["waited_ms"] >= 0
    assert "secret" not in str(line)


async def test_access_lines_are_as_cheap_where_lines_are_remembered(stream: io.StringIO) -> None:
    """Whoever remembers lines is no second handler that would want a record for each request."""
    configure("json", stream)
    assert _only_handler() is not None
    task = asyncio.create_task(RememberedLines(10).keep())
    await asyncio.sleep(0)
    ours = logging.getLogger("gateway").handlers
    assert [type(handler) for handler in ours][1:] == [RememberedLines]
    assert _only_handler() is ours[0]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_query_strings_are_logged_where_it_is_asked_for(stream: io.StringIO) -> None:
    """They may hold secrets, so nobody gets them by default."""
    found = await lines(stream, "/api/items/5?page=2", server={"log_query_strings": True})
    assert "/api/items/5?page=2" in [line.get("path") for line in found]


async def test_an_error_is_one_line_of_json_with_its_traceback(stream: io.StringIO) -> None:
    """A log that is read by machines has no lines that are not."""
    found = await lines(stream, "/api/fails")
    (line,) = [line for line in found if line["level"] == "error" and "exception" in line]
    assert line["exception"][0]["exc_value"] == "of the test"
    assert line["request_id"] == "of-the-test"


async def test_a_person_reads_one_short_line(stream: io.StringIO) -> None:
    """Method, path, status, time and route; no colours where nobody sees them."""
    configure("auto", stream)
    async with client_of(observed_gateway()) as http:
        await http.get("/api/items/5", headers=_IDENTIFIER)
        await http.get("/web/x%0Afake%1b[31m", headers=_IDENTIFIER)
    access = [line for line in stream.getvalue().splitlines() if "] GET " in line]
    assert "GET /api/items/5 200" in access[0]
    assert "api /items/{item_id}" in access[0]
    assert "request_id=of-the-test" in access[0]
    assert "\x1b" not in stream.getvalue()
    # What could forge a line, or colour it, is quoted.
    assert r"GET '/web/x\nfake\x1b[31m' 404" in access[1]


def test_a_service_that_configures_logging_keeps_ours(stream: io.StringIO) -> None:
    """`dictConfig` turns off the loggers that it does not name; the gateway's come back."""
    configure("json", stream)
    logging.getLogger("gateway.access").disabled = True
    other = logging.NullHandler()
    logging.getLogger().handlers[:] = [other]
    configure_logging("info", "json", production=True, stream=stream)
    logging.getLogger("gateway.access").info("request")
    assert json.loads(stream.getvalue())["event"] == "request"
    assert logging.getLogger().handlers == [other]


async def test_services_with_a_format_of_their_own_can_name_the_request(
    stream: io.StringIO,
) -> None:
    """Each record has `request_id`."""
    configure("auto", stream, production=True)
    own = io.StringIO()
    handler = logging.StreamHandler(own)
    handler.setFormatter(logging.Formatter("%(request_id)s %(message)s"))
    logger = logging.getLogger("of.flask")
    logger.addHandler(handler)
    try:
        async with client_of(observed_gateway()) as http:
            await http.get("/web/items/5", headers=_IDENTIFIER)
    finally:
        logger.removeHandler(handler)
    logger.warning("outside")
    assert own.getvalue() == "of-the-test item 5\n"


async def test_probes_leave_no_line_while_all_is_well(stream: io.StringIO) -> None:
    """They come several times a second, and say the same each time."""
    found = await lines(stream, "/_gateway/readyz", "/_gateway/livez", "/_gateway/nothing")
    paths = [line["path"] for line in found if line["logger"] == "gateway.access"]
    assert paths == ["/_gateway/nothing"]


@pytest.mark.parametrize("form", ["json", "text"])
async def test_no_variable_s_value_is_logged(stream: io.StringIO, form: LogFormat) -> None:
    """A traceback says where, and keeps the secrets that stood in variables there."""
    configure(form, stream)

    def fail(password: str) -> None:
        raise RuntimeError("of the test")

    try:
        fail("hun" + "ter2")
    except RuntimeError:
        logging.getLogger("gateway").exception("it failed")
    assert "of the test" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()
