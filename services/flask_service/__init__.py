"""The catalogue as a Flask application."""

from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface

from services.catalog.database import announce_demo_user
from services.catalog.reports import CACHE_PREFIX, CACHE_SECONDS, REDIS_OPTIONS
from services.catalog.settings import CatalogSettings
from services.flask_service import answers, auth, database, items, pages, reports


def create_app(settings: CatalogSettings | None = None) -> Flask:
    """Build the application; the database is prepared by the first request that needs it.

    Args:
        settings: Read from the environment when absent.

    Returns:
        The WSGI application.
    """
    settings = settings or CatalogSettings()
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY=settings.signing_key,
        SECRET_KEY_FALLBACKS=settings.secret_key_fallbacks,
        SESSION_COOKIE_SAMESITE="Lax",
        # Enough for the largest item; a body is in memory before it is validated.
        MAX_CONTENT_LENGTH=64 * 1024,
        CACHE_TYPE="RedisCache" if settings.cache_redis_url else "SimpleCache",
        CACHE_REDIS_URL=settings.cache_redis_url,
        CACHE_KEY_PREFIX=CACHE_PREFIX,
        CACHE_DEFAULT_TIMEOUT=CACHE_SECONDS,
        CACHE_OPTIONS=REDIS_OPTIONS if settings.cache_redis_url else None,
        # Where the FastAPI twin is; shown only under a prefix, where there is one.
        FASTAPI_URL="/fastapi",
    )
    app.session_interface = _SecureUnderTls()
    reports.cache.init_app(app)
    database.init_app(app, settings)
    answers.init_app(app)
    auth.init_app(app)
    for module in (pages, items, auth, reports):
        app.register_blueprint(module.blueprint)
    announce_demo_user(settings)
    return app


class _SecureUnderTls(SecureCookieSessionInterface):
    """Marks the session cookie Secure where the request came over TLS."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure or super().get_cookie_secure(app)
