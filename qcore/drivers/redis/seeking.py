"""The server that others name: the master of a name as Sentinels have it, or the node of a Cluster with our keys.

Whoever connects asks anew: a failover costs those who were connected an error, and nobody a restart.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError

from qcore.drivers.redis.reasons import reason_of

Make = Callable[..., Any]
"""Makes a connection of the library, which is half typed; nothing is connected yet."""


class Endpoint(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Sought(ABC):
    """The server that one of several guides names.

    Args:
        guides: where they listen.
        ask: makes a connection to a guide.
        make: makes a connection to the server.
    """

    moves = True

    def __init__(self, guides: Sequence[Endpoint], ask: Make, make: Make) -> None:
        self._guides = tuple(guides)
        self._ask = ask
        self._make = make

    def connect(self) -> Any:
        """Connect to the server named by the first guide that knows one."""
        endpoint = self._find()
        connection = connected(self._make(host=endpoint.host, port=endpoint.port))
        try:
            self.check(connection)
        except BaseException:
            connection.disconnect()
            self.doubt()
            raise
        return connection

    def doubt(self) -> None:
        """Ask the first guide last."""
        first, *others = self._guides
        self._guides = (*others, first)

    @abstractmethod
    def named_by(self, connection: Any, guide: Endpoint) -> Endpoint | None:
        """The server that a guide names; None where it knows none."""

    @abstractmethod
    def check(self, connection: Any) -> None:
        """Raise `RedisError` where the server denies that it is the one."""

    @abstractmethod
    def unknown(self) -> str:
        """What no guide knows, in a message."""

    def _find(self) -> Endpoint:
        answers = []
        for guide in (guides := self._guides):
            try:
                found = self._named(guide)
            except (RedisError, OSError) as error:
                answers.append(f"{guide} ({reason_of(error).text})")
                continue
            if found is not None:
                self._guides = (guide, *(other for other in guides if other != guide))  # the silent ones are asked last
                return found
            answers.append(f"{guide} (it knows none)")
        raise NoConnection(f"no answer leads to {self.unknown()}; asked: {', '.join(answers)}")

    def _named(self, guide: Endpoint) -> Endpoint | None:
        connection = self._ask(host=guide.host, port=guide.port)
        try:
            return self.named_by(connected(connection), guide)
        finally:
            connection.disconnect()


class BySentinel(Sought):
    """The master of a name, as Sentinels have it."""

    def __init__(self, guides: Sequence[Endpoint], ask: Make, make: Make, *, name: str) -> None:
        super().__init__(guides, ask, make)
        self._name = name

    def named_by(self, connection: Any, guide: Endpoint) -> Endpoint | None:
        """Ask for the master's address."""
        del guide
        said = _asked(connection, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name)
        return None if said is None else Endpoint(said[0].decode(), int(said[1]))

    def check(self, connection: Any) -> None:
        """Between a failover and the news of it, the old master may be named still."""
        role = _asked(connection, "ROLE")[0].decode()
        if role != "master":
            raise NoConnection(f'the Sentinels name a server as master "{self._name}" whose role is {role}')

    def unknown(self) -> str:
        """The master, by its name."""
        return f'a master "{self._name}"'


class ByCluster(Sought):
    """The node that has the keys of a connection: all of them lie in one slot."""

    def __init__(self, guides: Sequence[Endpoint], ask: Make, make: Make, *, slot: int) -> None:
        super().__init__(guides, ask, make)
        self._slot = slot

    def named_by(self, connection: Any, guide: Endpoint) -> Endpoint | None:
        """Look for the slot's owner in the guide's map of the cluster."""
        for first, last, owner, *_ in _asked(connection, "CLUSTER", "SLOTS"):
            if first <= self._slot <= last:
                host, port = owner[:2]
                return Endpoint(host.decode() if host else guide.host, port)  # none: "where you found me"
        return None

    def check(self, connection: Any) -> None:
        """A node that has not the keys says so by itself, to every command."""

    def unknown(self) -> str:
        """The node, by its slot."""
        return f"the node of slot {self._slot}"


def connected(connection: Any) -> Any:
    """Connect, and give the connection back."""
    connection.connect()
    return connection


def _asked(connection: Any, *command: str) -> Any:
    connection.send_command(*command)
    return connection.read_response()
