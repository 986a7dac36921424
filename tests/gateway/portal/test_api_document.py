"""The description of the portal's JSON API beside what a whole gateway answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from gateway.portal.api_document import api_document
from tests.gateway.edge.driving import Answer, Front, front
from tests.gateway.portal.comparing import Two

TOKEN = "of-the-test-and-long-enough"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
JSON_PATHS = (
    ("/overview", "Overview"),
    ("/routes", "Routes"),
    ("/requests/of-the-test", "Request"),
    ("/requests/nobody-s", "Request"),
    ("/configuration", "Configuration"),
)


def check(document: Any, schema: str) -> None:
    """A document is as its schema says."""
    assert faults(document, schema) == []


def faults(document: Any, schema: str) -> list[str]:
    """Where a document is not as its schema says."""
    own = api_document("1.0")
    whole = {"$ref": f"#/components/schemas/{schema}", "components": own["components"]}
    validator = OAS31Validator(whole, format_checker=OAS31Validator.FORMAT_CHECKER)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


@asynccontextmanager
async def gateway() -> AsyncIterator[Front]:
    """A whole gateway over two services that differ."""
    two = Two()
    try:
        async with front(*two.services(), admin={"token": TOKEN}) as running:
            yield running
    finally:
        two.end.set()


async def ask(running: Front, path: str) -> Any:
    """What the API answers an admin."""
    answer = await running.get(f"/_gateway/api{path}", **BEARER)
    assert (answer.status, answer.header("content-type")) == (200, "application/json")
    assert answer.header("cache-control") == "no-store"
    return answer.json


async def compare(running: Front, **question: Any) -> Answer:
    """The answer to a question that is as the description says."""
    check(question, "Question")
    body = json.dumps(question).encode()
    headers = {**BEARER, "Content-Type": "application/json"}
    return await running.ask("POST", "/_gateway/api/compare", headers, body)


async def test_each_answer_is_as_described_before_anything_was_asked() -> None:
    """Without one request there are no percentiles, records and errors."""
    async with gateway() as running:
        for path, schema in JSON_PATHS:
            check(await ask(running, path), schema)


async def test_each_answer_is_as_described_when_much_has_happened() -> None:
    """Answers, failures with their traceback, paths that nobody has, of both stacks."""
    async with gateway() as running:
        for mount in ("flask", "fastapi"):
            for path in ("same", "nothing", "large/70000"):
                assert (await running.get(f"/{mount}/{path}")).status in {200, 404}
            failed = await running.get(f"/{mount}/fails", X_Request_ID="of-the-test")
            assert failed.status == 500
        await running.get("/nothing", traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
        for path, schema in JSON_PATHS:
            check(await ask(running, path), schema)
        overview = await ask(running, "/overview")
        assert len(overview["errors"]) == 2
        assert overview["mounts"][0]["p99_seconds"] > 0
        request = await ask(running, "/requests/of-the-test")
        assert request["record"]["status"] == 500
        assert any("exception" in line for line in request["lines"])
        assert any(route["requests"] for route in (await ask(running, "/routes"))["routes"])


async def test_each_event_is_as_described() -> None:
    """The first of a stream, which the gateway's stop ends."""
    async with gateway() as running:
        # The first overview takes its time, as it reads what is installed.
        await ask(running, "/overview")
        path = "/_gateway/api/overview/stream"
        stream = asyncio.create_task(running.get(path, **BEARER))
        await asyncio.sleep(0.5)
        running.health.stop()
        answer = await stream
        assert answer.header("content-type") == "text/event-stream; charset=utf-8"
        events = answer.text.split("\n\n")
        kind, _, data = events[0].partition("\n")
        assert kind == "event: overview"
        check(json.loads(data.removeprefix("data: ")), "Overview")


@pytest.mark.parametrize(
    ("question", "faulty"),
    [
        ({"target": "/same"}, False),
        ({"target": "/value"}, False),
        ({"target": "/status", "times": 5}, False),
        ({"target": "/header"}, False),
        ({"target": "/html"}, False),
        ({"target": "/large/300000"}, False),
        ({"target": "/fails"}, False),
        ({"target": "/same", "method": "HEAD", "times": 2}, False),
        ({"target": "/write", "method": "POST", "body": "{}", "headers": {"X-A": "b"}}, False),
        # Flask has no such route, and so both answers differ in all that they can.
        ({"target": "/breaks", "times": 3}, False),
        ({"mounts": ["flask", "unknown"]}, True),
        ({"target": "/write", "method": "POST", "times": 2}, True),
    ],
    ids=lambda given: json.dumps(given)[:60] if isinstance(given, dict) else str(given),
)
async def test_each_comparison_is_as_described(question: dict[str, Any], faulty: bool) -> None:
    """Alike or not, with runs, without a body, broken off; and what cannot be asked."""
    async with gateway() as running:
        answer = await compare(running, **{"mounts": ["flask", "fastapi"], **question})
        if faulty:
            assert answer.status == 422
            assert answer.header("content-type") == "application/problem+json"
            check(answer.json, "Problem")
            return
        assert (answer.status, answer.header("content-type")) == (200, "application/json")
        check(answer.json, "Comparison")
        assert bool(answer.json["runs"]) == (
            question.get("times", 1) > 1 and question["target"] != "/breaks"
        )


@pytest.mark.parametrize(
    "path", ["/overview", "/overview/stream", "/routes", "/requests/a", "/configuration"]
)
async def test_whoever_may_not_ask_gets_the_problem_that_is_described(path: str) -> None:
    """Which also says how to ask."""
    async with gateway() as running:
        refused = await running.get(f"/_gateway/api{path}")
        assert (refused.status, refused.header("content-type")) == (401, "application/problem+json")
        check(refused.json, "Problem")


def test_what_the_description_does_not_say_is_refused() -> None:
    """The checks above would notice a field that is missing, unknown or of another type."""
    sound: dict[str, Any] = {
        "request_id": "a",
        "found": False,
        "worker": None,
        "record": None,
        "lines": [],
        "silent": [1],
    }
    check(sound, "Request")
    changes: list[dict[str, Any]] = [
        {"found": 1},
        {"more": 1},
        {"worker": "1"},
        {"record": {}},
        {"silent": [None]},
    ]
    for change in changes:
        assert faults({**sound, **change}, "Request") != []
