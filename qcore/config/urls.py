"""Addresses of stores: which driver they lead to, where their file is, and how to show them."""

from __future__ import annotations

import re
from pathlib import Path

from qcore.errors import ConfigurationError

DRIVERS = {
    "sqlite": "database",
    "postgresql": "database",
    "postgres": "database",
    "mysql": "database",
    "mariadb": "database",
    "redis": "redis",
    "rediss": "redis",
    "unix": "redis",
    "memory": "memory",
    "sync": "sync",
    "null": "null",
}
"""What a URL begins with, up to a "+" and the library's name, and the driver it leads to."""
FALLBACKS = {"database": "sqlite:///queue.db", "memory": "", "sync": "", "null": ""}
"""Where a connection lives whose address nobody gave; drivers that are not here need one."""
ADDRESSLESS = frozenset(driver for driver, url in FALLBACKS.items() if not url)
MASK = "•••"

# The password ends at the last "@": one that holds an "@" or a "/" unescaped is hidden whole all the same.
_PASSWORD = re.compile(r"(://[^:/?#]*:).*(@)", re.DOTALL)
_WORDS = "pass|pwd|secret|token|key|auth|credential"
"""What is called by a name that holds one of these is not shown."""
_SECRET = re.compile(_WORDS, re.IGNORECASE)
_SECRETS = re.compile(rf"([?&][^=&#]*(?:{_WORDS})[^=&#]*=)[^&#]*", re.IGNORECASE)
_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)([^?]*)(.*)", re.DOTALL)
_EXAMPLE = "a URL reads sqlite:///queue.db, postgresql+psycopg://user:password@host/name or redis://host:6379/0"


def driver_of(url: str) -> str:
    """Name the driver that a URL leads to.

    Raises:
        ConfigurationError: it is no URL, or leads to no driver known here.
    """
    scheme, colon, _ = url.partition("://")
    driver = DRIVERS.get(scheme.partition("+")[0].lower())
    if not colon:
        raise ConfigurationError("the address of a store must be a URL, and has no ://", hint=_EXAMPLE)
    if driver is None:
        raise ConfigurationError(f'no driver knows URLs that begin with "{scheme}://"', hint=_EXAMPLE)
    return driver


def is_secret(name: str) -> bool:
    """Whether what is called so is not to be shown."""
    return _SECRET.search(name) is not None


def mask_url(url: str) -> str:
    """Hide the secrets of a URL, so that it can be shown and logged; other text comes back unchanged."""
    return _SECRETS.sub(rf"\1{MASK}", _PASSWORD.sub(rf"\1{MASK}\2", url))


def sqlite_file(url: str) -> Path | None:
    """Find the file of a SQLite URL; None for other databases and for one in memory."""
    parts = _SQLITE.fullmatch(url)
    if parts is None or not parts[2] or parts[2].startswith((":memory:", "file:")):
        return None
    return Path(parts[2])


def absolute(url: str, base: Path) -> str:
    """Make the file of a SQLite URL independent of the working directory.

    Args:
        url: any URL; others come back unchanged.
        base: the directory it is relative to.
    """
    parts, file = _SQLITE.fullmatch(url), sqlite_file(url)
    if parts is None or file is None:
        return url
    return f"{parts[1]}{base / file.expanduser()}{parts[3]}"
