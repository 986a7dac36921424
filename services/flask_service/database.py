"""One SQLAlchemy session per request."""

from threading import Lock

import click
from flask import Flask, current_app, g
from flask.cli import with_appcontext
from sqlalchemy.orm import Session

from services.catalog import passwords
from services.catalog.database import build_engine, prepare
from services.catalog.models import User
from services.catalog.settings import CatalogSettings


class Database:
    """The engine of one application, prepared before its first session."""

    def __init__(self, settings: CatalogSettings) -> None:
        self._settings = settings
        self._engine = build_engine(settings)
        self._prepared = False
        self._lock = Lock()

    def session(self) -> Session:
        """Open a session."""
        # Not in create_app: a database that is away would keep the whole process from starting,
        # and asking an application for its routes would make a file.
        with self._lock:
            if not self._prepared:
                prepare(self._engine, self._settings)
                self._prepared = True
        return Session(self._engine, expire_on_commit=False)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def init_app(app: Flask, settings: CatalogSettings) -> None:
    """Give the application its database."""
    app.extensions["catalog"] = Database(settings)
    app.teardown_appcontext(_close_session)
    app.cli.add_command(_create_user)


def get_session() -> Session:
    """The request's session, opened when it is first asked for."""
    if "session" not in g:
        database: Database = current_app.extensions["catalog"]
        g.session = database.session()
    session: Session = g.session
    return session


def _close_session(_: BaseException | None) -> None:
    if session := g.pop("session", None):
        session.close()


@click.command("create-user")
@click.argument("username")
@click.password_option()
@with_appcontext
def _create_user(username: str, password: str) -> None:
    """Create a user who may change items."""
    session = get_session()
    session.add(User(username=username, password_hash=passwords.hash_password(password)))
    session.commit()
