"""The OpenAPI document of the portal's own JSON API (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.portal.question import Question

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {"type": "number", "minimum": 0}
_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_SECONDS: Schema = {"type": ["number", "null"], "minimum": 0, "description": "null: nothing ended"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_FLAG: Schema = {"type": "boolean"}
_UNKNOWN = "null: not known, as it is one of the routes that are counted together"
_SILENT_ARE = "Workers, by pid, that live and gave no answer: what they know is missing."
_SILENT: Schema = {"type": "array", "items": _WHOLE, "description": _SILENT_ARE}
_POINTS = 180


def api_document(version: str) -> Schema:
    """The document. Its paths stand below the admin prefix, as it does itself.

    Args:
        version: The gateway's.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The gateway's own figures",
            "version": version,
            "description": "What the portal shows, for scripts. Each answer is that of all workers;"
            " none may be cached. They need the admin token, if there is one.",
        },
        "servers": [{"url": "..", "description": "The admin prefix, above this document."}],
        "security": [{"token": []}, {"cookie": []}, {}],
        "paths": {
            "/api/overview": _get("overview", "The process group and its mounts.", "Overview"),
            "/api/overview/stream": _stream(),
            "/api/routes": _get("routes", "Every route with its figures, and the pairs.", "Routes"),
            "/api/requests/{request_id}": {
                "parameters": [
                    {"name": "request_id", "in": "path", "required": True, "schema": _TEXT}
                ],
                **_get("request", "A request's record and log lines, while kept.", "Request"),
            },
            "/api/configuration": _get(
                "configuration", "The effective settings and the findings.", "Configuration"
            ),
            "/api/compare": _compare(),
        },
        "components": {
            "schemas": {
                "Overview": _overview(),
                "Mount": _mount(),
                "History": _history(),
                "Routes": _routes(),
                "Request": _request(),
                "Configuration": _configuration(),
                "Question": Question.model_json_schema(),
                "Comparison": _comparison(),
                "Problem": _problem(),
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "gateway_admin"},
            },
        },
    }


def _get(name: str, summary: str, schema: str) -> Schema:
    responses = {"200": _answer(schema), "4XX": _refusal()}
    return {"get": {"operationId": name, "summary": summary, "responses": responses}}


def _answer(schema: str) -> Schema:
    content = {"application/json": {"schema": _reference(schema)}}
    return {"description": schema, "content": content}


def _refusal(why: str = "Not for whoever asks.") -> Schema:
    content = {"application/problem+json": {"schema": _reference("Problem")}}
    return {"description": why, "content": content}


def _stream() -> Schema:
    events = {"text/event-stream": {"schema": _TEXT}}
    return {
        "get": {
            "operationId": "overview_stream",
            "summary": "The overview every two seconds, as server-sent events.",
            "description": "`event: overview`; its data is an `Overview`.",
            "responses": {
                "200": {"description": "Events without end.", "content": events},
                "4XX": _refusal(),
            },
        }
    }


def _compare() -> Schema:
    body = {"application/json": {"schema": _reference("Question")}}
    return {
        "post": {
            "operationId": "compare",
            "summary": "The same request to two mounts, once or many times.",
            "requestBody": {"required": True, "content": body},
            "responses": {
                "200": _answer("Comparison"),
                "4XX": _refusal("It cannot be asked, or not now, or not by whoever asks."),
            },
        }
    }


def _overview() -> Schema:
    lag = {**_NUMBER, "description": "The most of the last 10 s."}
    wholes = dict.fromkeys(("pid", "memory_bytes", "threads"), _WHOLE)
    worker = _object(uptime_seconds=_NUMBER, event_loop_lag_seconds=lag, **wholes)
    texts = dict.fromkeys(("request_id", "mount", "method", "path", "route", "outcome"), _TEXT)
    error = _object(time=_TIME, status=_WHOLE, **texts)
    return _object(
        version=_TEXT,
        python=_TEXT,
        environment={"enum": ["development", "production"]},
        started=_TIME,
        uptime_seconds=_NUMBER,
        draining=_FLAG,
        well={**_FLAG, "description": "All mounts are ready, no worker drains or is silent."},
        workers=_list(worker),
        silent=_SILENT,
        memory_bytes=_WHOLE,
        event_loop_lag_seconds=lag,
        step_seconds=_WHOLE,
        mounts=_list(_reference("Mount")),
        errors={**_list(error), "maxItems": 50, "description": "The newest first."},
    )


def _mount() -> Schema:
    threads = _object(allowed=_WHOLE, busy=_WHOLE, queued=_WHOLE, stuck=_WHOLE)
    return _object(
        name=_TEXT,
        prefix=_TEXT,
        host=_TEXT,
        stack=_TEXT,
        adapter={"enum": ["bridge", "a2wsgi", None]},
        state={"enum": ["ready", "not ready", "draining"]},
        version=_TEXT,
        requests_per_second={**_NUMBER, "description": "Of the last 10 s."},
        error_rate={**_SHARE, "description": "Of the last 60 s, as the percentiles."},
        **_percentiles(),
        threads={"anyOf": [threads, {"type": "null"}]},
        history=_reference("History"),
    )


