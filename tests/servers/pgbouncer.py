"""A pooler before a PostgreSQL server, which gives each transaction whatever connection is free."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from servers.base import Server
from servers.postgresql import PostgreSQL

if TYPE_CHECKING:
    import psycopg

_CONNECTIONS = 6


class PgBouncer(Server):
    """Lets `qctl` in without a password.

    Args:
        folder: of its own.
        server: that it stands before.
        ignores: parameters of a session's start that it passes over; any other one it does not know is refused.
    """

    name = "pgbouncer"
    package = "pgbouncer"
    program = "pgbouncer"
    accounts = ("postgres",)

    def __init__(self, folder: Path, server: PostgreSQL, *, ignores: str = "") -> None:
        super().__init__(folder)
        self._server = server
        self._ignores = ignores

    @property
    def url(self) -> str:
        return self._server.url.replace(str(self._server.port), str(self.port))

    def prepare(self) -> None:
        (self.folder / "users.txt").write_text('"qctl" ""\n')
        (self.folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={self._server.port}\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {self.folder}/users.txt\nstats_users = qctl\n"
            f"pool_mode = transaction\ndefault_pool_size = {_CONNECTIONS}\nmax_client_conn = 500\n"
            f"ignore_startup_parameters = {self._ignores}\nserver_login_retry = 1\n"
        )

    def command(self) -> list[str]:
        return [self.find() or self.program, "-q", str(self.folder / "pgbouncer.ini")]

    def probe(self) -> str:
        with self.console() as console:
            (said,) = console.execute("SHOW VERSION").fetchone() or ("",)
        return str(said).removeprefix("PgBouncer ")

    def clients(self, database: str) -> int:
        """How many it has of a database."""
        with self.console() as console:
            described = console.execute("SHOW CLIENTS")
            column = [one.name for one in described.description or ()].index("database")
            return sum(row[column] == database for row in described.fetchall())

    def console(self) -> psycopg.Connection[tuple[object, ...]]:
        """Where it tells of itself."""
        import psycopg

        url = self.url.replace("+psycopg", "").rpartition("/")[0]
        return psycopg.connect(f"{url}/pgbouncer", autocommit=True, connect_timeout=2)
