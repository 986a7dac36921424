"""What `gateway check` finds before a deployment does: sound settings that do not go together."""

from __future__ import annotations

import importlib.util
import resource
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware.sessions import SessionMiddleware

from gateway.config import Settings
from gateway.edge import rate_limit_policy
from gateway.loading import Service
from gateway.mounts import Mount, MountTable
from gateway.problems import NotFound
from gateway.routes import documentation_paths, service_routes
from gateway.sessions import SessionCookie, shared_cookie

_MEMORY = "memory://"
# Besides connections, a process needs descriptors for its files, sockets and databases.
_OTHER_DESCRIPTORS = 64
# Where paths are only looked up, and nobody is answered.
_NOTHING = NotFound("")
_IN_PROCESS_CACHES = ("SimpleCache", "simple", "flask_caching.backends.SimpleCache")


@dataclass(frozen=True)
class Finding:
    """Something that works and is not what anybody wants.

    Attributes:
        where: The setting or the mount.
        what: What is wrong with it.
        mend: What to do.
    """

    where: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}\n    {self.mend}"


def findings(
    settings: Settings, services: Sequence[Service], environ: Mapping[str, str]
) -> list[Finding]:
    """Everything that is worth a word.

    Args:
        settings: Sound settings.
        services: Their services.
        environ: The environment, for the addresses of databases.
    """
    return [
        *_shadowed_routes(services),
        *_doubled_documentation(services),
        *_inner_root_paths(services),
        *_sessions(settings, services),
        *_of_several_processes(settings, services, environ),
        *_edge(settings),
        *_system(settings),
    ]


def _shadowed_routes(services: Sequence[Service]) -> Iterator[Finding]:
    # What only a switch leads to has no prefix to be reached at.
    services = [service for service in services if not service.hidden]
    table = MountTable([_mount(service) for service in services], _NOTHING)
    hosts = {service.name: service.mount.host for service in services}
    for route in service_routes(services):
        host = hosts[route.mount]
        found = table.find(_literal(route.template.removeprefix(host)), host)
        if found is not None and found.name != route.mount:
            yield Finding(
                f'mount "{route.mount}"',
                f"its route {route.template} is never reached: "
                f'the longer prefix of mount "{found.name}" takes it',
                "give one of the two another prefix, or remove the route",
            )


def _doubled_documentation(services: Sequence[Service]) -> Iterator[Finding]:
    seen: dict[tuple[str, str], str] = {}
    for service in services:
        if service.hidden:
            continue  # the switch's rules say which of the two is seen
        for path in documentation_paths(service):
            other = seen.setdefault((service.mount.host, path), service.name)
            if other != service.name:
                yield Finding(
                    f'mount "{service.name}"',
                    f'its documentation is at {path}, as that of mount "{other}"',
                    "give one of the two another prefix or docs_url",
                )


def _inner_root_paths(services: Sequence[Service]) -> Iterator[Finding]:
    for service in services:
        app = service.app
        if isinstance(app, FastAPI) and app.root_path:
            yield Finding(
                f'mount "{service.name}"',
                f"the service sets root_path={app.root_path!r} over the prefix of its mount",
                "leave root_path out: the gateway passes the mount's prefix on",
            )
        if isinstance(app, Flask) and (root := app.config.get("APPLICATION_ROOT")) not in {"/", ""}:
            yield Finding(
                f'mount "{service.name}"',
                f"the service sets APPLICATION_ROOT to {root!r}",
                "leave it out: SCRIPT_NAME is the mount's prefix",
            )


def _sessions(settings: Settings, services: Sequence[Service]) -> Iterator[Finding]:
    apps = {service.name: service.app for service in services}
    shared = shared_cookie(settings.session, apps)
    wsgi = [service for service in services if service.interface == "wsgi"]
    if settings.session.shared and shared is None and wsgi and len(wsgi) < len(services):
        yield Finding(
            "session.shared",
            "no Flask app with a secret key can be seen, so nothing is shared "
            "(middleware such as ProxyFix around the app hides it)",
            "mount the Flask app itself (edge.trusted_proxies does what ProxyFix does), set "
            "GATEWAY_SESSION__SECRET_KEY, or set session.shared = false",
        )
    chosen = settings.session.mount
    if chosen and not isinstance(apps.get(chosen), Flask):
        yield Finding(
            "session.mount", f'"{chosen}" is no Flask app', "name a mount whose app is one"
        )
    cookies: dict[tuple[str, str, str], tuple[str, Any]] = {}
    for service in services:
        for name, path, secret in _cookies_of(service):
            key = (service.mount.host, name, path)
            other, its = cookies.setdefault(key, (service.name, secret))
            if its != secret:
                yield Finding(
                    f'mount "{service.name}"',
                    f'its session cookie "{name}" at {path} is also that of mount "{other}", with '
                    "another key: each overwrites the other's",
                    "share the session (docs/sessions.md), or give one of them another cookie name",
                )


