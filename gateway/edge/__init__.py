"""What every request passes before routing, listed once."""

from __future__ import annotations

from starlette.middleware import Middleware

from gateway.config import Settings
from gateway.edge.cross_origin import CrossOriginProtection
from gateway.edge.event_streams import EndEventStreams
from gateway.exchange import ExchangeMiddleware
from gateway.health import Health
from gateway.problems import ProblemsMiddleware

__all__ = ["edge"]


def edge(settings: Settings, health: Health) -> list[Middleware]:
    """The edge, outermost first."""
    return [
        # The request's ID and the one record of it; whatever happens further in refers to it.
        # Event streams are ended at the drain: an observer of every answer, whoever gives it.
        Middleware(ExchangeMiddleware, [EndEventStreams(health)]),
        # Directly inside, so that an error of anything further in is answered with that ID.
        Middleware(ProblemsMiddleware),
        # One rule for both stacks, so that no native route passes by a Flask app's own check.
        Middleware(CrossOriginProtection, trusted_origins=settings.edge.trusted_origins),
    ]
