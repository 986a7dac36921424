"""Every setting: its name, its default, what it is for and what it accepts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict


def _setting(default: Any, purpose: str, accepts: str, **constraints: Any) -> Any:
    """A setting. `accepts` is for the person who wrote something else."""
    if isinstance(default, bool | int | float):
        # TOML has types, so "8000" is no port there. What comes from the environment is text, and
        # `read` converts it first.
        constraints["strict"] = True
    return Field(
        default, description=purpose, json_schema_extra={"accepts": accepts}, **constraints
    )


def _seconds(default: float, purpose: str, *, or_zero: bool = False) -> Any:
    """A duration. A day is more than enough, and less than what timers can hold."""
    lowest = {"ge": 0} if or_zero else {"gt": 0}
    accepts = f"seconds, {'from 0' if or_zero else 'above 0'} to 86400"
    return _setting(default, purpose, accepts, le=86400, allow_inf_nan=False, **lowest)


class Section(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(Section):
    """Where and how the process listens."""

    host: str = _setting("127.0.0.1", "Address to listen on.", "a host name or an IP address")
    port: int = _setting(
        8000,
        "Port to listen on; 0 takes a free one. `PORT`, as hosting platforms set it, wins over "
        "the file.",
        "an integer from 0 to 65535",
        ge=0,
        le=65535,
    )
    unix_socket: str = _setting(
        "", "Path of a Unix socket to listen on instead of host and port.", "a path, or nothing"
    )
    workers: int = _setting(1, "Serving processes.", "an integer from 1 to 256", ge=1, le=256)
    tls_certificate: str = _setting(
        "", "Certificate chain (PEM); with `tls_key`, the server speaks TLS.", "a path, or nothing"
    )
    tls_key: str = _setting("", "Private key (PEM) of the certificate.", "a path, or nothing")
    tls_key_password: SecretStr = _setting(
        SecretStr(""), "Password of the private key.", "text, from the environment only"
    )
    startup_seconds: float = _seconds(
        60.0,
        "How long a service's lifespan may take to start before the start counts as failed.",
    )
    switch_interval_seconds: float = _setting(
        0.0005,
        "While a WSGI service works: how long a computing thread keeps Python's global lock while "
        "others wait for it (`sys.setswitchinterval`; Python's own default is 0.005).",
        "seconds, from 0.00001 to 1",
        ge=0.00001,
        le=1,
    )
    drain_seconds: float = _seconds(
        20.0,
        "After SIGTERM: finish what runs, then exit, whatever a thread does.",
    )
    drain_delay_seconds: float = _seconds(
        0.0,
        "After SIGTERM: go on serving for so long, while readiness says 503 and the load balancer "
        "finds out. Counts against `drain_seconds`.",
        or_zero=True,
    )
    root_path: str = _setting(
        "",
        "Public prefix of the whole gateway, where a proxy serves it under one and does not send "
        "`X-Forwarded-Prefix`.",
        'segments without a trailing slash, such as "/apps", or nothing',
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
    )
    connections: int = _setting(
        1000,
        "Connections of one process. Above it, the one that has waited longest without a request "
        "is closed; where none waits, the newest is refused with 503.",
        "an integer from 1 to 1000000",
        ge=1,
        le=1_000_000,
    )
    keep_alive_seconds: float = _seconds(5.0, "How long a connection is kept for its next request.")
    header_seconds: float = _seconds(
        10.0, "How long a request's head may take, from its first byte, before 408."
    )
    header_fields: int = _setting(
        100,
        "Header fields of a request; 431 above.",
        "an integer from 10 to 10000",
        ge=10,
        le=10000,
    )
    header_bytes: int = _setting(
        64 * 1024,
        "Bytes of a request's header fields in all; 431 above.",
        "an integer from 1024 to 1048576",
        ge=1024,
        le=1024 * 1024,
    )
    target_bytes: int = _setting(
        8 * 1024,
        "Bytes of a request's path and query; 414 above.",
        "an integer from 256 to 65536",
        ge=256,
        le=64 * 1024,
    )
    write_seconds: float = _seconds(
        60.0, "How long a client may take nothing of its answer before its connection is closed."
    )
    access_log: bool = _setting(True, "Log one line per request.", "true or false")
    log_query_strings: bool = _setting(
        False, "Log query strings, too, which may hold secrets.", "true or false"
    )
    log_format: Literal["auto", "json", "text"] = _setting(
        "auto", "`auto` is JSON in production and text else.", '"auto", "json" or "text"'
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "Least severe message that is logged.", '"debug", "info", "warning" or "error"'
    )


class AdminSettings(Section):
    """The gateway's own endpoints."""

    prefix: str = _setting(
        "/_gateway",
        "Prefix of the gateway's own endpoints; no mount may shadow it.",
        'segments without a trailing slash: "/_gateway"',
        pattern=r"^(/[A-Za-z0-9._~-]+)+$",
    )
    token: SecretStr = _setting(
        SecretStr(""),
        "Secret that opens the admin endpoints. Required in production.",
        "at least 16 characters, from the environment only",
    )


