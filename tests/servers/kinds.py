"""The servers there are, by name."""

from __future__ import annotations

from servers.base import Server
from servers.mariadb import MariaDB
from servers.postgresql import PostgreSQL
from servers.redis import Redis

KINDS: dict[str, type[Server]] = {kind.name: kind for kind in (PostgreSQL, MariaDB, Redis)}
