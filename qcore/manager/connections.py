"""What a manager holds open: the store of each connection, its keys, and what is published there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from qcore.config import ConnectionSettings, Settings
from qcore.crypto.keyring import Keyring
from qcore.drivers import Store, open_store
from qcore.errors import ConfigurationError
from qcore.manager.current import everywhere
from qcore.manager.definitions import defined
from qcore.manager.keys import keyring_of
from qcore.transactions import load_entity


class Connections:
    """The part of a `QueueManager` that is about connections.

    Args:
        settings: from `qcore.config.load_settings`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        """All that was configured, each value with where it was said."""
        self._stores: dict[str, Store] = {}
        self._keyrings: dict[str, Keyring | None] = {}
        self._published: dict[str, int] = {}
        self._lock = threading.RLock()
        self._sessions: Callable[[], Any] | None = None

    @everywhere
    def connection(self, name: str | None = None) -> Store:
        """Return the open store of a connection; first tells it of the queues that were defined since.

        Args:
            name: its key, or its driver where it is the only one of that; None: the default connection.

        Raises:
            ConfigurationError: there is no such connection, its address is not known, or its client library is missing.
            ConnectionFailed: definitions of queues were to be published, and the store did not answer.
        """
        settings = self.settings.connection(name)
        store = self._stores.get(settings.name) or self.look_at(settings.name)
        if self._published.get(settings.name) != defined.version:
            self._publish(settings.name, store)
        return store

    def look_at(self, name: str) -> Store:
        """Return the store of a connection without publishing anything there, whatever state it is in.

        Raises:
            ConfigurationError: there is no such connection, its address is not known, or its client library is missing.
        """
        settings = self.settings.connection(name)
        with self._lock:
            store = self._stores.get(settings.name)
            if store is None:
                store = self._stores[settings.name] = open_store(settings)
        return store

    def connections(self) -> list[str]:
        """Name every configured connection, the default first."""
        return sorted(self.settings.connections, key=lambda name: (name != self.settings.default, name))

    def connection_of(self, queue: str | None) -> ConnectionSettings:
        """Return the connection that a queue's jobs live on: its definition's, or the default.

        Raises:
            ConfigurationError: there is no such connection, or its store's address is not known.
        """
        definition = defined.get(queue) if queue else None
        return self.settings.connection(definition.connection if definition else None)

    def connections_in_use(self) -> list[str]:
        """Name the default connection, and those that the definitions of queues, and the pools, name.

        Raises:
            ConfigurationError: the default, or that of a pool, is none. A queue's that nobody can use is left out.
        """
        named = [name for one in defined.all() if (name := self._usable(one.connection)) is not None]
        pools = [self.settings.connection(pool.connection).name for pool in self.settings.supervisors.values()]
        return list(dict.fromkeys([self.settings.connection().name, *named, *pools]))

    def name_of(self, store: Store) -> str:
        """Name the connection of an open store."""
        return next(name for name, one in self._stores.items() if one is store)

    def connections_known(self) -> list[str]:
        """Name every connection that is configured, those in use first."""
        return list(dict.fromkeys([*self.connections_in_use(), *self.settings.connections]))

    def connections_for(self, queue: str | None) -> list[str]:
        """Name the connections that may hold a queue's jobs; for None all in use.

        Raises:
            ConfigurationError: there is no such connection.
        """
        return self.connections_in_use() if queue is None else [self.connection_of(queue).name]

    def keyring(self, connection: str) -> Keyring | None:
        """Return the keys that sign a connection's payloads; None where none are set.

        Raises:
            ConfigurationError: a key is set that is none, or there is no such connection.
        """
        if connection not in self._keyrings:
            with self._lock:
                self._keyrings[connection] = keyring_of(self.settings, self.settings.connection(connection))
        return self._keyrings[connection]

    @everywhere
    def migrate(self, name: str | None = None) -> list[str]:
        """Bring a connection's schema up to date.

        Args:
            name: of the connection; the default one if None.

        Returns:
            The revisions applied, oldest first; none where it is up to date, or has no schema.

        Raises:
            ConfigurationError: there is no such connection, or its client library is missing.
            SchemaError: the tables are newer than this version of qcore.
            ConnectionFailed: the database did not answer, or refused.
        """
        settings = self.settings.connection(name)
        return list(self.look_at(settings.name).migrate())

    @everywhere
    def sessions(self, factory: Callable[[], Any]) -> None:
        """Say how a worker opens an SQLAlchemy session, to load entities that travelled by primary key.

        Args:
            factory: called without arguments for each entity; a `sessionmaker` or `scoped_session` will do.
        """
        self._sessions = factory

    def _publish(self, name: str, store: Store) -> None:
        version = defined.version
        mine = [one for one in defined.all() if self._lives_on(one.connection, name)]
        if mine:
            store.define(mine)
        self._published[name] = version

    def _usable(self, connection: str | None) -> str | None:
        """The name of a definition's connection; None for one without an address here, which holds nothing of ours."""
        try:
            return self.settings.connection(connection).name
        except ConfigurationError:
            return None

    def _lives_on(self, connection: str | None, name: str) -> bool:
        """Whether a definition's connection is the one of this name; one that nobody can use yet is not."""
        return self._usable(connection) == name

    def load_entity(self, cls: type, key: tuple[Any, ...]) -> Any:
        """Load an entity that travelled by primary key, through the factory given to `sessions`; returns it.

        Raises:
            PayloadError: no factory was given, or the row is gone.
        """
        return load_entity(self._sessions, cls, key)

    def close(self) -> None:
        """Close every store; they open anew when used again."""
        with self._lock:
            for store in self._stores.values():
                store.close()
