"""The settings of a mount: of a service, or of a switch over two."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from gateway.config.fields import RATE, RATE_ACCEPTS, Section, seconds, setting


class SwitchSides(Section):
    """The two services of a switch."""

    legacy: str = setting(..., "Mount of the service that is moved from.", "the name of a mount")
    candidate: str = setting(
        ...,
        "Mount of the service that is moved to, or its address.",
        'the name of a mount, or "http://host:port"',
    )


class JsonRuleSettings(Section):
    """What may differ at a place of a JSON document."""

    kind: Literal["ignore", "unordered", "number", "uuid", "instant", "decimal"] = setting(
        ...,
        "`ignore` whatever is there; `unordered`: a list whose order does not count; `number`: up "
        "to `tolerance` apart; `uuid`: any two; `instant`: one instant in two formats; `decimal`: "
        "a number, and the same as text.",
        '"ignore", "unordered", "number", "uuid", "instant" or "decimal"',
    )
    pointer: str = setting(
        ...,
        "The place, as JSON Pointer in which `*` is any one step.",
        'a JSON Pointer: "/items/*/price", or nothing for the whole document',
        pattern=r"^(/.*)?$",
    )
    key: str = setting("", "`unordered`: the member that tells the items apart.", "a name")
    tolerance: float = setting(
        0.0, "`number`: how far apart.", "a number, 0 or more", ge=0, allow_inf_nan=False
    )


class CompareSettings(Section):
    """What counts when two answers are compared."""

    statuses: tuple[tuple[int, ...], ...] = setting(
        (),
        "Statuses that stand for each other.",
        "a list of lists: [[400, 422]]",
    )
    headers: tuple[str, ...] | None = setting(
        None,
        "Headers that count. Left out: Content-Type, Location, Allow, Vary, Cache-Control and "
        "WWW-Authenticate.",
        "a list of header names",
    )
    cookies: bool = setting(True, "Whether cookies count, by name and attributes.", "true or false")
    bodies: bool = setting(True, "Whether bodies count.", "true or false")
    json_rules: tuple[JsonRuleSettings, ...] = Field(
        (),
        alias="json",
        description="What may differ in JSON documents.",
        json_schema_extra={"accepts": 'a list: [{ kind = "ignore", pointer = "/at" }]'},
    )


class RuleSettings(Section):
    """Which of a switch's services answers a route, and how."""

    path: str = setting(
        ...,
        "Template of the path below the switch's prefix.",
        '"/items/{item_id}" or "/items/<int:item_id>"',
        pattern=r"^/",
    )
    methods: tuple[str, ...] = setting(
        (),
        "Methods; GET is for HEAD, too. Left out: all.",
        'a list of methods in capitals: ["GET", "POST"]; "WEBSOCKET" for WebSockets',
    )
    mode: Literal["legacy", "shadow", "canary", "candidate", "candidate-shadow"] = setting(
        "legacy",
        "Who answers.",
        '"legacy", "shadow", "canary", "candidate" or "candidate-shadow"',
    )
    percent: float = setting(
        0.0,
        "Mode `canary`: the candidate's share of the users.",
        "a number, above 0 and up to 100",
        ge=0,
        le=100,
        allow_inf_nan=False,
    )
    group: str = setting(
        "",
        "Rules that are set together, and give a user the same service. Empty: those of one path.",
        "letters, digits, - and _",
        pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]*)?$",
    )
    repeatable: bool | None = setting(
        None,
        "Whether a request may be sent to both services. Left out: GET and HEAD may.",
        "true or false",
    )
    automatic_return: bool = setting(
        True,
        "Whether the mode goes back to `legacy` when the candidate fails (`switch.return_...`).",
        "true or false",
    )
    compare: CompareSettings = setting(CompareSettings(), "What counts in comparisons.", "a table")

    @field_validator("methods")
    @classmethod
    def _are_sorted(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        """In one order, so that a rule has one name."""
        if not all(method.isalpha() and method.isupper() for method in methods):
            raise ValueError("no methods")
        return tuple(sorted(set(methods)))


class MountSettings(Section):
    """One service and the prefix that it answers under."""

    name: str = setting(
        ...,
        "Name of the mount, in logs and reports.",
        'letters, digits, - and _; each name once; not "gateway", which is the gateway itself',
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
    )
    prefix: str = setting(
        "",
        "Path prefix of whole segments; the longest one wins. Left out for a service that only a "
        "switch leads to.",
        '"/", or segments without a trailing slash: "/flask", "/api/v1"; each prefix once per host',
        # Unreserved characters of RFC 3986 only: a prefix that needs escaping would have to be
        # compared in two spellings.
        pattern=r"^(/|(/[A-Za-z0-9._~-]+)*)$",
    )
    app: str = setting(
        "",
        "Import string of the service; left out where `switch` is given.",
        '"module:attribute", such as "shop.web:create_app"',
        pattern=r"^$|^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$",
    )
    switch: SwitchSides | None = setting(
        None,
        "Serve the prefix from two services, route by route, as `rules` say.",
        'a table: { legacy = "flask", candidate = "fastapi" }',
    )
    rules: tuple[RuleSettings, ...] = setting(
        (),
        "Routes of a switch that the legacy service does not simply answer.",
        "[[mounts.rules]] tables with path and mode",
    )
    factory: bool = setting(False, "Call the attribute to get the service.", "true or false")
    host: str = setting(
        "",
        "Answer for this host only.",
        '"api.example.com", "*.example.com", or nothing; lower case, without a port',
        pattern=r"^$|^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$|^\[[0-9a-f:.]+\]$",
    )
    interface: Literal["auto", "asgi", "wsgi"] = setting(
        "auto",
        "Interface of the service; `auto` tells it from the object.",
        '"auto", "asgi" or "wsgi"',
    )
    adapter: Literal["bridge", "a2wsgi"] = setting(
        "bridge", "WSGI only: what carries requests to the service.", '"bridge" or "a2wsgi"'
    )
    threads: int = setting(
        10,
        "WSGI only: threads of this mount's own pool.",
        "an integer from 1 to 1000",
        ge=1,
        le=1000,
    )
    queue: int = setting(
        100,
        "Bridge only: requests that may wait for a thread; the next one gets 503.",
        "an integer from 0 to 100000",
        ge=0,
        le=100_000,
    )
    request_buffering: Literal["spool", "stream"] = setting(
        "spool",
        "Bridge only: `spool` receives a whole body before it takes a thread; `stream` lets the "
        "service read while it arrives.",
        '"spool" or "stream"',
    )
    spool_memory_bytes: int = setting(
        1024 * 1024,
        "Bridge only: as much of a spooled body is kept in memory, the rest in a temporary file.",
        "an integer, 0 or more",
        ge=0,
    )
    max_body_bytes: int = setting(
        1024 * 1024 * 1024,
        "A larger body gets 413. 0 for no limit.",
        "an integer, 0 or more",
        ge=0,
    )
    body_idle_seconds: float = seconds(30.0, "How long an upload may stall before 408.")
    body_timeout_seconds: float = seconds(600.0, "How long an upload may take before 408.")
    response_timeout_seconds: float = seconds(
        60.0,
        "How long until an answer begins, waiting for a thread included, before 504. 0 for no "
        "limit.",
        or_zero=True,
    )
    write_timeout_seconds: float = seconds(
        60.0,
        "Bridge only: how long a client may take nothing of its answer before it is given up.",
    )
    stream_idle_seconds: float = seconds(
        0.0,
        "How long an answer that has begun may stand still before it is broken off. 0 for no "
        "limit.",
        or_zero=True,
    )
    rate_limit: str = setting(
        "",
        "A limit of this mount's own in place of `edge.rate_limit`.",
        f"{RATE_ACCEPTS}, or nothing for the edge's",
        pattern=RATE,
    )
    security_headers: dict[str, str] = setting(
        {}, "Headers over `edge.security_headers`.", 'a table: { X-Frame-Options = "SAMEORIGIN" }'
    )
    cors_origins: tuple[str, ...] | None = setting(
        None, "Origins in place of `edge.cors_origins`.", "a list of origins"
    )
    compression: bool | None = setting(None, "In place of `edge.compression`.", "true or false")

    @field_validator("name")
    @classmethod
    def _is_not_the_gateway(cls, name: str) -> str:
        """Rate limits and metrics tell the gateway's own requests by this name."""
        if name == "gateway":
            raise ValueError("the gateway's own name")
        return name
