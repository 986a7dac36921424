"""Facts for the portal's pages, without a gateway: two services, one of them with errors."""

from __future__ import annotations

import math
from typing import Any

STEPS = 180
NOW = "2026-11-22T21:03:04.123456Z"
REQUEST_ID = "a0ffc11e3cdd9f808f14656704e1e823"
# What would end a template, a tag or a script, were it not escaped.
HOSTILE = "/flask/<script>alert('x')</script>?{{ 7 * 7 }}&\"'"


def history(scale: float, *, errors: bool) -> dict[str, Any]:
    """Fifteen minutes that rise and fall, with a gap in them."""
    rates = [scale * (1 + math.sin(step / 9) / 2 + (step % 7) / 20) for step in range(STEPS)]
    middle = [0.002 * (2 + math.sin(step / 13)) for step in range(STEPS)]
    gap = range(60, 70)
    latency = {
        name: [None if step in gap else times * value for step, value in enumerate(middle)]
        for name, times in [("p50_seconds", 1), ("p95_seconds", 2.5), ("p99_seconds", 4)]
    }
    return {
        "requests_per_second": [0.0 if step in gap else rate for step, rate in enumerate(rates)],
        "errors_per_second": [
            0.2 if errors and step in {90, 91, 178} else 0.0 for step in range(STEPS)
        ],
        **latency,
    }


def mount(name: str, **changes: Any) -> dict[str, Any]:
    """A mount that is ready and busy."""
    return {
        "name": name,
        "prefix": f"/{name}",
        "host": "",
        "behind_switch": False,
        "stack": "Flask",
        "adapter": "bridge",
        "state": "ready",
        "version": "",
        "requests_per_second": 8.4,
        "error_rate": 0.0,
        "p50_seconds": 0.0021,
        "p95_seconds": 0.0084,
        "p99_seconds": 0.0241,
        "threads": {"allowed": 10, "busy": 3, "queued": 0, "stuck": 0},
        "history": history(8.4, errors=False),
        **changes,
    }


