"""The documents that the portal's pages and its API show (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from gateway.loading import Service
from gateway.portal.history import SHARE_NAMES, History, last_minute, percentiles
from gateway.portal.pairs import openapi_path, pairs
from gateway.routes import documentation_links, service_routes
from gateway.telemetry.lines import spelled_time
from gateway.telemetry.live import MORE, STEP_SECONDS, Figures, RouteFigures, merge

ERRORS_SHOWN = 50

_THREADS = ("allowed", "busy", "queued", "stuck")


@dataclass(frozen=True)
class About:
    """What the gateway is and serves.

    Attributes:
        version: The gateway's.
        python: The version of the Python that it runs on.
        environment: "development" or "production".
        services: In mount order.
        versions: The services' own versions, by mount; empty where one has none.
    """

    version: str
    python: str
    environment: str
    services: Sequence[Service]
    versions: Mapping[str, str]


def overview(
    about: About,
    workers: Sequence[Mapping[str, Any]],
    history: History,
    now: float,
    silent: Sequence[int] = (),
) -> dict[str, Any]:
    """The process group and its mounts.

    Args:
        about: What does not change.
        workers: What each tells: `worker`, its figures; `draining`; `services`, whether each is
            ready; `pools`, the threads of each mount that has a pool; `live`, a snapshot; `errors`.
        history: The points of the charts, to which the snapshots are added.
        now: Seconds since 1970.
        silent: The workers that told nothing, though they live.
    """
    merged = merge(worker["live"] for worker in workers)
    history.add(merged, whole=not silent)
    figures = sorted((worker["worker"] for worker in workers), key=lambda one: int(one["pid"]))
    uptime_seconds = max((one["uptime_seconds"] for one in figures), default=0.0)
    errors = sorted(
        (error for worker in workers for error in worker["errors"]),
        key=lambda error: str(error["time"]),
        reverse=True,
    )
    states = {service.name: _state(service.name, workers) for service in about.services}
    all_stay = not any(worker["draining"] for worker in workers)
    return {
        "version": about.version,
        "python": about.python,
        "environment": about.environment,
        "started": spelled_time(now - uptime_seconds),
        "uptime_seconds": uptime_seconds,
        "draining": _all_drain(workers),
        "well": not silent and all_stay and all(state == "ready" for state in states.values()),
        "workers": figures,
        "silent": sorted(silent),
        "memory_bytes": sum(one["memory_bytes"] for one in figures),
        "event_loop_lag_seconds": max((o["event_loop_lag_seconds"] for o in figures), default=0.0),
        "step_seconds": STEP_SECONDS,
        "mounts": [
            {
                "name": service.name,
                "prefix": service.mount.prefix,
                "host": service.mount.host,
                "behind_switch": service.hidden,
                "stack": service.stack,
                "adapter": service.adapter,
                "state": states[service.name],
                "version": about.versions.get(service.name, ""),
                **last_minute(merged, service.name),
                "threads": _threads(service.name, workers),
                "history": history.of(service.name, merged.window),
            }
            for service in about.services
        ],
        "errors": errors[:ERRORS_SHOWN],
    }


@dataclass(frozen=True)
class ListedRoute:
    """A route of a service.

    Attributes:
        mount: The mount's name.
        stack: The service's framework.
        methods: In alphabetical order.
        template: The public path, in the framework's syntax.
        own: The same below the prefix, as exchanges have it.
        path: The same in OpenAPI's syntax.
        documentation: Where a page says more of it; empty for nowhere.
    """

    mount: str
    stack: str
    methods: tuple[str, ...]
    template: str
    own: str
    path: str
    documentation: str


def listed_routes(
    services: Sequence[Service], root_path: str = "", documents: str = ""
) -> list[ListedRoute]:
    """Every route of every service.

    Args:
        services: In mount order.
        root_path: The public prefix of the whole gateway, for links.
        documents: Where the gateway documents the services itself; empty for nowhere.
    """
    by_name = {service.name: service for service in services}
    pages = {
        service.name: next(iter(documentation_links(service, root_path)), documents)
        for service in services
    }
    found = []
    for route in service_routes(services):
        where = by_name[route.mount].mount
        own = route.template.removeprefix(where.host + where.prefix.rstrip("/"))
        found.append(
            ListedRoute(
                route.mount,
                route.stack,
                route.methods,
                route.template,
                own,
                openapi_path(own),
                pages[route.mount],
            )
        )
    return found


def listed_pairs(
    listed: Sequence[ListedRoute], behind_switch: Collection[str] = ()
) -> list[dict[str, Any]]:
    """The pairs among the routes that can be asked side by side.

    Args:
        listed: The routes.
        behind_switch: Mounts that only a switch leads to, which compares them itself.
    """
    return [
        {"methods": list(pair.methods), "path": pair.path, "routes": list(pair.routes)}
        for pair in pairs(listed)
        if not any(listed[route].mount in behind_switch for route in pair.routes)
    ]


def routes(
    listed: Sequence[ListedRoute],
    its_pairs: Sequence[Mapping[str, Any]],
    figures: Mapping[tuple[str, str, str], RouteFigures],
) -> dict[str, Any]:
    """Every route with its figures, and the pairs among them.

    Args:
        listed: The routes.
        its_pairs: The `listed_pairs`.
        figures: By mount, template and method.
    """
    by_template: dict[tuple[str, str], dict[str, RouteFigures]] = {}
    for (mount, template, method), its in figures.items():
        by_template.setdefault((mount, template), {})[method] = its
    return {
        "routes": [
            {
                "mount": route.mount,
                "stack": route.stack,
                "methods": list(route.methods),
                "template": route.template,
                "path": route.path,
                "documentation": route.documentation,
                **_told(_figures_of(route, figures, by_template)),
            }
            for route in listed
        ],
        "pairs": its_pairs,
    }


def request(
    request_id: str, answers: Iterable[Mapping[str, Any]], silent: Sequence[int]
) -> dict[str, Any]:
    """What is kept of one request.

    Args:
        request_id: Its ID.
        answers: Of each worker: its `pid`, the `record` or None, and the `lines`.
        silent: The workers that told nothing, though they live: one of them may know it.
    """
    told = list(answers)
    # An ID that a client chose may have come twice.
    known = [answer for answer in told if answer["record"]]
    last = max(known, key=lambda answer: str(answer["record"]["time"]), default=None)
    lines = sorted(
        (line for answer in told for line in answer["lines"]), key=lambda line: line["timestamp"]
    )
    logged = next((answer["pid"] for answer in told if answer["lines"]), None)
    return {
        "request_id": request_id,
        "found": bool(known or lines),
        "worker": last["pid"] if last else logged,
        "record": last["record"] if last else None,
        "lines": lines,
        "silent": sorted(silent),
    }


def service_version(service: Service, distributions: Mapping[str, Sequence[str]]) -> str:
    """What a service calls its version, or that of the one distribution which it comes from.

    Args:
        service: The service.
        distributions: Versions of the distributions that a top-level module belongs to.
    """
    if isinstance(service.app, FastAPI):
        return service.app.version
    versions = distributions.get(top_level_module(service), ())
    return versions[0] if len(versions) == 1 else ""


def top_level_module(service: Service) -> str:
    """The first name of the import string of a service."""
    return service.mount.app.partition(":")[0].partition(".")[0]


def _all_drain(workers: Sequence[Mapping[str, Any]]) -> bool:
    """One that is being replaced drains alone."""
    return bool(workers) and all(worker["draining"] for worker in workers)


def _state(mount: str, workers: Sequence[Mapping[str, Any]]) -> str:
    if _all_drain(workers):
        return "draining"
    staying = [worker for worker in workers if not worker["draining"]]
    ready = staying and all(worker["services"].get(mount, False) for worker in staying)
    return "ready" if ready else "not ready"


def _threads(mount: str, workers: Sequence[Mapping[str, Any]]) -> dict[str, int] | None:
    pools = [worker["pools"][mount] for worker in workers if mount in worker["pools"]]
    return {name: sum(pool[name] for pool in pools) for name in _THREADS} if pools else None


def _figures_of(
    route: ListedRoute,
    figures: Mapping[tuple[str, str, str], RouteFigures],
    by_template: Mapping[tuple[str, str], Mapping[str, RouteFigures]],
) -> list[RouteFigures] | None:
    """What was counted for a route; for a service that cannot be looked into, all of its mount.

    None where it may have been counted together with others, beyond the number that is kept.
    """
    if route.own == "/*":
        return [its for (mount, _, _), its in figures.items() if mount == route.mount]
    by_method = by_template.get((route.mount, route.own), {})
    every = "*" in route.methods
    found = [its for method, its in by_method.items() if every or method in route.methods]
    return found if found or (route.mount, MORE) not in by_template else None


def _told(found: Sequence[RouteFigures] | None) -> dict[str, Any]:
    if found is None:
        return dict.fromkeys(
            ("requests", "requests_per_second", "error_rate", *SHARE_NAMES),
        )
    recent = Figures()
    for one in found:
        recent.add(one.recent.count, one.recent.errors, one.recent.buckets.items())
    seconds = max((one.seconds for one in found), default=0.0)
    return {
        "requests": sum(one.requests for one in found),
        "requests_per_second": recent.count / max(seconds, 1.0),
        "error_rate": recent.errors / recent.count if recent.count else 0.0,
        **percentiles(recent.buckets),
    }
