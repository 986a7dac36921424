"""Every setting: its name, its default, what it is for and what it accepts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.config.fields import RATE, RATE_ACCEPTS, Section, seconds, setting
from gateway.config.mounts import (
    CompareSettings,
    JsonRuleSettings,
    MountSettings,
    RuleSettings,
    SwitchSides,
)


class ServerSettings(Section):
    """Where and how the process listens."""

    host: str = setting("127.0.0.1", "Address to listen on.", "a host name or an IP address")
    port: int = setting(
        8000,
        "Port to listen on; 0 takes a free one. `PORT`, as hosting platforms set it, wins over "
        "the file.",
        "an integer from 0 to 65535",
        ge=0,
        le=65535,
    )
    unix_socket: str = setting(
        "", "Path of a Unix socket to listen on instead of host and port.", "a path, or nothing"
    )
    workers: int = setting(1, "Serving processes.", "an integer from 1 to 256", ge=1, le=256)
    tls_certificate: str = setting(
        "", "Certificate chain (PEM); with `tls_key`, the server speaks TLS.", "a path, or nothing"
    )
    tls_key: str = setting("", "Private key (PEM) of the certificate.", "a path, or nothing")
    tls_key_password: SecretStr = setting(
        SecretStr(""), "Password of the private key.", "text, from the environment only"
    )
    startup_seconds: float = seconds(
        60.0,
        "How long a service's lifespan may take to start before the start counts as failed.",
    )
    switch_interval_seconds: float = setting(
        0.0005,
        "While a WSGI service works: how long a computing thread keeps Python's global lock while "
        "others wait for it (`sys.setswitchinterval`; Python's own default is 0.005).",
        "seconds, from 0.00001 to 1",
        ge=0.00001,
        le=1,
    )
    drain_seconds: float = seconds(
        20.0,
        "After SIGTERM: finish what runs, then exit, whatever a thread does.",
    )
    drain_delay_seconds: float = seconds(
        0.0,
        "After SIGTERM: go on serving for so long, while readiness says 503 and the load balancer "
        "finds out. Counts against `drain_seconds`.",
        or_zero=True,
    )
    root_path: str = setting(
        "",
        "Public prefix of the whole gateway, where a proxy serves it under one and does not send "
        "`X-Forwarded-Prefix`.",
        'segments without a trailing slash, such as "/apps", or nothing',
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
    )
    connections: int = setting(
        1000,
        "Connections of one process. Above it, the one that has waited longest without a request "
        "is closed; where none waits, the newest is refused with 503.",
        "an integer from 1 to 1000000",
        ge=1,
        le=1_000_000,
    )
    keep_alive_seconds: float = seconds(5.0, "How long a connection is kept for its next request.")
    header_seconds: float = seconds(
        10.0, "How long a request's head may take, from its first byte, before 408."
    )
    header_fields: int = setting(
        100,
        "Header fields of a request; 431 above.",
        "an integer from 10 to 10000",
        ge=10,
        le=10000,
    )
    header_bytes: int = setting(
        64 * 1024,
        "Bytes of a request's header fields in all; 431 above.",
        "an integer from 1024 to 1048576",
        ge=1024,
        le=1024 * 1024,
    )
    target_bytes: int = setting(
        8 * 1024,
        "Bytes of a request's path and query; 414 above.",
        "an integer from 256 to 65536",
        ge=256,
        le=64 * 1024,
    )
    write_seconds: float = seconds(
        60.0, "How long a client may take nothing of its answer before its connection is closed."
    )
    access_log: bool = setting(True, "Log one line per request.", "true or false")
    log_query_strings: bool = setting(
        False, "Log query strings, too, which may hold secrets.", "true or false"
    )
    log_format: Literal["auto", "json", "text"] = setting(
        "auto", "`auto` is JSON in production and text else.", '"auto", "json" or "text"'
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "Least severe message that is logged.", '"debug", "info", "warning" or "error"'
    )


class AdminSettings(Section):
    """The gateway's own endpoints."""

    prefix: str = setting(
        "/_gateway",
        "Prefix of the gateway's own endpoints; no mount may shadow it.",
        'segments without a trailing slash: "/_gateway"',
        pattern=r"^(/[A-Za-z0-9._~-]+)+$",
    )
    token: SecretStr = setting(
        SecretStr(""),
        "Secret that opens the admin endpoints. Required in production.",
        "at least 16 characters, from the environment only",
    )


class SessionSettings(Section):
    """One login for both stacks: Flask's session cookie, shared with the ASGI services."""

    shared: bool = setting(
        True, "Give ASGI services Flask's session as `request.session`.", "true or false"
    )
    mount: str = setting(
        "",
        "Flask mount whose session settings (keys, cookie, lifetime) are shared. Empty: the first "
        "Flask mount that has a secret key.",
        "the name of a Flask mount, or nothing",
    )
    secret_key: SecretStr = setting(
        SecretStr(""),
        "Signs the shared session instead of a Flask mount's own key.",
        "at least 16 characters, from the environment only",
    )
    secret_key_fallbacks: tuple[SecretStr, ...] = setting(
        (),
        "Earlier keys whose sessions stay valid (key rotation).",
        "a JSON list of texts, from the environment only",
    )
    cookie_name: str = setting(
        "session",
        "Cookie of the shared session where `secret_key` is set. A Flask mount brings its own.",
        "a cookie name",
        pattern=r"^[A-Za-z0-9_.-]+$",
    )


