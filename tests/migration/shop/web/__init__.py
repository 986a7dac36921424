"""The shop as a Flask application, as it has grown."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask

from .. import storage
from . import account, api, basket, catalogue, desk, errors, hooks, orders


def create_app() -> Flask:
    """Build the application."""
    folder = Path(__file__).parent.parent
    app = Flask(__name__, template_folder=folder / "templates", static_folder=folder / "static")
    app.config.from_mapping(
        SECRET_KEY=os.environ.get("SHOP_SECRET_KEY", "only-for-development"),
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=1024 * 1024,
        PAGE_SIZE=storage.PAGE_SIZE,
    )
    storage.prepare()
    hooks.init_app(app)
    errors.init_app(app)
    for module in (catalogue, basket, account, orders, desk, api):
        app.register_blueprint(module.blueprint)
    return app