def overview(*mounts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A process group of one worker; without mounts given, of Flask with errors, and FastAPI."""
    errors = [
        error(REQUEST_ID, "/flask/items/broken", 500, "error"),
        {**error("7d3c2a", HOSTILE, 504, "timeout"), "time": "2026-11-22T20:58:04.123456Z"},
    ]
    given = mounts or (
        mount("flask", error_rate=0.012, history=history(8.4, errors=True)),
        mount(
            "fastapi",
            stack="FastAPI",
            adapter=None,
            version="0.1.0",
            threads=None,
            requests_per_second=12.9,
            p50_seconds=0.00046,
            p95_seconds=0.0012,
            p99_seconds=0.0034,
            history=history(12.9, errors=False),
        ),
    )
    worker = {
        "pid": 4711,
        "memory_bytes": 91_226_112,
        "threads": 14,
        "uptime_seconds": 11_530.2,
        "event_loop_lag_seconds": 0.0004,
    }
    return {
        "version": "0.1.0",
        "python": "3.13.1",
        "environment": "development",
        "started": "2026-11-22T17:50:54.000000Z",
        "uptime_seconds": 11_530.2,
        "draining": False,
        "workers": [worker],
        "memory_bytes": 91_226_112,
        "event_loop_lag_seconds": 0.0004,
        "step_seconds": 5,
        "mounts": list(given),
        "errors": [] if mounts or "mounts" in changes else errors,
        **changes,
    }


def error(request_id: str, path: str, status: int, outcome: str) -> dict[str, Any]:
    """A request that ended badly."""
    return {
        "time": NOW,
        "request_id": request_id,
        "mount": "flask",
        "method": "GET",
        "path": path,
        "route": "/items/<int:item_id>",
        "status": status,
        "outcome": outcome,
    }


def route(mount: str, template: str, path: str, *methods: str) -> dict[str, Any]:
    """A route with figures."""
    stack = "FastAPI" if mount == "fastapi" else "Flask"
    return {
        "mount": mount,
        "stack": stack,
        "methods": list(methods),
        "template": f"/{mount}{template}",
        "path": path,
        "documentation": "/fastapi/docs" if mount == "fastapi" else "",
        "requests": 12_345,
        "requests_per_second": 3.21,
        "error_rate": 0.0,
        "p50_seconds": 0.0021,
        "p95_seconds": 0.0084,
        "p99_seconds": None,
    }


def routes() -> dict[str, Any]:
    """Two pairs, and what each mount has alone."""
    found = [
        route("flask", "/items/<int:item_id>", "/items/{item_id}", "GET"),
        route("flask", "/items", "/items", "GET", "POST"),
        route("flask", "/export.csv", "/export.csv", "GET"),
        route("flask", "/login", "/login", "GET", "POST"),
        route("fastapi", "/items/{item_id}", "/items/{item_id}", "GET"),
        route("fastapi", "/items", "/items", "GET", "POST"),
        route("fastapi", "/events", "/events", "GET"),
    ]
    pairs = [
        {"methods": ["GET"], "path": "/items/{item_id}", "routes": [0, 4]},
        {"methods": ["GET", "POST"], "path": "/items", "routes": [1, 5]},
    ]
    return {"routes": found, "pairs": pairs}


def request(request_id: str) -> dict[str, Any]:
    """One that is known, and nothing of any other."""
    if request_id != REQUEST_ID:
        nothing: dict[str, Any] = {"found": False, "worker": None, "record": None, "lines": []}
        return {"request_id": request_id, **nothing}
    record = {
        "method": "GET",
        "path": "/flask/items/broken",
        "status": 500,
        "mount": "flask",
        "stack": "Flask",
        "route": "/items/<name>",
        "client": "127.0.0.1",
        "outcome": "error",
        "bytes_in": 0,
        "bytes_out": 265,
        "first_byte_ms": 6.1,
        "total_ms": 6.4,
        "waited_ms": 1.2,
        "time": NOW,
    }
    lines = [
        {
            "timestamp": NOW,
            "level": "error",
            "logger": "services.flask_service",
            "event": "Exception on /items/broken [GET]",
            "exception": "Traceback (most recent call last):\n  ...\nKeyError: '<broken>'",
        },
        {
            "timestamp": NOW,
            "level": "info",
            "logger": "gateway.access",
            "event": "request",
            "status": 500,
        },
    ]
    return {
        "request_id": request_id,
        "found": True,
        "worker": 4711,
        "record": record,
        "lines": lines,
    }


def setting(key: str, value: Any, origin: str = "default", **changes: Any) -> dict[str, Any]:
    """A setting."""
    sources = {"file": "config/gateway.toml", "environment": f"GATEWAY_{key.upper()}"}
    return {
        "key": key,
        "value": value,
        "origin": origin,
        "source": sources.get(origin, ""),
        "help": f"What {key.replace('_', ' ')} is for.",
        "secret": False,
        **changes,
    }


def configuration() -> dict[str, Any]:
    """Settings of each origin, and one finding."""
    return {
        "settings": [
            setting("environment", "development"),
            setting("server.host", "127.0.0.1"),
            setting("server.port", 8000, "file"),
            setting("server.drain_seconds", 20.0),
            setting("server.switch_interval_seconds", 0.0005, "environment"),
            setting("admin.prefix", "/_gateway"),
            setting("admin.token", "********", "environment", secret=True),
            setting("session.secret_key", "", secret=True),
            setting("edge.trusted_proxies", ["10.0.0.0/8", "192.168.0.0/16"], "file"),
            setting("mounts.flask.app", "services.flask_service:create_app", "file"),
            setting("mounts.flask.threads", 10),
        ],
        "findings": [
            {
                "where": "mounts.flask",
                "what": "Flask's session cookie is not marked Secure.",
                "mend": "Set `SESSION_COOKIE_SECURE = True` where the gateway is reached by HTTPS.",
            }
        ],
    }


class SeededFacts:
    """The facts above; each can be replaced.

    Attributes:
        current: The overview that is shown next.
        silent: The workers that do not answer when a request is looked up.
    """

    def __init__(self) -> None:
        self.current = overview()
        self.silent: list[int] = []

    async def overview(self) -> dict[str, Any]:
        """The seeded overview."""
        return self.current

    async def routes(self) -> dict[str, Any]:
        """The seeded routes."""
        return routes()

    async def request(self, request_id: str) -> dict[str, Any]:
        """The seeded request."""
        return {**request(request_id), "silent": self.silent}

    async def configuration(self) -> dict[str, Any]:
        """The seeded settings."""
        return configuration()
