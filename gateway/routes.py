"""Every route of every service, read from the services themselves (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.loading import Service
from gateway.url_maps import routes_of


@dataclass(frozen=True)
class ServiceRoute:
    """One route of a service.

    Attributes:
        mount: The mount's name.
        stack: The service's framework.
        methods: In alphabetical order; `WEBSOCKET` for a WebSocket, `*` where they are not known.
        template: The public path, in the framework's own syntax.
        name: What `url_for` calls it.
    """

    mount: str
    stack: str
    methods: tuple[str, ...]
    template: str
    name: str


def service_routes(services: Sequence[Service]) -> list[ServiceRoute]:
    """All routes, in mount order. A service that cannot be looked into is one line, `/prefix/*`."""
    return [
        ServiceRoute(
            service.name,
            service.stack,
            tuple(sorted(methods)),
            service.mount.host + service.mount.prefix.rstrip("/") + template,
            name,
        )
        for service in services
        for methods, template, name in routes_of(service.app)
    ]


def documentation_paths(service: Service) -> list[str]:
    """The public paths of a service's own documentation pages, at the mount's host if it has one.

    For links see `documentation_links`.
    """
    prefix = service.mount.prefix.rstrip("/")
    documents = {"/docs", "/redoc", getattr(service.app, "docs_url", None)}
    templates = [template for _, template, _ in routes_of(service.app)]
    return [prefix + path for path in templates if path in documents]


def documentation_links(
    service: Service, root_path: str = "", port: int | None = None
) -> list[str]:
    """What leads from a page of the gateway's to a service's own documentation pages.

    Paths, or where the mount answers for one host only, addresses of that host. Empty where it
    answers for any host of a domain: there is no telling which of them there are.

    Args:
        service: The service.
        root_path: The public prefix of the whole gateway.
        port: The port that the page was asked at; None for the scheme's own.
    """
    host = service.mount.host
    if host.startswith("*."):
        return []
    at = f"//{host}" if host else ""
    if host and port is not None:
        at += f":{port}"
    return [f"{at}{root_path}{path}" for path in documentation_paths(service)]
