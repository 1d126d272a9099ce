"""A MariaDB server."""

from __future__ import annotations

from servers.base import Server


class MariaDB(Server):
    """Lets `qctl` in over the loopback interface without a password."""

    name = "mariadb"
    package = "mariadb-server"
    program = "mariadbd"
    accounts = ("mysql",)

    @property
    def url(self) -> str:
        return f"mysql+pymysql://qctl@127.0.0.1:{self.port}/qctl"

    def prepare(self) -> None:
        (self.folder / "user.sql").write_text(
            "FLUSH PRIVILEGES;\n"
            "CREATE USER 'qctl'@'127.0.0.1';\n"
            "GRANT ALL ON *.* TO 'qctl'@'127.0.0.1' WITH GRANT OPTION;\n"
            "CREATE DATABASE qctl;\n"
        )
        self.run(
            self.find("mariadb-install-db") or "mariadb-install-db",
            *("--no-defaults", f"--datadir={self.folder}/data", "--skip-test-db", "--skip-name-resolve"),
            *("--auth-root-authentication-method=normal", f"--extra-file={self.folder}/user.sql"),
            f"--tmpdir={self.folder}",  # two that begin at once would take each other's temporary tables away
        )

    def command(self) -> list[str]:
        return [
            *(self.find() or self.program, "--no-defaults", f"--datadir={self.folder}/data"),
            *(f"--port={self.port}", "--bind-address=127.0.0.1", f"--socket={self.folder}/mariadb.sock"),
            *(f"--pid-file={self.folder}/mariadb.pid", "--skip-name-resolve", "--skip-log-bin"),
            *("--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M", "--max-connections=200"),
            *("--character-set-server=utf8mb4", "--max-allowed-packet=64M", f"--tmpdir={self.folder}"),
        ]

    def probe(self) -> str:
        import pymysql

        connection = pymysql.connect(host="127.0.0.1", port=self.port, user="qctl", connect_timeout=2)
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT VERSION()")
            (version,) = cursor.fetchone() or ("",)
        return str(version).split("-")[0]