class SessionSettings(Section):
    """One login for both stacks: Flask's session cookie, shared with the ASGI services."""

    shared: bool = _setting(
        True, "Give ASGI services Flask's session as `request.session`.", "true or false"
    )
    mount: str = _setting(
        "",
        "Flask mount whose session settings (keys, cookie, lifetime) are shared. Empty: the first "
        "Flask mount that has a secret key.",
        "the name of a Flask mount, or nothing",
    )
    secret_key: SecretStr = _setting(
        SecretStr(""),
        "Signs the shared session instead of a Flask mount's own key.",
        "at least 16 characters, from the environment only",
    )
    secret_key_fallbacks: tuple[SecretStr, ...] = _setting(
        (),
        "Earlier keys whose sessions stay valid (key rotation).",
        "a JSON list of texts, from the environment only",
    )
    cookie_name: str = _setting(
        "session",
        "Cookie of the shared session where `secret_key` is set. A Flask mount brings its own.",
        "a cookie name",
        pattern=r"^[A-Za-z0-9_.-]+$",
    )


class TelemetrySettings(Section):
    """What is told of every request."""

    metrics: bool = _setting(True, "Prometheus metrics at `/_gateway/metrics`.", "true or false")
    traces: bool = _setting(
        False,
        "OpenTelemetry traces, sent where the `OTEL_*` variables say; needs the extra `otel`.",
        "true or false",
    )
    remembered_requests: int = _setting(
        10_000,
        "How many of the last requests each worker keeps in memory, for the portal; 0 for none.",
        "an integer from 0 to 1000000",
        ge=0,
        le=1_000_000,
    )
    remembered_lines: int = _setting(
        10_000,
        "How many of the last log lines of requests it keeps beside them; 0 for none.",
        "an integer from 0 to 1000000",
        ge=0,
        le=1_000_000,
    )


_RATE = r"^(off|)$|^ *[1-9][0-9]* *(/|per) *([1-9][0-9]* *)?(second|minute|hour|day)s? *$"
_RATE_ACCEPTS = '"100/minute", "10 per second", "1000/2 hours", "off"'


