"""Reads the settings and collects every fault, each with the source that it came from."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource

from gateway.config.contradictions import contradictions
from gateway.config.faults import ConfigurationError, Fault
from gateway.config.mounts import MountSettings
from gateway.config.origins import Origin, locations
from gateway.config.raw import Location, list_of, text_of, value_at
from gateway.config.settings import Settings, accepts, field_at, model_at

_PREFIX = "GATEWAY_"
_DEFAULT_FILES = ("gateway.toml", "config/gateway.toml")
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
        for location, found, needed in contradictions(merged)
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
            if value_at(self.in_file, location):
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
    field = field_at(model, str(location[-1])) if model else None
    if field is None or not isinstance(value, str) or field.annotation not in {bool, int, float}:
        return value
    try:
        return TypeAdapter(field.annotation).validate_python(value)
    except ValidationError:
        return value


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
    for mount in list_of(merged.get("mounts")):
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
        name = text_of(value_at(in_file, (*location[:2], "name"))) or f"number {location[1] + 1}"
        name = f'"{name}"' if not name.startswith("number ") else name
        match location[2:]:
            case ("rules", int(number), *keys):
                path = text_of(value_at(in_file, (*location[:4], "path"))) or f"{number + 1}"
                return " ".join(["[[mounts]]", name, "rule", path, *map(str, keys[:2])])
            case (*keys,):
                return " ".join(["[[mounts]]", name, ".".join(map(str, keys[:2]))])
    return ".".join(str(part) for part in location[:2])


def _show(location: Location, value: Any) -> str:
    # Also where a whole table stands in the place of one that has a secret.
    hidden = (*_SECRETS, ("edge", "rate_limit_store"), ("switch", "database"))
    secret = any(location[:2] == at[: len(location[:2])] for at in hidden)
    if secret or isinstance(value, SecretStr):
        return "(hidden)"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value)


def _holds(values: Mapping[str, Any], location: Location) -> bool:
    return value_at(values, location) is not None


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(below, value) if both else value  # type: ignore[arg-type]
    return merged
