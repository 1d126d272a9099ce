"""What differs between databases: one class each, opened by the scheme of the URL."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from qcore.errors import ConfigurationError

if TYPE_CHECKING:
    from qcore.config import ConnectionSettings
    from qcore.drivers.database.dialects.base import Dialect

_SCHEMES = {
    "sqlite": ("sqlite+pysqlite", "qcore.drivers.database.dialects.sqlite:Sqlite"),
    "postgresql": ("postgresql+psycopg", "qcore.drivers.database.dialects.postgresql:PostgreSQL"),
    "postgres": ("postgresql+psycopg", "qcore.drivers.database.dialects.postgresql:PostgreSQL"),
    "mysql": ("mysql+pymysql", "qcore.drivers.database.dialects.mysql:MySQL"),
    "mariadb": ("mysql+pymysql", "qcore.drivers.database.dialects.mysql:MySQL"),
}


def dialect_for(settings: ConnectionSettings) -> Dialect:
    """Choose the dialect of a connection by its URL.

    Raises:
        ConfigurationError: the URL cannot be read, or leads to no database or client library known here.
        ModuleNotFoundError: the client library is not installed.
    """
    url = _parsed(settings)
    backend, _, library = url.drivername.partition("+")
    drivername, path = _SCHEMES.get(backend, ("", ""))
    if not path or (library and library != drivername.partition("+")[2]):
        raise ConfigurationError(
            f'connection "{settings.name}": no database driver "{url.drivername}"',
            hint="URLs begin with sqlite:///, postgresql+psycopg:// or mysql+pymysql://",
        )
    module, _, name = path.partition(":")
    kind = cast("type[Dialect]", getattr(import_module(module), name))
    return kind(settings, url.set(drivername=drivername))


def _parsed(settings: ConnectionSettings) -> URL:
    try:
        return make_url(settings.url)
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError(
            f'connection "{settings.name}": its URL cannot be read',
            hint="a URL reads dialect://user:password@host:port/name, or sqlite:///file.db",
        ) from error
