"""Settings that are each sound and cannot stand together."""

from __future__ import annotations

import importlib.util
import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from gateway.config.raw import Location, list_of, text_of, value_at
from gateway.config.settings import ServerSettings
from gateway.config.switches import switch_contradictions

# As browsers write it (RFC 6454, section 6.1); what they never write could never match.
_ORIGIN = re.compile(
    r"https?://([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
)
_HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")
_FIELD_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^`|~-]+")
# RFC 9110, section 5.5, less what no server sends.
_FIELD_VALUE = re.compile(r"([\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")


def contradictions(merged: Mapping[str, Any]) -> Iterator[tuple[Location, str, str]]:
    """Settings that are each sound and cannot stand together, as (location, found, accepted).

    Looks at the raw values, so that these are found also where other settings are faulty. An empty
    `accepted` means what the setting accepts anyway.
    """
    admin = text_of(value_at(merged, ("admin", "prefix"))) or "/_gateway"
    if _has_dots(admin):
        yield ("admin", "prefix"), f'"{admin}", with a dot segment', ""
    yield from _mount_contradictions(merged, admin)
    yield from _server_contradictions(value_at(merged, ("server",)) or {})
    yield from _edge_contradictions(value_at(merged, ("edge",)) or {})
    yield from switch_contradictions(merged)
    mounts = list_of(merged.get("mounts"))
    chosen = text_of(value_at(merged, ("session", "mount")))
    if chosen and chosen not in [value_at(mount, ("name",)) for mount in mounts]:
        yield ("session", "mount"), f'"{chosen}", not a mount', ""


def _server_contradictions(server: Mapping[str, Any]) -> Iterator[tuple[Location, str, str]]:
    if bool(value_at(server, ("tls_certificate",))) != bool(value_at(server, ("tls_key",))):
        missing = "tls_key" if value_at(server, ("tls_certificate",)) else "tls_certificate"
        yield ("server", missing), "nothing", "tls_certificate and tls_key, both or neither"
    root_path = text_of(value_at(server, ("root_path",)))
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
        for entry in list_of(value_at(edge, (key,))):
            if not is_sound(text_of(entry)):
                yield ("edge", key), f'"{entry}"', ""
    yield from _header_contradictions(("edge", "security_headers"), edge)
    store = value_at(edge, ("rate_limit_store",))
    if store is not None and (found := _why_no_store(text_of(store))):
        yield ("edge", "rate_limit_store"), found, ""


def _header_contradictions(
    location: Location, table: Mapping[str, Any]
) -> Iterator[tuple[Location, str, str]]:
    headers = value_at(table, ("security_headers",))
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        if not _FIELD_NAME.fullmatch(name) or not _FIELD_VALUE.fullmatch(text_of(value)):
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
    mounts = list_of(merged.get("mounts"))
    if not mounts:
        yield ("mounts",), "no mounts", ""
    served: dict[tuple[str, str], str] = {}
    names: set[str] = set()
    for index, mount in enumerate(mounts):
        name, prefix, host = (text_of(value_at(mount, (k,))) for k in ("name", "prefix", "host"))
        where: Location = ("mounts", index, "prefix")
        if name and name in names:
            yield ("mounts", index, "name"), f'"{name}", as another mount', ""
        names.add(name)
        for origin in list_of(value_at(mount, ("cors_origins",))):
            if not _is_origin_or_all(text_of(origin)):
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


def _has_dots(prefix: str) -> bool:
    return any(segment in {".", ".."} for segment in prefix.split("/"))


def _number(server: Mapping[str, Any], key: str) -> float:
    """A number of the server's table, or its default; 0 where it is none."""
    value = value_at(server, (key,))
    if value is None:
        value = ServerSettings.model_fields[key].default
    return float(value) if isinstance(value, int | float) else 0.0
