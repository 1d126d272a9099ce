"""`qctl version`."""

import platform
from importlib import metadata

import typer

from qctl import __version__, output
from qctl.context import Invocation
from qctl.exits import Exit

EXAMPLES = ("qctl version", "qctl version --json")
EXITS = (Exit.USAGE,)
_NEEDED = ("sqlalchemy", "alembic", "textual", "typer", "rich", "msgspec", "cryptography", "psutil", "cloudpickle")
_STORES = ("redis", "hiredis", "psycopg", "pymysql")
_MORE = ("uvloop", "setproctitle", "prometheus-client", "textual-serve", "aiohttp", "opentelemetry-api", "apprise")
_FRAMEWORKS = ("starlette", "fastapi", "flask", "django")
_LIBRARIES = _NEEDED + _STORES + _MORE + _FRAMEWORKS
_COLUMNS = (output.Column("NAME", "name"), output.Column("VERSION", "version"))


def run(ctx: typer.Context) -> None:
    """Show versions.

    Of qctl, of Python and SQLite, and of the libraries that are installed here.
    """
    found = versions()
    report = output.Report(
        schema="qctl.version/1",
        data=found,
        items=[{"name": name, "version": version} for name, version in found.items()],
        item_schema="qctl.version.item/1",
        columns=_COLUMNS,
        name="version",
    )
    output.show(Invocation.of(ctx), report)


def versions() -> dict[str, str]:
    """By name, of all that matters and is installed."""
    import sqlite3

    ours = {"qctl": __version__, "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    return ours | {name: version for name in _LIBRARIES if (version := _installed(name))}


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