class EdgeSettings(Section):
    """What every request passes before routing."""

    trusted_proxies: tuple[str, ...] = _setting(
        (),
        "Who may say, by `X-Forwarded-*` or `Forwarded`, whom a request is for and from.",
        'a list of networks, ["10.0.0.0/8"]; "unix" for the Unix socket, "*" for everyone',
    )
    proxy_headers: tuple[Literal["for", "proto", "host", "prefix"], ...] = _setting(
        ("for", "proto", "host", "prefix"),
        "Which of `X-Forwarded-For`, `-Proto`, `-Host` and `-Prefix` trusted proxies are believed.",
        'a list of "for", "proto", "host", "prefix"',
    )
    allowed_hosts: tuple[str, ...] = _setting(
        (),
        "Hosts that are served, probes aside; others get 421. Empty: all.",
        'a list of host names, ["example.com", "*.example.com"]',
    )
    underscores: Literal["drop", "refuse"] = _setting(
        "drop",
        "What becomes of header names with an underscore, which WSGI cannot tell from a hyphen.",
        '"drop" or "refuse"',
    )
    concurrency: int = _setting(
        0,
        "Requests of one process at the same time; 503 above. 0 for no limit.",
        "an integer from 0 to 1000000",
        ge=0,
        le=1_000_000,
    )
    rate_limit: str = _setting(
        "off",
        "How often one client may ask, all mounts together; 429 above.",
        _RATE_ACCEPTS,
        pattern=_RATE,
    )
    rate_limit_key: str = _setting(
        "client",
        "Who counts as one: an address, a header's value, or a value of the shared session.",
        '"client", "header:X-API-Key", "session:user_id"',
        pattern=r"^(client|header:[A-Za-z0-9-]+|session:[A-Za-z0-9_]+)$",
    )
    rate_limit_store: SecretStr = _setting(
        SecretStr("memory://"),
        "Where it is counted: in each process, or in Redis for all.",
        '"memory://", "redis://host:6379/0", "rediss://..."',
    )
    rate_limit_fail_open: bool = _setting(
        True, "Whether requests pass while the store is gone; else 503.", "true or false"
    )
    security_headers: dict[str, str] = _setting(
        {},
        "Response headers besides `X-Content-Type-Options: nosniff` and `Referrer-Policy: "
        "strict-origin-when-cross-origin`, where a service does not set them; an empty value "
        "leaves one out.",
        'a table of names and values: { X-Frame-Options = "DENY" }',
    )
    trusted_origins: tuple[str, ...] = _setting(
        (),
        "Other origins whose pages may write to the services (cross-site request forgery).",
        'a list of origins: ["https://app.example.com"]',
    )
    cors_origins: tuple[str, ...] = _setting(
        (),
        "Other origins whose pages may read and write (CORS). Empty: none, or what a service says "
        "itself.",
        'a list of origins: ["https://app.example.com"]',
    )
    cors_headers: tuple[str, ...] = _setting(
        (), "Request headers that those pages may send.", 'a list of names: ["Authorization"]'
    )
    cors_credentials: bool = _setting(
        False, "Whether those pages may send cookies.", "true or false"
    )
    compression: bool = _setting(
        False,
        "Compress answers of text with zstd, brotli or gzip, but for streams of events. A service "
        "that streams text is sent on in larger pieces.",
        "true or false",
    )


class MountSettings(Section):
    """One service and the prefix that it answers under."""

    name: str = _setting(
        ...,
        "Name of the mount, in logs and reports.",
        'letters, digits, - and _; each name once; not "gateway", which is the gateway itself',
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
    )
    prefix: str = _setting(
        ...,
        "Path prefix of whole segments; the longest one wins.",
        '"/", or segments without a trailing slash: "/flask", "/api/v1"; each prefix once per host',
        # Unreserved characters of RFC 3986 only: a prefix that needs escaping would have to be
        # compared in two spellings.
        pattern=r"^(/|(/[A-Za-z0-9._~-]+)+)$",
    )
    app: str = _setting(
        ...,
        "Import string of the service.",
        '"module:attribute", such as "shop.web:create_app"',
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$",
    )
    factory: bool = _setting(False, "Call the attribute to get the service.", "true or false")
    host: str = _setting(
        "",
        "Answer for this host only.",
        '"api.example.com", "*.example.com", or nothing; lower case, without a port',
        pattern=r"^$|^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$|^\[[0-9a-f:.]+\]$",
    )
    interface: Literal["auto", "asgi", "wsgi"] = _setting(
        "auto",
        "Interface of the service; `auto` tells it from the object.",
        '"auto", "asgi" or "wsgi"',
    )
    adapter: Literal["bridge", "a2wsgi"] = _setting(
        "bridge", "WSGI only: what carries requests to the service.", '"bridge" or "a2wsgi"'
    )
    threads: int = _setting(
        10,
        "WSGI only: threads of this mount's own pool.",
        "an integer from 1 to 1000",
        ge=1,
        le=1000,
    )
    queue: int = _setting(
        100,
        "Bridge only: requests that may wait for a thread; the next one gets 503.",
        "an integer from 0 to 100000",
        ge=0,
        le=100_000,
    )
    request_buffering: Literal["spool", "stream"] = _setting(
        "spool",
        "Bridge only: `spool` receives a whole body before it takes a thread; `stream` lets the "
        "service read while it arrives.",
        '"spool" or "stream"',
    )
    spool_memory_bytes: int = _setting(
        1024 * 1024,
        "Bridge only: as much of a spooled body is kept in memory, the rest in a temporary file.",
        "an integer, 0 or more",
        ge=0,
    )
    max_body_bytes: int = _setting(
        1024 * 1024 * 1024,
        "A larger body gets 413. 0 for no limit.",
        "an integer, 0 or more",
        ge=0,
    )
    body_idle_seconds: float = _seconds(30.0, "How long an upload may stall before 408.")
    body_timeout_seconds: float = _seconds(600.0, "How long an upload may take before 408.")
    response_timeout_seconds: float = _seconds(
        60.0,
        "How long until an answer begins, waiting for a thread included, before 504. 0 for no "
        "limit.",
        or_zero=True,
    )
    write_timeout_seconds: float = _seconds(
        60.0,
        "Bridge only: how long a client may take nothing of its answer before it is given up.",
    )
    stream_idle_seconds: float = _seconds(
        0.0,
        "How long an answer that has begun may stand still before it is broken off. 0 for no "
        "limit.",
        or_zero=True,
    )
    rate_limit: str = _setting(
        "",
        "A limit of this mount's own in place of `edge.rate_limit`.",
        f"{_RATE_ACCEPTS}, or nothing for the edge's",
        pattern=_RATE,
    )
    security_headers: dict[str, str] = _setting(
        {}, "Headers over `edge.security_headers`.", 'a table: { X-Frame-Options = "SAMEORIGIN" }'
    )
    cors_origins: tuple[str, ...] | None = _setting(
        None, "Origins in place of `edge.cors_origins`.", "a list of origins"
    )
    compression: bool | None = _setting(None, "In place of `edge.compression`.", "true or false")

    @field_validator("name")
    @classmethod
    def _is_not_the_gateway(cls, name: str) -> str:
        """Rate limits and metrics tell the gateway's own requests by this name."""
        if name == "gateway":
            raise ValueError("the gateway's own name")
        return name