class TelemetrySettings(Section):
    """What is told of every request."""

    metrics: bool = setting(True, "Prometheus metrics at `/_gateway/metrics`.", "true or false")
    traces: bool = setting(
        False,
        "OpenTelemetry traces, sent where the `OTEL_*` variables say; needs the extra `otel`.",
        "true or false",
    )
    remembered_requests: int = setting(
        10_000,
        "How many of the last requests each worker keeps in memory, for the portal; 0 for none.",
        "an integer from 0 to 1000000",
        ge=0,
        le=1_000_000,
    )
    remembered_lines: int = setting(
        10_000,
        "How many of the last log lines of requests it keeps beside them; 0 for none.",
        "an integer from 0 to 1000000",
        ge=0,
        le=1_000_000,
    )


class EdgeSettings(Section):
    """What every request passes before routing."""

    trusted_proxies: tuple[str, ...] = setting(
        (),
        "Who may say, by `X-Forwarded-*` or `Forwarded`, whom a request is for and from.",
        'a list of networks, ["10.0.0.0/8"]; "unix" for the Unix socket, "*" for everyone',
    )
    proxy_headers: tuple[Literal["for", "proto", "host", "prefix"], ...] = setting(
        ("for", "proto", "host", "prefix"),
        "Which of `X-Forwarded-For`, `-Proto`, `-Host` and `-Prefix` trusted proxies are believed.",
        'a list of "for", "proto", "host", "prefix"',
    )
    allowed_hosts: tuple[str, ...] = setting(
        (),
        "Hosts that are served, probes aside; others get 421. Empty: all.",
        'a list of host names, ["example.com", "*.example.com"]',
    )
    underscores: Literal["drop", "refuse"] = setting(
        "drop",
        "What becomes of header names with an underscore, which WSGI cannot tell from a hyphen.",
        '"drop" or "refuse"',
    )
    concurrency: int = setting(
        0,
        "Requests of one process at the same time; 503 above. 0 for no limit.",
        "an integer from 0 to 1000000",
        ge=0,
        le=1_000_000,
    )
    rate_limit: str = setting(
        "off",
        "How often one client may ask, all mounts together; 429 above.",
        RATE_ACCEPTS,
        pattern=RATE,
    )
    rate_limit_key: str = setting(
        "client",
        "Who counts as one: an address, a header's value, or a value of the shared session.",
        '"client", "header:X-API-Key", "session:user_id"',
        pattern=r"^(client|header:[A-Za-z0-9-]+|session:[A-Za-z0-9_]+)$",
    )
    rate_limit_store: SecretStr = setting(
        SecretStr("memory://"),
        "Where it is counted: in each process, or in Redis for all.",
        '"memory://", "redis://host:6379/0", "rediss://..."',
    )
    rate_limit_fail_open: bool = setting(
        True, "Whether requests pass while the store is gone; else 503.", "true or false"
    )
    security_headers: dict[str, str] = setting(
        {},
        "Response headers besides `X-Content-Type-Options: nosniff` and `Referrer-Policy: "
        "strict-origin-when-cross-origin`, where a service does not set them; an empty value "
        "leaves one out.",
        'a table of names and values: { X-Frame-Options = "DENY" }',
    )
    trusted_origins: tuple[str, ...] = setting(
        (),
        "Other origins whose pages may write to the services (cross-site request forgery).",
        'a list of origins: ["https://app.example.com"]',
    )
    cors_origins: tuple[str, ...] = setting(
        (),
        "Other origins whose pages may read and write (CORS). Empty: none, or what a service says "
        "itself.",
        'a list of origins: ["https://app.example.com"]',
    )
    cors_headers: tuple[str, ...] = setting(
        (), "Request headers that those pages may send.", 'a list of names: ["Authorization"]'
    )
    cors_credentials: bool = setting(
        False, "Whether those pages may send cookies.", "true or false"
    )
    compression: bool = setting(
        False,
        "Compress answers of text with zstd, brotli or gzip, but for streams of events. A service "
        "that streams text is sent on in larger pieces.",
        "true or false",
    )


