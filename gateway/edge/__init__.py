"""What every request passes before routing, listed once."""

from __future__ import annotations

from starlette.middleware import Middleware

from gateway.config import Settings
from gateway.edge.cross_origin import CrossOriginProtection

__all__ = ["edge"]


def edge(settings: Settings) -> list[Middleware]:
    """The edge, outermost first."""
    return [
        # One rule for both stacks, so that no native route passes by a Flask app's own check.
        Middleware(CrossOriginProtection, trusted_origins=settings.edge.trusted_origins),
    ]
