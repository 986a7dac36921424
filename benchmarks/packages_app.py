"""The FastAPI service with the packages that teams usually add for a part of the edge's work."""

from __future__ import annotations

from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import FastAPI
from prometheus_fastapi_instrumentator import Instrumentator

from services.fastapi_service import create_app as create_service


def create_app() -> FastAPI:
    """Build the service with request IDs and metrics, both as their packages do by default."""
    app = create_service()
    Instrumentator().instrument(app)
    # Added last, so that it is the outermost, as its documentation asks.
    app.add_middleware(CorrelationIdMiddleware)
    return app
