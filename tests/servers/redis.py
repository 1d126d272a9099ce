"""A Redis server."""

from __future__ import annotations

from servers.base import Server


class Redis(Server):
    """Keeps every write in its append-only file, so that it may be stopped and started."""

    name = "redis"
    package = "redis-server"
    program = "redis-server"
    accounts = ("redis",)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        return [
            *(self.find() or self.program, "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--dir", str(self.folder), "--databases", "64", "--save", ""),
            *("--appendonly", "yes", "--appendfsync", "everysec"),
        ]

    def probe(self) -> str:
        import redis

        with redis.Redis(port=self.port, socket_timeout=2) as client:
            client.ping()  # INFO answers while the file of writes is still being read, PING does not
            return str(client.info("server")["redis_version"])
