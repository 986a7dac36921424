"""The catalogue as a FastAPI application."""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline

from services.catalog.settings import CatalogSettings
from services.fastapi_service import auth, basics, errors, events, items, reports
from services.fastapi_service.docs import NothingFromOutside
from services.fastapi_service.lifespan import lifespan_for
from services.fastapi_service.sessions import SessionWhenAlone


def create_app(settings: CatalogSettings | None = None) -> FastAPI:
    """Build the application; its lifespan does what touches the database.

    Args:
        settings: Read from the environment when absent.

    Returns:
        The ASGI application.
    """
    settings = settings or CatalogSettings()
    app = FastAPIOffline(
        title="Catalogue",
        summary="A small shop's catalogue: items, users, a report and live changes.",
        description="Reading is free. Sign in with `POST /login` to change items.",
        version="1.0.0",
        openapi_tags=[
            {"name": "basics", "description": "The smallest answers."},
            {"name": "items", "description": "What the shop sells."},
            {"name": "session", "description": "Signing in and out."},
            {"name": "report", "description": "The catalogue in figures."},
            {
                "name": "events",
                "description": "Changes as they happen, by either stack; also by WebSocket at "
                "`/events/ws`.",
            },
        ],
        lifespan=lifespan_for(settings),
        generate_unique_id_function=_operation_id,
        # Enough for the largest item; a body is in memory before it is validated.
        max_body_size=64 * 1024,
        # Swagger UI would have a public validator look at the schema.
        swagger_ui_parameters={"validatorUrl": None},
    )
    app.add_middleware(NothingFromOutside)
    app.add_middleware(SessionWhenAlone, settings=settings)
    app.add_exception_handler(RequestValidationError, errors.invalid)
    for module in (basics, items, auth, reports, events):
        app.include_router(module.router)
    return app


def _operation_id(route: APIRoute) -> str:
    # Clients generated from the schema name their methods by it.
    return route.name
