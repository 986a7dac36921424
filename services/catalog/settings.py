"""Settings of the catalogue, read from the environment when an application is made."""

from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

DEVELOPMENT_SECRET_KEY = "development-only-secret-key"  # noqa: S105 - meant to be known
DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


class CatalogSettings(BaseSettings):
    """Where the data lives and what signs the sessions.

    Attributes:
        database_url: `sqlite:///FILE`, or `postgresql://...` (psycopg 3 serves it).
        secret_key: Signs the sessions. Without it the catalogue is in development: a key that
            everybody knows is used, and the demo user can sign in.
        secret_key_fallbacks: Earlier keys whose sessions are still accepted; a JSON list.
        cache_redis_url: The report cache; each process has its own without it.
    """

    model_config = SettingsConfigDict(env_prefix="CATALOG_", frozen=True, populate_by_name=True)

    database_url: str = Field(default="sqlite:///var/catalog.db", repr=False)
    # An empty key is refused rather than taken for none: none would switch the demo user on.
    secret_key: str | None = Field(default=None, min_length=1, repr=False)
    secret_key_fallbacks: list[str] = Field(default=[], repr=False)
    cache_redis_url: str | None = Field(
        default=None, validation_alias="CACHE_REDIS_URL", repr=False
    )

    @field_validator("database_url")
    @classmethod
    def _supported_database(cls, value: str) -> str:
        try:
            url = make_url(value)
        except ArgumentError as error:
            # The value may hold a password, so that the message does not repeat it.
            raise ValueError("not a database URL") from error
        if url.drivername not in DRIVERS:
            raise ValueError(f"{url.drivername} is none of {', '.join(DRIVERS)}")
        if url.drivername == "sqlite" and url.database in {None, "", ":memory:"}:
            raise ValueError("SQLite needs a file, which all connections share")
        return value

    @model_validator(mode="after")
    def _secret_key_is_secret(self) -> Self:
        if self.secret_key == DEVELOPMENT_SECRET_KEY:
            raise ValueError("secret_key is the development key, which everybody knows")
        return self

    @property
    def development(self) -> bool:
        """Whether no secret key is set, and the demo user exists."""
        return self.secret_key is None

    @property
    def signing_key(self) -> str:
        """The key that signs new sessions."""
        return self.secret_key or DEVELOPMENT_SECRET_KEY

    @property
    def url(self) -> URL:
        """The database's URL, with the driver that serves sync and async engines."""
        url = make_url(self.database_url)
        return url.set(drivername=DRIVERS[url.drivername])

    @property
    def sqlite_file(self) -> Path | None:
        """The SQLite file, or none where PostgreSQL keeps the data."""
        return Path(self.url.database or "") if self.url.drivername == "sqlite" else None
