"""The OpenAPI document of the portal's own JSON API (pure)."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.portal.question import Question
from gateway.portal.schemas import (
    FLAG,
    NUMBER,
    SECONDS,
    SHARE,
    TEXT,
    TIME,
    WHOLE,
    Schema,
    answer_of,
    get_of,
    list_of,
    object_of,
    reference,
    refusal,
)
from gateway.portal.switch_document import switch_paths, switch_schemas

_UNKNOWN = "null: not known, as it is one of the routes that are counted together"
_SILENT_ARE = "Workers, by pid, that live and gave no answer: what they know is missing."
_SILENT: Schema = {"type": "array", "items": WHOLE, "description": _SILENT_ARE}
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
            "/api/overview": get_of("overview", "The process group and its mounts.", "Overview"),
            "/api/overview/stream": _stream(),
            "/api/routes": get_of(
                "routes", "Every route with its figures, and the pairs.", "Routes"
            ),
            "/api/requests/{request_id}": {
                "parameters": [
                    {"name": "request_id", "in": "path", "required": True, "schema": TEXT}
                ],
                **get_of("request", "A request's record and log lines, while kept.", "Request"),
            },
            "/api/configuration": get_of(
                "configuration", "The effective settings and the findings.", "Configuration"
            ),
            "/api/compare": _compare(),
            **switch_paths(),
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
                **switch_schemas(),
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "gateway_admin"},
            },
        },
    }


def _stream() -> Schema:
    events = {"text/event-stream": {"schema": TEXT}}
    return {
        "get": {
            "operationId": "overview_stream",
            "summary": "The overview every two seconds, as server-sent events.",
            "description": "`event: overview`; its data is an `Overview`.",
            "responses": {
                "200": {"description": "Events without end.", "content": events},
                "4XX": refusal(),
            },
        }
    }


def _compare() -> Schema:
    body = {"application/json": {"schema": reference("Question")}}
    return {
        "post": {
            "operationId": "compare",
            "summary": "The same request to two mounts, once or many times.",
            "requestBody": {"required": True, "content": body},
            "responses": {
                "200": answer_of("Comparison"),
                "4XX": refusal("It cannot be asked, or not now, or not by whoever asks."),
            },
        }
    }


def _overview() -> Schema:
    lag = {**NUMBER, "description": "The most of the last 10 s."}
    wholes = dict.fromkeys(("pid", "memory_bytes", "threads"), WHOLE)
    worker = object_of(uptime_seconds=NUMBER, event_loop_lag_seconds=lag, **wholes)
    texts = dict.fromkeys(("request_id", "mount", "method", "path", "route", "outcome"), TEXT)
    error = object_of(time=TIME, status=WHOLE, **texts)
    return object_of(
        version=TEXT,
        python=TEXT,
        environment={"enum": ["development", "production"]},
        started=TIME,
        uptime_seconds=NUMBER,
        draining=FLAG,
        well={**FLAG, "description": "All mounts are ready, no worker drains or is silent."},
        workers=list_of(worker),
        silent=_SILENT,
        memory_bytes=WHOLE,
        event_loop_lag_seconds=lag,
        step_seconds=WHOLE,
        mounts=list_of(reference("Mount")),
        errors={**list_of(error), "maxItems": 50, "description": "The newest first."},
    )


def _mount() -> Schema:
    threads = object_of(allowed=WHOLE, busy=WHOLE, queued=WHOLE, stuck=WHOLE)
    return object_of(
        name=TEXT,
        prefix=TEXT,
        behind_switch=FLAG,
        host=TEXT,
        stack=TEXT,
        adapter={"enum": ["bridge", "a2wsgi", None]},
        state={"enum": ["ready", "not ready", "draining"]},
        version=TEXT,
        requests_per_second={**NUMBER, "description": "Of the last 10 s."},
        error_rate={**SHARE, "description": "Of the last 60 s, as the percentiles."},
        **_percentiles(),
        threads={"anyOf": [threads, {"type": "null"}]},
        history=reference("History"),
    )


def _history() -> Schema:
    def points(of: Schema) -> Schema:
        return {**list_of(of), "minItems": _POINTS, "maxItems": _POINTS}

    charts = {name: points(of) for name, of in _percentiles().items()}
    rates = {name: points(NUMBER) for name in ("requests_per_second", "errors_per_second")}
    return {
        **object_of(**rates, **charts),
        "description": "Steps of the last 15 minutes, in order.",
    }


def _routes() -> Schema:
    route = object_of(
        mount=TEXT,
        stack=TEXT,
        methods=list_of(TEXT),
        template=TEXT,
        path=TEXT,
        documentation=TEXT,
        requests=_or_null(WHOLE),
        requests_per_second=_or_null(NUMBER),
        error_rate=_or_null(SHARE),
        **_percentiles(),
    )
    both = {**_two(WHOLE), "description": "Indexes of `routes`."}
    return object_of(
        routes=list_of(route),
        pairs=list_of(object_of(methods=list_of(TEXT), path=TEXT, routes=both)),
    )


def _request() -> Schema:
    line = object_of(timestamp=TIME, level=TEXT, logger=TEXT, event=TEXT)
    line["properties"]["exception"] = TEXT
    milliseconds = {"type": ["number", "null"]}
    texts = ("request_id", "method", "path", "mount", "stack", "route", "client")
    record = object_of(
        time=TIME,
        status=WHOLE,
        **dict.fromkeys(texts, TEXT),
        outcome={"enum": ["ok", "client left", "timeout", "rejected", "error"]},
        bytes_in=WHOLE,
        bytes_out=WHOLE,
        first_byte_ms=milliseconds,
        total_ms=milliseconds,
        waited_ms=milliseconds,
    )
    record["properties"]["trace_id"] = TEXT
    return object_of(
        request_id=TEXT,
        found=FLAG,
        worker={"type": ["integer", "null"]},
        record={"anyOf": [record, {"type": "null"}]},
        lines=list_of(line),
        silent=_SILENT,
    )


def _configuration() -> Schema:
    setting = object_of(
        key=TEXT,
        value={"description": "As in the file; secrets are masked."},
        origin={"enum": ["default", "file", "environment", "command line"]},
        source=TEXT,
        help=TEXT,
        secret=FLAG,
    )
    return object_of(
        settings=list_of(setting), findings=list_of(object_of(where=TEXT, what=TEXT, mend=TEXT))
    )


def _comparison() -> Schema:
    answer = object_of(
        mount=TEXT,
        url=TEXT,
        status={**WHOLE, "description": "0: there was no answer."},
        headers=list_of(_two(TEXT)),
        body={**TEXT, "description": "The first 256 KiB."},
        truncated={**FLAG, "description": "Whether there is more of the body."},
        seconds=NUMBER,
    )
    difference = object_of(
        kind={"enum": ["status", "header", "json", "text"]},
        where={**TEXT, "description": "A header's name or a JSON Pointer."},
        values=_two({"type": ["string", "null"], "description": "null: it is not there."}),
        why=TEXT,
    )
    runs = object_of(
        times={"type": "integer", "minimum": 2},
        seconds={**_two(list_of(NUMBER)), "description": "In the order of the runs."},
        medians=_two(NUMBER),
        ratio={**NUMBER, "description": "The second median over the first."},
        spread=_two(NUMBER),
    )
    return object_of(
        answers=_two(answer),
        equal=FLAG,
        differences=list_of(difference),
        runs={"anyOf": [runs, {"type": "null"}]},
        curl={**_two(TEXT), "description": "A line for a shell, for each mount."},
        notes={**list_of(TEXT), "description": "What else there is to know, in sentences."},
    )


def _problem() -> Schema:
    texts = dict.fromkeys(("type", "title", "detail", "instance", "request_id"), TEXT)
    return object_of(status=WHOLE, **texts)


def _percentiles() -> Mapping[str, Schema]:
    return dict.fromkeys(("p50_seconds", "p95_seconds", "p99_seconds"), SECONDS)


def _or_null(of: Schema) -> Schema:
    return {**of, "type": [of["type"], "null"], "description": _UNKNOWN}


def _two(of: Schema) -> Schema:
    return {**list_of(of), "minItems": 2, "maxItems": 2}
