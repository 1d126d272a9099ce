"""Redis servers that stand together: a master and a replica under three Sentinels, and a Cluster."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from servers.base import free_port
from servers.redis import Redis

NAME = "main"
"""What the Sentinels call the master."""
SECRET = "guide"
"""The Sentinels' own password."""
_SLOTS = 16384
_AGREE_S = 30.0


class Replica(Redis):
    """A server that follows another."""

    def __init__(self, folder: Path, master: Redis) -> None:
        super().__init__(folder)
        self._master = master

    def command(self) -> list[str]:
        return [*super().command(), "--replicaof", f"127.0.0.1 {self._master.port}", "--repl-diskless-sync-delay", "0"]


class Sentinel(Redis):
    """Watches a master, and names another when it is gone."""

    def __init__(self, folder: Path, master: Redis) -> None:
        super().__init__(folder)
        self._master = master

    def prepare(self) -> None:
        path = self.folder / "sentinel.conf"
        path.write_text(
            f"port {self.port}\nbind 127.0.0.1\nrequirepass {SECRET}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {self._master.port} 2\n"
            f"sentinel down-after-milliseconds {NAME} 1000\nsentinel failover-timeout {NAME} 5000\n"
        )
        self.give_away(path)

    def command(self) -> list[str]:
        return [self.find() or self.program, str(self.folder / "sentinel.conf"), "--sentinel"]

    def client(self) -> Any:
        import redis

        return redis.Redis(port=self.port, password=SECRET, socket_timeout=2, decode_responses=True)

    def probe(self) -> str:
        with self.client() as client:
            return str(client.info("server")["redis_version"])


class Node(Redis):
    """A node of a Cluster."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.bus = free_port()

    def command(self) -> list[str]:
        both = ["--cluster-enabled", "yes", "--cluster-port", str(self.bus), "--cluster-node-timeout", "2000"]
        return [*super().command(), *both, "--cluster-replica-validity-factor", "0", "--databases", "1"]


class Watched:
    """A master and its replica under three Sentinels; `url` leads to whoever is master."""

    def __init__(self, folder: Path) -> None:
        self.master = Redis(folder / "master")
        self.replica = Replica(folder / "replica", self.master)
        self.sentinels = [Sentinel(folder / f"sentinel{number}", self.master) for number in range(3)]

    @property
    def hosts(self) -> str:
        """Of the Sentinels, as a URL has them."""
        return ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)

    @property
    def url(self) -> str:
        return f"redis+sentinel://{self.hosts}/{NAME}/0?sentinel_password={SECRET}"

    def start(self) -> None:
        """Start all; returns once the Sentinels know each other and the replica."""
        for server in (self.master, self.replica, *self.sentinels):
            server.start()
        agreed(self._is_whole, "the Sentinels know each other and the replica")

    def stop(self) -> None:
        for server in (*self.sentinels, self.replica, self.master):
            server.stop(crash=True)

    def replicated(self) -> None:
        """Return once the replica has all that the master has."""
        with client_of(self.master) as client:
            client.execute_command("SET", "replicated", "1")
            assert client.wait(1, 10_000) == 1

    def await_master(self, server: Redis) -> None:
        """Return once every Sentinel names this server."""
        agreed(lambda: all(_named(one) == server.port for one in self.sentinels), "the Sentinels name the other")

    def _is_whole(self) -> bool:
        for sentinel in self.sentinels:
            with sentinel.client() as client:
                state = client.sentinel_master(NAME)
            if (state["num-slaves"], state["num-other-sentinels"]) != (1, 2):
                return False
        return True


class Cluster:
    """Three masters, and a replica of each of them."""

    def __init__(self, folder: Path) -> None:
        self.masters = [Node(folder / f"master{number}") for number in range(3)]
        self.replicas = [Node(folder / f"replica{number}") for number in range(3)]

    @property
    def nodes(self) -> list[Node]:
        return [*self.masters, *self.replicas]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.masters)

    def start(self) -> None:
        """Start all; returns once every node knows who has which slot."""
        for node in self.nodes:
            node.start()
        with ExitStack() as opened:
            first, *others = clients = [opened.enter_context(client_of(node)) for node in self.nodes]
            for number, client in enumerate(clients[:3]):
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                begin, end = (_SLOTS * n // 3 for n in (number, number + 1))
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", begin, end - 1)
            for node in self.nodes[1:]:
                first.execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, node.bus)
            agreed(lambda: all(_known(one) == len(clients) for one in clients), "the nodes know each other")
            for replica, master in zip(others[2:], clients, strict=False):
                replica.execute_command("CLUSTER", "REPLICATE", master.execute_command("CLUSTER", "MYID"))
            agreed(lambda: all(_is_well(one) for one in clients), "the cluster is up, with its replicas")

    def stop(self) -> None:
        for node in self.nodes:
            node.stop(crash=True)

    def owner(self, slot: int) -> int:
        """Which of the masters had the slot at the beginning."""
        return next(number for number in range(3) if slot < _SLOTS * (number + 1) // 3)


@contextmanager
def client_of(server: Redis) -> Iterator[Any]:
    """A plain client of one server."""
    import redis

    with contextlib.closing(redis.Redis(port=server.port, socket_timeout=5, decode_responses=True)) as client:
        yield client


def agreed(is_so: Callable[[], bool], what: str) -> None:
    """Return once something is so that servers settle among themselves; they tell nobody when."""
    until = time.monotonic() + _AGREE_S
    while not is_so():
        assert time.monotonic() < until, f"not within {_AGREE_S:g} s: {what}"
        time.sleep(0.05)


def _named(sentinel: Sentinel) -> int:
    with sentinel.client() as client:
        return int(client.sentinel_get_master_addr_by_name(NAME)[1])


def _known(client: Any) -> int:
    return len(_nodes(client))


def _is_well(client: Any) -> bool:
    nodes = _nodes(client)
    is_up = "cluster_state:ok" in str(client.execute_command("CLUSTER", "INFO", NEVER_DECODE=True))
    return is_up and sum("slave" in flags for flags in nodes) == len(nodes) // 2


def _nodes(client: Any) -> list[str]:
    said = client.execute_command("CLUSTER", "NODES", NEVER_DECODE=True)
    lines = (said.decode() if isinstance(said, bytes) else said).splitlines()
    return [line.split()[2] for line in lines if "handshake" not in line]
