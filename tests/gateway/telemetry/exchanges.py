"""Exchanges that are over, without a server."""

from __future__ import annotations

from typing import Any

from gateway.exchange import Exchange


def ended(seconds: float = 0.01, request_id: str = "of-the-test", **given: Any) -> Exchange:
    """An exchange that took so long; `given` is set on it."""
    scope = {
        "type": "http",
        "method": given.pop("method", "GET"),
        "path": given.pop("path", "/web/items/5"),
        "query_string": given.pop("query", b""),
        "client": ("203.0.113.9", 40000),
    }
    exchange = Exchange(request_id, scope, {b"authorization": b"of nobody's business"})
    exchange.mount, exchange.stack, exchange.route = "web", "Flask", "/items/<int:item_id>"
    exchange.status, exchange.answered, exchange.complete = 200, True, True
    exchange.first_byte = exchange.ended = exchange.started + seconds
    for name, value in given.items():
        setattr(exchange, name, value)
    return exchange