def _cookies_of(service: Service) -> Iterator[tuple[str, str, Any]]:
    """The session cookies of a service: name, path, and what signs them."""
    app = service.app
    if isinstance(app, Flask):
        cookie = SessionCookie.from_flask(app)
        if cookie is not None:
            yield cookie.name, cookie.path, str(app.secret_key)
    elif isinstance(app, Starlette):
        for middleware in app.user_middleware:
            kind: object = middleware.cls
            if kind is SessionMiddleware:
                options = middleware.kwargs
                secret = options.get("secret_key") or next(iter(middleware.args), "")
                name, path = options.get("session_cookie", "session"), options.get("path", "/")
                yield str(name), str(path), ("starlette", str(secret))


def _of_several_processes(
    settings: Settings, services: Sequence[Service], environ: Mapping[str, str]
) -> Iterator[Finding]:
    several = settings.server.workers > 1
    counted = any(rate_limit_policy(settings.edge, mount) for mount in settings.mounts)
    if several and counted and settings.edge.rate_limit_store.get_secret_value() == _MEMORY:
        yield Finding(
            "edge.rate_limit_store",
            f"each of the {settings.server.workers} workers counts for itself",
            "set GATEWAY_EDGE__RATE_LIMIT_STORE=redis://...",
        )
    if several:
        for service in services:
            kind = service.app.config.get("CACHE_TYPE") if isinstance(service.app, Flask) else None
            if kind in _IN_PROCESS_CACHES:
                yield Finding(
                    f'mount "{service.name}"',
                    f"its cache ({kind}) is one for each worker: what one clears, others keep",
                    "use CACHE_TYPE=RedisCache",
                )
    if settings.environment == "production":
        for name, value in sorted(environ.items()):
            if name.endswith("DATABASE_URL") and value.startswith("sqlite"):
                yield Finding(
                    name,
                    "a SQLite file is written by one process at a time, and each replica has its "
                    "own",
                    "use PostgreSQL where there is more than one replica or worker",
                )


def _edge(settings: Settings) -> Iterator[Finding]:
    edge = settings.edge
    if any(entry == "*" or entry.endswith("/0") for entry in edge.trusted_proxies):
        yield Finding(
            "edge.trusted_proxies",
            "everyone may say who they are: client addresses, hosts and schemes are made up",
            "name the networks of your proxies",
        )
    if settings.environment != "production":
        return
    if not edge.allowed_hosts:
        yield Finding(
            "edge.allowed_hosts",
            "every host is served: links in mails and redirects can be made to lead elsewhere",
            "name the hosts that you serve",
        )
    if "*" in edge.cors_origins and edge.cors_credentials:
        yield Finding(
            "edge.cors_origins",
            "every origin may read with the user's cookies",
            "name the origins",
        )


def _system(settings: Settings) -> Iterator[Finding]:
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.server.connections + _OTHER_DESCRIPTORS
    if allowed != resource.RLIM_INFINITY and wanted > allowed:
        yield Finding(
            "server.connections",
            f"{settings.server.connections} connections, and the system allows {allowed} open "
            "files",
            "raise the limit (ulimit -n), or lower server.connections",
        )
    if settings.telemetry.traces and importlib.util.find_spec("opentelemetry.sdk") is None:
        yield Finding(
            "telemetry.traces",
            "the OpenTelemetry SDK is not installed",
            "install the extra: flask-fastapi-gateway[otel]",
        )


def _literal(template: str) -> str:
    """The beginning of a template that is the same in each path, whole segments of it."""
    head = min((i for i in (template.find("<"), template.find("{")) if i >= 0), default=-1)
    return template if head < 0 else template[:head].rpartition("/")[0] + "/"


def _mount(service: Service) -> Mount:
    return Mount(service.mount.prefix, _NOTHING, service.mount.host, service.name)