def _history() -> Schema:
    def points(of: Schema) -> Schema:
        return {**_list(of), "minItems": _POINTS, "maxItems": _POINTS}

    charts = {name: points(of) for name, of in _percentiles().items()}
    rates = {name: points(_NUMBER) for name in ("requests_per_second", "errors_per_second")}
    return {**_object(**rates, **charts), "description": "Steps of the last 15 minutes, in order."}


def _routes() -> Schema:
    route = _object(
        mount=_TEXT,
        stack=_TEXT,
        methods=_list(_TEXT),
        template=_TEXT,
        path=_TEXT,
        documentation=_TEXT,
        requests=_or_null(_WHOLE),
        requests_per_second=_or_null(_NUMBER),
        error_rate=_or_null(_SHARE),
        **_percentiles(),
    )
    both = {**_two(_WHOLE), "description": "Indexes of `routes`."}
    return _object(
        routes=_list(route),
        pairs=_list(_object(methods=_list(_TEXT), path=_TEXT, routes=both)),
    )


def _request() -> Schema:
    line = _object(timestamp=_TIME, level=_TEXT, logger=_TEXT, event=_TEXT)
    line["properties"]["exception"] = _TEXT
    milliseconds = {"type": ["number", "null"]}
    texts = ("request_id", "method", "path", "mount", "stack", "route", "client")
    record = _object(
        time=_TIME,
        status=_WHOLE,
        **dict.fromkeys(texts, _TEXT),
        outcome={"enum": ["ok", "client left", "timeout", "rejected", "error"]},
        bytes_in=_WHOLE,
        bytes_out=_WHOLE,
        first_byte_ms=milliseconds,
        total_ms=milliseconds,
        waited_ms=milliseconds,
    )
    record["properties"]["trace_id"] = _TEXT
    return _object(
        request_id=_TEXT,
        found=_FLAG,
        worker={"type": ["integer", "null"]},
        record={"anyOf": [record, {"type": "null"}]},
        lines=_list(line),
        silent=_SILENT,
    )


def _configuration() -> Schema:
    setting = _object(
        key=_TEXT,
        value={"description": "As in the file; secrets are masked."},
        origin={"enum": ["default", "file", "environment", "command line"]},
        source=_TEXT,
        help=_TEXT,
        secret=_FLAG,
    )
    return _object(
        settings=_list(setting), findings=_list(_object(where=_TEXT, what=_TEXT, mend=_TEXT))
    )


def _comparison() -> Schema:
    answer = _object(
        mount=_TEXT,
        url=_TEXT,
        status={**_WHOLE, "description": "0: there was no answer."},
        headers=_list(_two(_TEXT)),
        body={**_TEXT, "description": "The first 256 KiB."},
        truncated={**_FLAG, "description": "Whether there is more of the body."},
        seconds=_NUMBER,
    )
    difference = _object(
        kind={"enum": ["status", "header", "json", "text"]},
        where={**_TEXT, "description": "A header's name or a JSON Pointer."},
        values=_two({"type": ["string", "null"], "description": "null: it is not there."}),
        why=_TEXT,
    )
    runs = _object(
        times={"type": "integer", "minimum": 2},
        seconds={**_two(_list(_NUMBER)), "description": "In the order of the runs."},
        medians=_two(_NUMBER),
        ratio={**_NUMBER, "description": "The second median over the first."},
        spread=_two(_NUMBER),
    )
    return _object(
        answers=_two(answer),
        equal=_FLAG,
        differences=_list(difference),
        runs={"anyOf": [runs, {"type": "null"}]},
        curl={**_two(_TEXT), "description": "A line for a shell, for each mount."},
        notes={**_list(_TEXT), "description": "What else there is to know, in sentences."},
    )


def _problem() -> Schema:
    texts = dict.fromkeys(("type", "title", "detail", "instance", "request_id"), _TEXT)
    return _object(status=_WHOLE, **texts)


def _percentiles() -> Mapping[str, Schema]:
    return dict.fromkeys(("p50_seconds", "p95_seconds", "p99_seconds"), _SECONDS)


def _reference(schema: str) -> Schema:
    return {"$ref": f"#/components/schemas/{schema}"}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _or_null(of: Schema) -> Schema:
    return {**of, "type": [of["type"], "null"], "description": _UNKNOWN}


def _two(of: Schema) -> Schema:
    return {**_list(of), "minItems": 2, "maxItems": 2}


def _object(**properties: Schema) -> Schema:
    """An object that has all of these, and nothing that is not said."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
