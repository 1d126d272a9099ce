"""A PostgreSQL server."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path

from servers.base import Server

_QUICK = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "listen_addresses": "127.0.0.1",
    "log_min_messages": "fatal",
}


class PostgreSQL(Server):
    """Trusts whoever comes over the loopback interface."""

    name = "postgresql"
    package = "postgresql"
    program = "postgres"
    accounts = ("postgres",)

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://qctl@127.0.0.1:{self.port}/postgres"

    @classmethod
    def extra_folders(cls) -> Iterable[Path]:
        versions = Path("/usr/lib/postgresql").glob("*/bin")
        return sorted(versions, key=lambda folder: float(folder.parent.name), reverse=True)

    def prepare(self) -> None:
        self.run(
            self.find("initdb") or "initdb",
            *("-D", "data", "-U", "qctl", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"),
        )

    def command(self) -> list[str]:
        options = [f"--{name}={value}" for name, value in _QUICK.items()]
        place = [f"--port={self.port}", f"--unix_socket_directories={self.folder}"]
        return [self.find() or self.program, "-D", str(self.folder / "data"), *options, *place]

    def probe(self) -> str:
        import psycopg

        with psycopg.connect(self.url.replace("+psycopg", ""), connect_timeout=2) as connection:
            (version,) = connection.execute("SHOW server_version").fetchone() or ("",)
        return str(version).split()[0]

    def stop_signal(self) -> signal.Signals:
        return signal.SIGINT  # fast: connections are ended, not waited for
