"""The two services of a switch, as it asks them."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.exchange import note_mount
from gateway.switch.records import Side
from gateway.switch.rules import RouteSet

# Tells a service that it is being shadowed: of the scope, and of the environ (PEP 3333).
SHADOW = "gateway.shadow"


@dataclass(frozen=True, eq=False)
class SideService:
    """One of the two.

    Attributes:
        side: Which.
        name: Of its mount, or its address.
        stack: What it is made with, for reports.
        app: Answers clients: the service with its mount's part of the edge.
        alone: Answers shadows: the service without it, and where it has threads, with its own.
        routes: Its routes.
        state: What its lifespan has put into its state.
        path_may_be_empty: Whether it takes an empty path for the prefix without its slash.
    """

    side: Side
    name: str
    stack: str
    app: ASGIApp
    alone: ASGIApp
    routes: RouteSet
    state: Mapping[str, Any] = field(default_factory=dict)
    path_may_be_empty: bool = False

    def answer(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer a client."""
        self.prepare(scope)
        note_mount(scope, self.name, self.stack)
        return self.app(scope, receive, send)

    def prepare(self, scope: Scope) -> None:
        """Make the scope what the service would see under a mount of its own."""
        scope["state"] = dict(self.state)
        if not self.path_may_be_empty and scope["path"] == scope["root_path"]:
            scope["path"] = f"{scope['path']}/"
            if raw_path := scope.get("raw_path"):
                scope["raw_path"] = raw_path + b"/"