class SwitchSettings(Section):
    """What all switches have in common; a switch is a mount with `switch` and rules."""

    database: SecretStr = setting(
        SecretStr("sqlite:///switch.db"),
        "Where evidence is kept, and modes that are set at run time. Several gateways share one.",
        '"sqlite:///switch.db", a path from the project\'s folder, or '
        '"postgresql+psycopg://user@host/name"',
    )
    enabled: bool = setting(
        True, "False is a kill switch: the legacy services answer everything.", "true or false"
    )
    keys: tuple[str, ...] = setting(
        ("session:_user_id", "session:user_id", "header:X-API-Key"),
        "Mode `canary`: who is one user; the first that a request has. Else a cookie of the "
        "gateway's own tells.",
        'a list of "session:NAME" and "header:NAME"',
    )
    salt: str = setting(
        "", "Mode `canary`: another text makes another share of the users the first.", "any text"
    )
    shadows_per_second: float = setting(
        10.0,
        "Requests that one process shadows; when more come, some of each route.",
        "a number above 0, at most 100000",
        gt=0,
        le=100_000,
        allow_inf_nan=False,
    )
    shadow_seconds: float = seconds(5.0, "How long a shadow may take.")
    shadows: int = setting(
        4, "Shadows of one process at the same time.", "an integer from 1 to 100", ge=1, le=100
    )
    shadow_queue: int = setting(
        64,
        "Shadows that may wait; the next one is dropped and counted.",
        "an integer from 0 to 10000",
        ge=0,
        le=10_000,
    )
    shadow_request_bytes: int = setting(
        256 * 1024,
        "A request with a larger body is not shadowed.",
        "an integer from 0 to 16777216",
        ge=0,
        le=16 * 1024 * 1024,
    )
    shadow_answer_bytes: int = setting(
        1024 * 1024,
        "An answer with a larger body is compared by status and headers only.",
        "an integer from 0 to 67108864",
        ge=0,
        le=64 * 1024 * 1024,
    )
    noise_percent: float = setting(
        1.0,
        "The share of shadowed requests for which the legacy service is asked twice, to learn what "
        "differs by itself.",
        "a number from 0 to 100",
        ge=0,
        le=100,
        allow_inf_nan=False,
    )
    return_requests: int = setting(
        100,
        "Automatic return: not before so many requests to the candidate.",
        "an integer from 1 to 1000000",
        ge=1,
        le=1_000_000,
    )
    return_error_points: float = setting(
        1.0,
        "Automatic return: when the candidate fails by so many percentage points more often than "
        "the legacy service.",
        "a number from 0 to 100",
        ge=0,
        le=100,
        allow_inf_nan=False,
    )
    return_latency_factor: float = setting(
        2.0,
        "Automatic return: when the candidate's p95 is so many times that of the legacy service.",
        "a number from 1 to 1000",
        ge=1,
        le=1000,
        allow_inf_nan=False,
    )


class Settings(BaseSettings):
    """All settings, frozen. Only `gateway.config.read` looks at the file and the environment."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="GATEWAY_",
        env_nested_delimiter="__",
    )

    environment: Literal["development", "production"] = setting(
        "development",
        "`production` refuses development secrets and shows developers' aids to nobody.",
        '"development" or "production"',
    )
    server: ServerSettings = setting(ServerSettings(), "Where and how to listen.", "a table")
    admin: AdminSettings = setting(AdminSettings(), "The gateway's own endpoints.", "a table")
    session: SessionSettings = setting(SessionSettings(), "One login.", "a table")
    edge: EdgeSettings = setting(EdgeSettings(), "What every request passes first.", "a table")
    telemetry: TelemetrySettings = setting(
        TelemetrySettings(), "What is told of every request.", "a table"
    )
    switch: SwitchSettings = setting(SwitchSettings(), "What all switches share.", "a table")
    mounts: tuple[MountSettings, ...] = setting(
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


# A number stands for each place of a list.
_TABLES: dict[tuple[str | int, ...], type[BaseModel]] = {
    (): Settings,
    ("mounts", 0): MountSettings,
    ("mounts", 0, "switch"): SwitchSides,
    ("mounts", 0, "rules", 0): RuleSettings,
    ("mounts", 0, "rules", 0, "compare"): CompareSettings,
    ("mounts", 0, "rules", 0, "compare", "json", 0): JsonRuleSettings,
}


def model_at(location: tuple[str | int, ...]) -> type[BaseModel] | None:
    """The table at a location of the file (`()`, `("server",)`, `("mounts", 0)`), if it is one."""
    if len(location) == 1 and location[0] in Settings.model_fields:
        annotation = Settings.model_fields[str(location[0])].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
    return _TABLES.get(tuple(0 if isinstance(part, int) else part for part in location))


def field_at(model: type[BaseModel], key: str) -> FieldInfo | None:
    """The setting that the file calls so; None where there is none."""
    for name, info in model.model_fields.items():
        if (info.alias or name) == key:
            return info
    return None


def accepts(location: tuple[str | int, ...]) -> str | None:
    """What the setting at a location of the file accepts, in words."""
    while location:
        model = model_at(location[:-1])
        if model is not None and (info := field_at(model, str(location[-1]))):
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
        else:
            yield from _settings_of(model, name)
    for name, model in _TABLES_OF_MOUNTS.items():
        yield from _settings_of(model, name)


_TABLES_OF_MOUNTS: dict[str, type[Section]] = {
    "mounts.switch": SwitchSides,
    "mounts.rules": RuleSettings,
    "mounts.rules.compare": CompareSettings,
    "mounts.rules.compare.json": JsonRuleSettings,
}


def _settings_of(model: type[BaseModel], name: str) -> Iterator[tuple[str, str, Any]]:
    for key, field in model.model_fields.items():
        default = "(required)" if field.is_required() else field.default
        yield f"{name}.{field.alias or key}", field.description or "", default
