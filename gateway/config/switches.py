"""Settings of switches, and of the services behind them, that cannot stand together."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from gateway.config.raw import Location, list_of, text_of, value_at

_OF_A_SWITCH = frozenset({"name", "prefix", "host", "switch", "rules"})
_ADDRESS = re.compile(r"https?://[^/\s?#@]+(/[^\s?#]*)?")
_KEY = re.compile(r"session:[A-Za-z0-9_]+|header:[A-Za-z0-9-]+")
# A database's scheme, and the package that its driver is in.
_DATABASES = {
    "sqlite": "sqlite3",
    "postgres": "psycopg",
    "postgresql": "psycopg",
    "postgresql+psycopg": "psycopg",
}

_Found = tuple[Location, str, str]


def switch_contradictions(merged: Mapping[str, Any]) -> Iterator[_Found]:
    """As (location, found, accepted); an empty `accepted` means what the setting accepts anyway."""
    mounts = list_of(merged.get("mounts"))
    switches = [mount for mount in mounts if isinstance(value_at(mount, ("switch",)), Mapping)]
    named = {
        text_of(value_at(switch, ("switch", side)))
        for switch in switches
        for side in ("legacy", "candidate")
    }
    services = {
        text_of(value_at(mount, ("name",))) for mount in mounts if value_at(mount, ("app",))
    }
    for index, mount in enumerate(mounts):
        if not isinstance(mount, Mapping):
            continue
        if mount in switches:
            yield from _of_switch(index, mount, services)
        else:
            yield from _of_service(index, mount, named)
    yield from _of_all(value_at(merged, ("switch",)) or {})


def is_address(side: str) -> bool:
    """Whether one side of a switch is an address, and no mount."""
    return _ADDRESS.fullmatch(side) is not None


def _of_switch(index: int, mount: Mapping[str, Any], services: set[str]) -> Iterator[_Found]:
    at: Location = ("mounts", index)
    if not text_of(mount.get("prefix")):
        yield (*at, "prefix"), "nothing", ""
    for key in mount.keys() - _OF_A_SWITCH:
        accepted = "app or switch, one of them" if key == "app" else "this on a service's own mount"
        yield (*at, key), "set on a switch", accepted
    legacy, candidate = (text_of(value_at(mount, ("switch", k))) for k in ("legacy", "candidate"))
    if legacy and legacy not in services:
        yield (*at, "switch", "legacy"), f'"{legacy}", not a mount with an app', _names(services)
    if candidate and candidate not in services and not is_address(candidate):
        found = f'"{candidate}", neither a mount with an app nor an address'
        yield (*at, "switch", "candidate"), found, f'{_names(services)}, or "http://host:port"'
    if legacy and legacy == candidate:
        yield (*at, "switch", "candidate"), f'"{candidate}", on both sides', "another mount"


def _of_service(index: int, mount: Mapping[str, Any], named: set[str]) -> Iterator[_Found]:
    at: Location = ("mounts", index)
    if not mount.get("app") and mount.get("switch") is None:
        yield (*at, "app"), "nothing", ""
    if mount.get("rules"):
        yield (*at, "rules"), "rules, without a switch", "switch = { legacy = …, candidate = … }"
    if text_of(mount.get("prefix")):
        return
    if text_of(mount.get("name")) not in named:
        yield (*at, "prefix"), "nothing", ""
    elif mount.get("host"):
        accepted = "the host on the switch, or a prefix here"
        yield (*at, "host"), "a host without a prefix", accepted


def _of_all(switch: Mapping[str, Any]) -> Iterator[_Found]:
    for key in list_of(value_at(switch, ("keys",))):
        if not _KEY.fullmatch(text_of(key)):
            yield ("switch", "keys"), f'"{key}"', ""
    url = value_at(switch, ("database",))
    if url is not None and (found := _why_no_database(text_of(url))):
        yield ("switch", "database"), found, ""


def _why_no_database(url: str) -> str:
    """What is wrong with an address, which may hold a password; empty where nothing is."""
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        scheme = ""
    if scheme not in _DATABASES:
        return "an address of another kind (hidden)"
    if importlib.util.find_spec(_DATABASES[scheme]) is None:
        return "PostgreSQL, without its driver: install flask-fastapi-gateway[postgres]"
    return ""


def _names(services: Sequence[str] | set[str]) -> str:
    return ", ".join(f'"{name}"' for name in sorted(services) if name) or "a mount"
