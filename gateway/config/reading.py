"""Reads the settings and collects every fault, each with the source that it came from."""

from __future__ import annotations

import difflib
import importlib.util
import ipaddress
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource

from gateway.config.faults import ConfigurationError, Fault
from gateway.config.origins import Origin, locations
from gateway.config.settings import MountSettings, ServerSettings, Settings, accepts, model_at

_PREFIX = "GATEWAY_"
_DEFAULT_FILES = ("gateway.toml", "config/gateway.toml")
# As browsers write it (RFC 6454, section 6.1); what they never write could never match.
_ORIGIN = re.compile(
    r"https?://([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
)
_HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")
_FIELD_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^`|~-]+")
# RFC 9110, section 5.5, less what no server sends.
_FIELD_VALUE = re.compile(r"([\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
# What Kubernetes sets in every container for a Service that is called "gateway".
_KUBERNETES = re.compile(r"GATEWAY_(PORT(_.*)?|SERVICE_.*)")
_SHORTEST_SECRET = 16
SECRET_ACCEPTED = f"at least {_SHORTEST_SECRET} characters, not a word for development"
_SECRETS = (
    ("admin", "token"),
    ("server", "tls_key_password"),
    ("session", "secret_key"),
    ("session", "secret_key_fallbacks"),
)

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Configuration:
    """What was read. The settings can be used only where there are no faults.

    Attributes:
        file: The file that was read.
        settings: The settings, or None where something is wrong with them.
        mounts: The mounts that are sound by themselves, also where other settings are not, so that
            the faults of their services can be reported in the same run.
        faults: Everything that is wrong.
        origins: Where each setting comes from that is not a default, by its location:
            `("server", "port")`, `("mounts", 0, "prefix")`.
    """

    file: Path
    settings: Settings | None
    mounts: tuple[MountSettings, ...] = ()
    faults: tuple[Fault, ...] = ()
    origins: Mapping[Location, Origin] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        """The folder that services are imported from and relative paths start at.

        The nearest folder, from the file's own upwards, that looks like the root of a project;
        else the file's own, or the one above where its own is called `config`.
        """
        folder = self.file.resolve().parent
        for candidate in (folder, *folder.parents):
            if any((candidate / mark).exists() for mark in ("pyproject.toml", "setup.py", ".git")):
                return candidate
        return folder.parent if folder.name == "config" else folder

    def mount_fault(
        self, mount: MountSettings, key: str, found: str, accepted: str | None = None
    ) -> Fault:
        """A fault in one mount's setting `key`, found when its service was loaded."""
        needed = accepted or accepts(("mounts", 0, key)) or ""
        return Fault(str(self.file), f'[[mounts]] "{mount.name}" {key}', found, needed)

    @property
    def in_production(self) -> bool:
        """Whether development secrets and aids have no place."""
        return self.settings is not None and self.settings.environment == "production"

    def checked(self) -> Settings:
        """The settings.

        Raises:
            ConfigurationError: Something is wrong with them.
        """
        if self.settings is None or self.faults:
            raise ConfigurationError(self.faults)
        return self.settings


def find_file(given: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """The configuration file: `--config`, else GATEWAY_CONFIG, else the default that exists.

    Raises:
        ConfigurationError: There is none.
    """
    named = given or environ.get("GATEWAY_CONFIG")
    for name in [named] if named else _DEFAULT_FILES:
        if Path(name).is_file():
            return Path(name)
    from_environment = named is not None and not given
    raise ConfigurationError(
        [
            Fault(
                "environment" if from_environment else "command line",
                "GATEWAY_CONFIG" if from_environment else "--config",
                f"no file {named or ' and no file '.join(_DEFAULT_FILES)}",
                "the path of a TOML file with a [[mounts]] table (name, prefix, app)",
            )
        ]
    )


def read(
    file: Path,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Configuration:
    """Read and validate all settings.

    Args:
        file: The TOML file.
        overrides: What the command line says: `{"server": {"port": 9000}}`.
        environ: The environment.

    Returns:
        The configuration, with every fault found. Never raises for a faulty one.
    """
    try:
        in_file = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        fault = Fault(str(file), "the file", str(error), "TOML 1.0 in UTF-8, readable by this user")
        return Configuration(file, None, faults=(fault,))

    sources = _Sources(file, in_file, *_from_environment(environ), overrides or {})
    merged = sources.merged()
    faults = [*sources.unknown_names(environ), *sources.secrets_in_file()]
    settings = None
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        faults += [sources.fault(details) for details in error.errors()]
    faults += [
        Fault(*sources.origin(location), found, needed or accepts(location) or "")
        for location, found, needed in _contradictions(merged)
    ]
    if settings is not None:
        faults += [
            Fault(*sources.origin(location), found, accepts(location) or "")
            for location, found in _unfit_for_production(settings)
        ]
    return Configuration(
        file, settings, tuple(_sound_mounts(merged)), tuple(faults), sources.origins(merged)
    )


@dataclass(frozen=True)
class _Sources:
    """The values of each source, and which of them gave a value."""

    file: Path
    in_file: Mapping[str, Any]
    in_environment: Mapping[str, Any]
    spelled: Mapping[Location, str]
    on_command_line: Mapping[str, Any]

    def merged(self) -> dict[str, Any]:
        return _merge(_merge(self.in_file, self.in_environment), self.on_command_line)

    def origin(self, location: Location) -> tuple[str, str]:
        """Which source gave the value at a location, and how it spells the key."""
        if _holds(self.on_command_line, location):
            return "command line", f"--{location[-1]}".replace("_", "-")
        if _holds(self.in_environment, location):
            name = _PREFIX + "__".join(str(part) for part in location).upper()
            return "environment", self.spelled.get(location, name)
        return str(self.file), _spell(location, self.in_file)

    def origins(self, merged: Mapping[str, Any]) -> dict[Location, Origin]:
        """Where each of the merged values comes from."""
        found: dict[Location, Origin] = {}
        for location in locations(merged):
            source, key = self.origin(location)
            match source:
                case "command line" | "environment":
                    found[location] = Origin(source, key)
                case _:
                    found[location] = Origin("file", source)
        return found

    def fault(self, details: ErrorDetails) -> Fault:
        location = details["loc"]
        source, key = self.origin(location)
        if details["type"] == "extra_forbidden":
            return Fault(source, key, "an unknown key", _known_keys(location))
        found = "nothing" if details["type"] == "missing" else _show(location, details["input"])
        return Fault(source, key, found, accepts(location) or details["msg"])

    def unknown_names(self, environ: Mapping[str, str]) -> Iterator[Fault]:
        """Variables of ours that name no setting, but for those that Kubernetes makes."""
        for name in sorted(environ):
            section = name.removeprefix(_PREFIX).partition("__")[0].lower()
            foreign = not name.startswith(_PREFIX) or _KUBERNETES.fullmatch(name)
            if foreign or name == "GATEWAY_CONFIG" or section in Settings.model_fields:
                continue
            yield Fault("environment", name, "an unknown key", _known_keys((section,)))

    def secrets_in_file(self) -> Iterator[Fault]:
        for location in _SECRETS:
            if _at(self.in_file, location):
                name = _PREFIX + "__".join(location).upper()
                found = "a secret in a file"
                yield Fault(str(self.file), ".".join(location), found, f"{name} in the environment")


class _Environment(EnvSettingsSource):
    """pydantic-settings' own source, over a given environment."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._environ.items()}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Leave text that is not JSON to validation, which refuses it with a fault."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def _from_environment(
    environ: Mapping[str, str],
) -> tuple[dict[str, Any], dict[Location, str]]:
    """Values of the environment, and the names of those that are not spelled by the rule."""
    values = _converted(dict(_Environment(environ)()), ())
    if environ.get("PORT") and not _holds(values, ("server", "port")):
        port = _converted(environ["PORT"], ("server", "port"))
        return _merge(values, {"server": {"port": port}}), {("server", "port"): "PORT"}
    return values, {}


def _converted(value: Any, location: Location) -> Any:
    """The environment's text as what its setting takes; text that is none of that stays text."""
    if isinstance(value, Mapping):
        return {key: _converted(inner, (*location, key)) for key, inner in value.items()}
    model = model_at(location[:-1]) if location else None
    field = model.model_fields.get(str(location[-1])) if model else None
    if field is None or not isinstance(value, str) or field.annotation not in {bool, int, float}:
        return value
    try:
        return TypeAdapter(field.annotation).validate_python(value)
    except ValidationError:
        return value


def _contradictions(merged: Mapping[str, Any]) -> Iterator[tuple[Location, str, str]]:
    """Settings that are each sound and cannot stand together, as (location, found, accepted).

    Looks at the raw values, so that these are found also where other settings are faulty. An empty
    `accepted` means what the setting accepts anyway.
    """
    admin = _text(_at(merged, ("admin", "prefix"))) or "/_gateway"
    if _has_dots(admin):
        yield ("admin", "prefix"), f'"{admin}", with a dot segment', ""
    yield from _mount_contradictions(merged, admin)
    yield from _server_contradictions(_at(merged, ("server",)) or {})
    yield from _edge_contradictions(_at(merged, ("edge",)) or {})
    chosen = _text(_at(merged, ("session", "mount")))
    if chosen and chosen not in [_at(mount, ("name",)) for mount in _list(merged.get("mounts"))]:
        yield ("session", "mount"), f'"{chosen}", not a mount', ""


def _server_contradictions(server: Mapping[str, Any]) -> Iterator[tuple[Location, str, str]]:
    if bool(_at(server, ("tls_certificate",))) != bool(_at(server, ("tls_key",))):
        missing = "tls_key" if _at(server, ("tls_certificate",)) else "tls_certificate"
        yield ("server", missing), "nothing", "tls_certificate and tls_key, both or neither"
    root_path = _text(_at(server, ("root_path",)))
    if _has_dots(root_path):
        yield ("server", "root_path"), f'"{root_path}", with a dot segment', ""
    delay, drain = _number(server, "drain_delay_seconds"), _number(server, "drain_seconds")
    if delay and delay >= drain > 0:
        accepted = f"less than drain_seconds, which is {drain:g}"
        yield ("server", "drain_delay_seconds"), f"{delay:g}", accepted


def _edge_contradictions(edge: Mapping[str, Any]) -> Iterator[tuple[Location, str, str]]:
    for key, is_sound in (
        ("trusted_proxies", _is_proxy),
        ("allowed_hosts", _is_host),
        ("trusted_origins", _is_origin),
        ("cors_origins", _is_origin_or_all),
    ):
        for entry in _list(_at(edge, (key,))):
            if not is_sound(_text(entry)):
                yield ("edge", key), f'"{entry}"', ""
    yield from _header_contradictions(("edge", "security_headers"), edge)
    store = _at(edge, ("rate_limit_store",))
    if store is not None and (found := _why_no_store(_text(store))):
        yield ("edge", "rate_limit_store"), found, ""


def _header_contradictions(
    location: Location, table: Mapping[str, Any]
) -> Iterator[tuple[Location, str, str]]:
    headers = _at(table, ("security_headers",))
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        if not _FIELD_NAME.fullmatch(name) or not _FIELD_VALUE.fullmatch(_text(value)):
            yield location, f"{name!r} = {value!r}, which no answer can carry", ""


def _is_proxy(entry: str) -> bool:
    if entry in {"*", "unix"}:
        return True
    try:
        ipaddress.ip_network(entry)
    except ValueError:
        return False
    return True


def _is_host(name: str) -> bool:
    return _HOST.fullmatch(name) is not None


def _is_origin(origin: str) -> bool:
    return _ORIGIN.fullmatch(origin) is not None


def _is_origin_or_all(origin: str) -> bool:
    return origin == "*" or _is_origin(origin)


def _why_no_store(url: str) -> str:
    """What is wrong with a store's address, which may hold a password; empty where nothing is."""
    if url == "memory://":
        return ""
    try:
        parts = urlsplit(url)
        found = parts.scheme in {"redis", "rediss"} and parts.hostname and parts.port != 0
    except ValueError:
        found = None
    if not found:
        return "an address of another kind (hidden)"
    if importlib.util.find_spec("redis") is None:
        return "Redis, without its package: install flask-fastapi-gateway[redis]"
    return ""


def _mount_contradictions(
    merged: Mapping[str, Any], admin: str
) -> Iterator[tuple[Location, str, str]]:
    mounts = _list(merged.get("mounts"))
    if not mounts:
        yield ("mounts",), "no mounts", ""
    served: dict[tuple[str, str], str] = {}
    names: set[str] = set()
    for index, mount in enumerate(mounts):
        name, prefix, host = (_text(_at(mount, (key,))) for key in ("name", "prefix", "host"))
        where: Location = ("mounts", index, "prefix")
        if name and name in names:
            yield ("mounts", index, "name"), f'"{name}", as another mount', ""
        names.add(name)
        for origin in _list(_at(mount, ("cors_origins",))):
            if not _is_origin_or_all(_text(origin)):
                yield ("mounts", index, "cors_origins"), f'"{origin}"', ""
        yield from _header_contradictions(("mounts", index, "security_headers"), mount)
        if not prefix:
            continue
        if _has_dots(prefix):
            yield where, f'"{prefix}", with a dot segment', ""
        if prefix == admin or prefix.startswith(f"{admin}/"):
            yield where, f'"{prefix}", over the admin prefix', f'a prefix outside "{admin}"'
        if (host, prefix) in served:
            yield where, f'"{prefix}", as mount "{served[host, prefix]}"', ""
        served.setdefault((host, prefix), name)


def _unfit_for_production(settings: Settings) -> Iterator[tuple[Location, str]]:
    if settings.environment != "production":
        return
    token = settings.admin.token.get_secret_value()
    if is_development_secret(token):
        yield ("admin", "token"), "a weak secret" if token else "nothing, in production"
    session = settings.session
    for name, keys in (
        ("secret_key", [session.secret_key]),
        ("secret_key_fallbacks", session.secret_key_fallbacks),
    ):
        values = [key.get_secret_value() for key in keys]
        if any(value and is_development_secret(value) for value in values):
            yield ("session", name), "a development secret, in production"


def is_development_secret(key: str | bytes) -> bool:
    """Whether a signing key is fit for development only: short, or saying so itself."""
    text = key.decode("latin-1") if isinstance(key, bytes) else key
    return len(text) < _SHORTEST_SECRET or text.lower().startswith(("dev", "change", "secret"))


def _sound_mounts(merged: Mapping[str, Any]) -> Iterator[MountSettings]:
    for mount in _list(merged.get("mounts")):
        try:
            yield MountSettings.model_validate(mount)
        except ValidationError:
            continue


def _known_keys(location: Location) -> str:
    model = model_at(location[:-1])
    known = list(model.model_fields) if model else []
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    hint = f' (did you mean "{close[0]}"?)' if close else ""
    return ", ".join(known) + hint


def _spell(location: Location, in_file: Mapping[str, Any]) -> str:
    if len(location) > 1 and location[0] == "mounts" and isinstance(location[1], int):
        name = _text(_at(in_file, (*location[:2], "name"))) or f"number {location[1] + 1}"
        name = f'"{name}"' if not name.startswith("number ") else name
        return " ".join(["[[mounts]]", name, *(str(part) for part in location[2:3])])
    return ".".join(str(part) for part in location[:2])


def _show(location: Location, value: Any) -> str:
    # Also where a whole table stands in the place of one that has a secret.
    hidden = (*_SECRETS, ("edge", "rate_limit_store"))
    secret = any(location[:2] == at[: len(location[:2])] for at in hidden)
    if secret or isinstance(value, SecretStr):
        return "(hidden)"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value)


def _has_dots(prefix: str) -> bool:
    return any(segment in {".", ".."} for segment in prefix.split("/"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(server: Mapping[str, Any], key: str) -> float:
    """A number of the server's table, or its default; 0 where it is none."""
    value = _at(server, (key,))
    if value is None:
        value = ServerSettings.model_fields[key].default
    return float(value) if isinstance(value, int | float) else 0.0


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _at(values: Any, location: Location) -> Any:
    for part in location:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _holds(values: Mapping[str, Any], location: Location) -> bool:
    return _at(values, location) is not None


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(below, value) if both else value  # type: ignore[arg-type]
    return merged
