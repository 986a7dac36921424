"""A database that several processes share: SQLite or PostgreSQL, never waited for without end.

Whoever writes is alone: SQLite has one writer at a time, and in PostgreSQL a lock of the
transaction makes it so. What was read before a write therefore still holds when it is done.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

_DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
# For a lock, and for a connection to open.
_WAIT_SECONDS = 2
_STATEMENT_SECONDS = 4
# Any number will do, as long as nobody else who uses the database locks it.
_WRITE_LOCK = 0x73776974
_POSTGRES: dict[str, Any] = {
    "application_name": "gateway switch",
    "connect_timeout": _WAIT_SECONDS,
    "tcp_user_timeout": 1000 * _STATEMENT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}
# Of the transaction, and not of the session: a pooler hands sessions to others.
_LIMITS = text(
    f"SELECT set_config('lock_timeout', '{_WAIT_SECONDS}s', true),"
    f" set_config('statement_timeout', '{_STATEMENT_SECONDS}s', true),"
    f" set_config('idle_in_transaction_session_timeout', '{_STATEMENT_SECONDS}s', true)"
)


class StoreError(Exception):
    """The switch's database cannot be used. The text says what to do, and no password."""


class Database:
    """One connection to a database, opened when it is wanted. For one thread at a time.

    Args:
        url: "sqlite:///FILE", or "postgresql://USER:PASSWORD@HOST/NAME" (psycopg 3 serves it).

    Raises:
        StoreError: The URL leads to no database that can be used.
    """

    def __init__(self, url: str) -> None:
        self._url = _parsed(url)
        self._secrets = _secrets(self._url)
        self._name = _described(self._url)
        self._socket: socket.socket | None = None
        self._engine = self._built()
        # Both have the same clauses, and no common ancestor with them.
        self.insert = sqlite.insert if self._is_sqlite else postgresql.insert

    @property
    def _is_sqlite(self) -> bool:
        return self._url.drivername == "sqlite"

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection of which every statement reads what is there at its moment.

        Raises:
            StoreError: The database fails.
        """
        with self._told(), self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that no other process's overlaps, committed at its end.

        Raises:
            StoreError: The database fails, or somebody else writes all the time.
        """
        with self._told(), self._engine.connect() as connection:
            if self._is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(_LIMITS)
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})"))
            yield connection
            connection.commit()

    def make(self) -> None:
        """Make the file and its folder; its readers do not wait for who writes, nor the reverse.

        Raises:
            StoreError: It cannot be made.
        """
        if not self._is_sqlite:
            return
        with self._told():
            Path(self._url.database or "").parent.mkdir(parents=True, exist_ok=True)
            deadline = time.monotonic() + _WAIT_SECONDS
            while not self._in_wal(last=time.monotonic() > deadline):
                time.sleep(0.01)

    def break_off(self) -> None:
        """End what another thread does with the database now: it fails there. For any thread."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection. It opens again when it is wanted."""
        with self._told():
            self._engine.dispose()
            self._forget_socket()

    def _built(self) -> Engine:
        options: dict[str, Any] = {"timeout": _WAIT_SECONDS}
        if not self._is_sqlite:
            options = {key: value for key, value in _POSTGRES.items() if key not in self._url.query}
            # A pooler may give the next transaction to a server that has prepared nothing.
            options["prepare_threshold"] = None
        try:
            engine = create_engine(
                self._url,
                connect_args=options,
                hide_parameters=True,
                max_overflow=0,
                pool_pre_ping=not self._is_sqlite,
                pool_size=1,
                pool_timeout=_WAIT_SECONDS,
            )
        except ImportError:
            raise StoreError(
                f"{self._name} needs psycopg: install flask-fastapi-gateway[postgres]"
            ) from None
        except (SQLAlchemyError, TypeError, ValueError) as error:
            raise StoreError(self._masked(f"{self._name} cannot be used: {error}")) from None
        if not self._is_sqlite:

            @event.listens_for(engine, "do_connect")
            def connect(dialect: Any, _: object, args: Any, options: Any) -> Any:
                connection = dialect.connect(*args, **options)
                self._forget_socket()
                # One of our own: the number may be another file's by the time it is needed.
                self._socket = socket.socket(fileno=os.dup(connection.fileno()))
                return connection

        return engine

    def _forget_socket(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _in_wal(self, *, last: bool) -> bool:
        """Whether the journal is one that lets readers read while somebody writes.

        Who changes it is told at once, and not after a while, that somebody else is about to.
        """
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        except DBAPIError as error:
            if last or "locked" not in str(error.orig):
                raise
            return False
        return True

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Failures of the database in words that say what to do."""
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
            reason = " ".join(str(cause).split())[:500].rstrip(".") or type(cause).__name__
            raise StoreError(
                self._masked(
                    f"{self._name} cannot be used: {reason}. "
                    "Look whether it is there and may be written, and at [switch] database."
                )
            ) from error

    def _masked(self, words: str) -> str:
        for secret in self._secrets:
            words = words.replace(secret, "***")
        return words


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Whatever stands there may hold a password.
        raise StoreError("[switch] database is not the URL of a database") from None
    if parsed.drivername not in _DRIVERS:
        known = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
        raise StoreError(f"[switch] database begins with none that is known: it is {known}")
    if parsed.drivername == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise StoreError("[switch] database: SQLite needs a file, which all processes share")
    return parsed.set(drivername=_DRIVERS[parsed.drivername])


def _described(url: URL) -> str:
    if url.drivername == "sqlite":
        return f"the switch's database {url.database}"
    port = f":{url.port}" if url.port else ""
    return f"the switch's database {url.database or ''} at {url.host or 'PostgreSQL'}{port}"


def _secrets(url: URL) -> list[str]:
    """Passwords, as they are and as they may be spelled; the longest first."""
    words = [url.password or ""]
    for name, value in url.query.items():
        if "password" in name:
            words.extend([value] if isinstance(value, str) else value)
    spelled = {form for word in words for form in (word, quote(word), quote_plus(word))}
    return sorted(spelled - {""}, key=len, reverse=True)