class Settings(BaseSettings):
    """All settings, frozen. Only `gateway.config.read` looks at the file and the environment."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="GATEWAY_",
        env_nested_delimiter="__",
    )

    environment: Literal["development", "production"] = _setting(
        "development",
        "`production` refuses development secrets and shows developers' aids to nobody.",
        '"development" or "production"',
    )
    server: ServerSettings = _setting(ServerSettings(), "Where and how to listen.", "a table")
    admin: AdminSettings = _setting(AdminSettings(), "The gateway's own endpoints.", "a table")
    session: SessionSettings = _setting(SessionSettings(), "One login.", "a table")
    edge: EdgeSettings = _setting(EdgeSettings(), "What every request passes first.", "a table")
    telemetry: TelemetrySettings = _setting(
        TelemetrySettings(), "What is told of every request.", "a table"
    )
    mounts: tuple[MountSettings, ...] = _setting(
        (), "The services.", "at least one [[mounts]] table with name, prefix and app"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what `read` merged and nothing else: it knows where each value came from."""
        return (init_settings,)


def model_at(location: tuple[str | int, ...]) -> type[BaseModel] | None:
    """The table at a location of the file (`()`, `("server",)`, `("mounts", 0)`), if it is one."""
    match location:
        case ():
            return Settings
        case ("mounts", int()):
            return MountSettings
        case (str() as name,) if name in Settings.model_fields:
            annotation = Settings.model_fields[name].annotation
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                return annotation
    return None


def accepts(location: tuple[str | int, ...]) -> str | None:
    """What the setting at a location of the file accepts, in words."""
    while location:
        model = model_at(location[:-1])
        if model is not None and (info := model.model_fields.get(str(location[-1]))):
            extra = info.json_schema_extra
            return str(extra["accepts"]) if isinstance(extra, dict) else None
        location = location[:-1]
    return None


def all_settings() -> Iterator[tuple[str, str, Any]]:
    """Every setting as (key, purpose, default); a mount's keys begin with `mounts.`."""
    for name, info in Settings.model_fields.items():
        model = MountSettings if name == "mounts" else model_at((name,))
        if model is None:
            yield name, info.description or "", info.default
            continue
        for key, setting in model.model_fields.items():
            default = "(required)" if setting.is_required() else setting.default
            yield f"{name}.{key}", setting.description or "", default
