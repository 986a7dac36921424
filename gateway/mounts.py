"""Prefix lookup, and the scope that a service sees under its prefix."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.edge.hosts import host_name
from gateway.edge.hygiene import hides_slash
from gateway.exchange import note_mount
from gateway.problems import Refusal, refuse

# What an outer Starlette leaves in the scope for the applications below it. A service must not see
# it: `request.url_for` would look into the gateway's routes instead of the service's own.
_OF_THE_ROOT = frozenset({"app", "app_root_path", "endpoint", "path_params", "route", "router"})


@dataclass(frozen=True, eq=False)
class Mount:
    """A prefix and what answers under it.

    Attributes:
        prefix: Whole segments, `/flask`; empty for the root.
        app: The service, as ASGI.
        host: The only host it answers for: `api.example.com`, `*.example.com`, or empty for any.
        name: For reports.
        stack: What the service is made with, for reports.
        state: What the service's lifespan has put into its state.
        path_may_be_empty: Whether the service takes an empty path for `prefix` without its slash,
            as PEP 3333 says of PATH_INFO. Others are given the slash.
    """

    prefix: str
    app: ASGIApp
    host: str = ""
    name: str = ""
    stack: str = ""
    state: Mapping[str, Any] = field(default_factory=dict)
    path_may_be_empty: bool = False

    @functools.cached_property
    def depth(self) -> int:
        """How many segments the prefix has."""
        return self.prefix.rstrip("/").count("/")


class HiddenSlash(Refusal):
    """The path can be read in two ways where it decides which mount answers."""

    status = HTTPStatus.BAD_REQUEST
    detail = "The path has an encoded slash where it decides which service answers."


class MountTable(BaseRoute):
    """Finds the mount of a request in time that does not grow with the number of mounts.

    A path is cut at its first slashes, as many as the deepest prefix has, and each cut is looked up
    from the longest to the shortest. Mounts for the request's own host come first, then those for
    a wildcard (the longest first), then those for any host.

    Args:
        mounts: At most one for a host and prefix.
        otherwise: Answers what no mount does.
    """

    def __init__(self, mounts: Iterable[Mount], otherwise: ASGIApp) -> None:
        self._otherwise = otherwise
        self._hosts: dict[str, dict[str, Mount]] = {}
        for mount in mounts:
            prefix = mount.prefix.rstrip("/")
            self._hosts.setdefault(mount.host.lower(), {})[prefix] = mount
        self._any_host = self._hosts.pop("", {})
        everywhere = [self._any_host, *self._hosts.values()]
        self._depth = max((p.count("/") for table in everywhere for p in table), default=0)

    def find(self, path: str, host: str = "") -> Mount | None:
        """The mount of a path.

        Args:
            path: Decoded, from its first slash.
            host: The Host header's value, with or without a port.
        """
        # Longer than the deepest prefix, a path says nothing more.
        end = 0
        for _ in range(self._depth):
            end = path.find("/", end + 1)
            if end < 0:
                break
        else:
            path = path[:end]
        if self._hosts:
            for name in _host_names(host):
                if (table := self._hosts.get(name)) and (mount := _longest(table, path)):
                    return mount
        return _longest(self._any_host, path)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Everything: there is one lookup, and it is in the call."""
        return Match.FULL, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As a route of Starlette's."""
        await self(scope, receive, send)

    def __call__(  # type: ignore[override]
        self, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        """Hand the request to its mount, or to `otherwise`."""
        host = Headers(scope=scope).get("host", "") if self._hosts else ""
        # Where the server itself is mounted somewhere, its root path comes first.
        root_path = scope.get("root_path", "")
        path = scope["path"].removeprefix(root_path) if root_path else scope["path"]
        mount = self.find(path, host)
        if mount is None:
            return self._otherwise(scope, receive, send)
        raw_path = scope.get("raw_path") or b""
        if b"%" in raw_path and hides_slash(raw_path, root_path.count("/") + mount.depth):
            return refuse(HiddenSlash(), scope, receive, send)
        scope = child_scope(scope, mount)
        note_mount(scope, mount.name, mount.stack)
        return mount.app(scope, receive, send)


def child_scope(scope: Scope, mount: Mount) -> Scope:
    """The scope as a service sees it that is served alone, at `root_path` (ASGI, HTTP scope).

    The same scope, changed, as Starlette's own `Mount` does it; a copy where it belongs to an outer
    framework.
    """
    if not scope.keys().isdisjoint(_OF_THE_ROOT):
        scope = {key: value for key, value in scope.items() if key not in _OF_THE_ROOT}
    root_path = scope["root_path"] = scope.get("root_path", "") + mount.prefix.rstrip("/")
    scope["state"] = dict(mount.state)
    if scope["path"] == root_path and not mount.path_may_be_empty:
        # `/fastapi` is answered like `/fastapi/`, without sending the client around once more.
        scope["path"] = f"{root_path}/"
        if raw_path := scope.get("raw_path"):
            scope["raw_path"] = raw_path + b"/"
    return scope


def _longest(table: Mapping[str, Mount], path: str) -> Mount | None:
    """The mount of the longest beginning of a path, in whole segments, that has one."""
    mount = table.get(path)
    while mount is None and path:
        path = path[: max(path.rfind("/"), 0)]
        mount = table.get(path)
    return mount


def _host_names(host: str) -> Iterator[str]:
    """The names that a host answers to: itself, then each wildcard over it, longest first."""
    name = host_name(host)
    yield name
    while "." in name and not name.startswith("["):
        name = name.partition(".")[2]
        yield f"*.{name}"
