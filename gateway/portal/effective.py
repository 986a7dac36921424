"""The effective settings, each with where it comes from, secrets masked (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from pydantic import BaseModel, SecretStr

from gateway.config import Configuration, Origin, all_settings

MASK = "********"
_DEFAULT = Origin("default")
_LISTS_OF_SECRETS = frozenset({"session.secret_key_fallbacks"})


class Finding(Protocol):
    """Something that works and is not what anybody wants; `gateway.checks` has them."""

    @property
    def where(self) -> str:
        """The setting or the mount."""

    @property
    def what(self) -> str:
        """What is wrong with it."""

    @property
    def mend(self) -> str:
        """What to do."""


def configuration(read: Configuration, found: Iterable[Finding]) -> dict[str, Any]:
    """The effective settings, and what is to be said of them.

    Args:
        read: A sound configuration.
        found: What `gateway check` finds.
    """
    return {
        "settings": list(_settings(read)),
        "findings": [{"where": one.where, "what": one.what, "mend": one.mend} for one in found],
    }


def _settings(read: Configuration) -> Iterator[dict[str, Any]]:
    settings = read.checked()
    split = [(*key.rpartition("."), purpose, default) for key, purpose, default in all_settings()]
    for section, dot, name, purpose, default in split:
        if section.partition(".")[0] != "mounts":
            table = getattr(settings, section) if section else settings
            origin = read.origins.get((section, name) if section else (name,), _DEFAULT)
            key = f"{section}{dot}{name}"
            yield _setting(key, purpose, getattr(table, name), default, origin)
    for index, mount in enumerate(settings.mounts):
        for section, _, name, purpose, default in split:
            if section == "mounts":
                origin = read.origins.get(("mounts", index, name), _DEFAULT)
                key = f"mounts.{mount.name}.{name}"
                yield _setting(key, purpose, getattr(mount, name), default, origin)


def _setting(key: str, purpose: str, value: Any, default: Any, origin: Origin) -> dict[str, Any]:
    secret = isinstance(value, SecretStr) or key in _LISTS_OF_SECRETS
    return {
        "key": key,
        "value": _masked(value, default) if secret else _plain(value),
        "origin": origin.kind,
        "source": origin.source,
        "help": purpose,
        "secret": secret,
    }


def _masked(value: Any, default: Any) -> str:
    """Not even how long it is; a default is no secret, as it stands in the documentation."""
    if value == default and isinstance(value, SecretStr):
        return value.get_secret_value()
    return MASK if value else ""


def _plain(value: Any) -> Any:
    """As JSON."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, BaseModel):
        # A table of a mount's: what the file says, and no more.
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return dict(value) if isinstance(value, Mapping) else value
