"""The switches in the OpenAPI document of the portal's API (pure)."""

from __future__ import annotations

from typing import get_args

from gateway.portal.schemas import (
    FLAG,
    NUMBER,
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
from gateway.portal.switch import SetMode
from gateway.switch.records import MODES
from gateway.switch.report.verdict import Word

_MODE: Schema = {"enum": list(MODES)}
_SECONDS: Schema = {"type": ["number", "null"], "minimum": 0, "description": "null: none"}
_ANY: Schema = {"description": "As in the answer; null where it is not there."}
_COUNTS: Schema = {"type": "object", "additionalProperties": WHOLE}
_NAME: Schema = {"name": "name", "in": "path", "required": True, "schema": TEXT}


def switch_paths() -> dict[str, Schema]:
    """The endpoints, by path."""
    body = {"application/json": {"schema": reference("SetMode")}}
    set_mode = {
        "operationId": "set_mode",
        "summary": "Give a route, a rule or a group a mode, or turn the kill switch.",
        "description": "In effect within two seconds in every worker, and kept in the history, "
        'signed "portal". `route`: as in `gateway switch set`; `*` is the kill switch, which the '
        '`mode` "legacy" turns on and "rules" off. `mode` "file": what the file says. `percent`: '
        'for "canary". `dry_run`: what it would come to, without doing it.',
        "requestBody": {"required": True, "content": body},
        "responses": {
            "200": answer_of("SetAnswer"),
            "4XX": refusal("There is no such switch, or it cannot be set, or not by whoever asks."),
            "503": refusal("The switches' database cannot be used."),
        },
    }
    return {
        "/api/switches": _with_database(
            get_of("switches", "The report of each switch.", "Switches")
        ),
        "/api/switches/{name}": {
            "parameters": [_NAME],
            **_with_database(get_of("switch", "The report of one switch.", "Switch")),
        },
        "/api/switches/{name}/set": {"parameters": [_NAME], "post": set_mode},
    }


def switch_schemas() -> dict[str, Schema]:
    """The documents, by name."""
    return {
        "Switches": object_of(switches=list_of(reference("Switch"))),
        "Switch": _switch(),
        "SwitchRoute": _route(),
        "Mismatch": _mismatch(),
        "SetMode": SetMode.model_json_schema(),
        "SetAnswer": _set_answer(),
    }


def _with_database(path: Schema) -> Schema:
    path["get"]["responses"]["503"] = refusal("The switches' database cannot be used.")
    return path


def _switch() -> Schema:
    texts = dict.fromkeys(("switch", "prefix", "host", "legacy", "candidate"), TEXT)
    totals = object_of(routes=WHOLE, moved=WHOLE, ready=WHOLE, by_mode=_COUNTS)
    return object_of(
        **texts,
        enabled={**FLAG, "description": "By the configuration."},
        killed={**FLAG, "description": "Whether the kill switch is on."},
        revision={**WHOLE, "description": "It grows with each change."},
        totals=totals,
        routes=list_of(reference("SwitchRoute")),
    )


def _route() -> Schema:
    served = _or_null(object_of(template=TEXT, name=TEXT))
    change = object_of(at=TIME, who=TEXT, before=TEXT, after=TEXT, why=TEXT)
    outcomes = ("match", "match by rule", "mismatch", "error", "timeout")
    verdict = object_of(
        verdict={"enum": list(get_args(Word))},
        reasons=list_of(TEXT),
        bound={
            "type": ["number", "null"],
            "description": "What the rate of mismatches is below, with 95 % confidence.",
        },
    )
    return object_of(
        route={**TEXT, "description": "Method and shape, as evidence names it: `GET /items/{}`."},
        method=TEXT,
        path=TEXT,
        legacy=served,
        candidate=served,
        rule={**TEXT, "description": "Its name; empty for none."},
        mode=_MODE,
        percent=NUMBER,
        group=TEXT,
        set=_or_null(object_of(who=TEXT, at=TIME, why=TEXT, epoch=WHOLE)),
        requests={**_sides(_COUNTS), "description": "In this mode, by status class."},
        requests_in_all=_sides(WHOLE),
        fallbacks=_COUNTS,
        compared_in=_or_null(object_of(mode=_MODE, epoch={"type": "integer"})),
        compared=object_of(**dict.fromkeys(outcomes, WHOLE)),
        uncompared=_COUNTS,
        dropped=_COUNTS,
        unsampled=WHOLE,
        bodies=_COUNTS,
        hits=_COUNTS,
        noise=object_of(asked=WHOLE, differed=WHOLE),
        went_away=WHOLE,
        match_rate=_or_null(SHARE),
        latency=object_of(paired=_sides(_percentiles()), served=_sides(_percentiles())),
        mismatches=list_of(reference("Mismatch")),
        suggestions=list_of(
            object_of(signature=TEXT, count=WHOLE, explanation=TEXT, proposal=TEXT)
        ),
        unlisted=object_of(mismatch=WHOLE, noise=WHOLE),
        verdict=verdict,
        history=list_of(change),
    )


def _mismatch() -> Schema:
    difference = object_of(kind=TEXT, place=TEXT, legacy=_ANY, candidate=_ANY, why=TEXT)
    answer = {"type": ["object", "null"], "description": "Status, headers and body, masked."}
    return object_of(
        signature=TEXT,
        count=WHOLE,
        explanation=TEXT,
        proposal={**TEXT, "description": "A table of TOML that excuses it; may be empty."},
        first=TIME,
        last=TIME,
        differences=list_of(difference),
        sample=object_of(method=TEXT, target=TEXT, curl=TEXT, legacy=answer, candidate=answer),
    )


def _set_answer() -> Schema:
    change = object_of(rule=TEXT, before=TEXT, after=TEXT, from_file=FLAG)
    return object_of(
        switch=TEXT,
        dry_run=FLAG,
        revision={"type": ["integer", "null"], "description": "null: nothing was done"},
        killed=FLAG,
        changes=list_of(change),
        text={**list_of(TEXT), "description": "The same in sentences."},
    )


def _percentiles() -> Schema:
    return object_of(p50=_SECONDS, p95=_SECONDS, p99=_SECONDS)


def _sides(of: Schema) -> Schema:
    return object_of(legacy=of, candidate=of)


def _or_null(of: Schema) -> Schema:
    return {"anyOf": [of, {"type": "null"}]}
