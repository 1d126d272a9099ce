"""The queue manager: configuration in, open connections out; the usual dispatcher of a process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec

from qcore import dispatcher
from qcore.config import ConnectionSettings, Settings, load_settings
from qcore.crypto.keyring import Keyring
from qcore.drivers import Store, open_store
from qcore.envelope import Envelope
from qcore.errors import ConfigurationError
from qcore.flows import Weave
from qcore.identity import acting_as
from qcore.ids import new_id
from qcore.jobs.classes import JobClasses
from qcore.jobs.job import Job
from qcore.jobs.options import Elsewhere
from qcore.jobs.packing import pack
from qcore.jobs.tracing import spans
from qcore.manager import app as application
from qcore.manager.current import everywhere
from qcore.manager.definitions import defined
from qcore.manager.elsewhere import LocksElsewhere, free, has_locks_elsewhere
from qcore.manager.growth import growth_of
from qcore.manager.hooks import Hooks, tell_queued
from qcore.manager.immediate import Here, run_here, run_pushed
from qcore.manager.keys import keyring_of
from qcore.manager.opening import Opener
from qcore.manager.pushing import due_now, jobs_in, name_stored, push_all, weave_surely
from qcore.manager.queues import Queues
from qcore.transactions import after_commit, load_entity

if TYPE_CHECKING:
    from qcore.jobs.spans import Spans


class _Sealed(NamedTuple):
    """Jobs of one connection, ready to be stored."""

    connection: ConnectionSettings
    store: Store
    jobs: Sequence[Job]
    envelopes: Sequence[Envelope]


class QueueManager(Hooks, Queues):
    """Opens connections by their settings, dispatches jobs to them, and answers simple questions about queues.

    Called on the class, its methods act on the manager in force: that of a `using` block, else the process's.

    Args:
        settings: from `qcore.config.load_settings`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._stores: dict[str, Store] = {}
        self._tracer: Spans | None = None
        self._keyrings: dict[str, Keyring | None] = {}
        self._published: dict[str, int] = {}
        self._lock = threading.RLock()
        self._sessions: Callable[[], Any] | None = None
        self.classes: JobClasses = application.classes_of(settings)
        """The job classes that may run here."""

    @classmethod
    def open(
        cls,
        flags: Mapping[str, Any] | None = None,
        *,
        config_file: Path | None = None,
        profile: str | None = None,
        app_config: Mapping[str, Any] | None = None,
    ) -> Self:
        """Build a manager from flags, environment, files and the application module (imported here).

        Args:
            flags: settings that beat all others.
            config_file: the file to read instead of the one that is found.
            profile: which of the file's profiles.
            app_config: `QUEUE_CONFIG` and `STORES` of a framework, which beat those of the module.

        Raises:
            ConfigurationError: a setting is wrong, or the module cannot be imported.
        """
        settings = load_settings(flags, config_file=config_file, profile=profile, app_config=app_config)
        if settings.app:
            found = application.settings_of(application.import_app(settings.app))
            if found:
                both = found | dict(app_config or {})
                settings = load_settings(flags, config_file=config_file, profile=profile, app_config=both)
        return cls(settings)

    @classmethod
    def configure(cls, source: Mapping[str, Any] | str | Path | None = None, **flags: Any) -> Self:
        """Configure this process and make the manager its default.

        Args:
            source: a mapping in the form of `QUEUE_CONFIG`, or the path of a configuration file.
            flags: single settings that beat it: `url="redis://…"`, `app="shop.queues"`.

        Returns:
            The manager, installed.
        """
        if isinstance(source, Mapping):
            manager = cls(load_settings(flags, app_config={"QUEUE_CONFIG": source}))
        else:
            manager = cls.open(flags, config_file=Path(source) if source else None)
        manager.install()
        return manager

    @classmethod
    def current(cls) -> QueueManager:
        """Return the manager in force; raises ConfigurationError where there is none: queues are faked, not managed."""
        found = dispatcher.current()
        if not isinstance(found, QueueManager):
            raise ConfigurationError("queues are faked here: there is no QueueManager to ask")
        return found

    def install(self) -> dispatcher.Dispatcher | None:
        """Make this the default of the process; returns the one before."""
        return dispatcher.install(self)

    @contextmanager
    def using(self) -> Iterator[Self]:
        """Use this manager for a block."""
        with dispatcher.using(self):
            yield self

    def close(self) -> None:
        """Close every store; they open anew when used again."""
        with self._lock:
            for store in self._stores.values():
                store.close()

    # -- connections ---------------------------------------------------------------------------------------------

    @everywhere
    def connection(self, name: str | None = None) -> Store:
        """Return the open store of a connection, found by its key or as the only one of that driver.

        Raises:
            ConfigurationError: there is no such connection, or its client library is missing.
        """
        settings = self.settings.connection(name)
        store = self._stores.get(settings.name) or self.look_at(settings.name)
        if self._published.get(settings.name) != defined.version:
            self._publish(settings.name, store)
        return store

    def look_at(self, name: str) -> Store:
        """Return the store of a connection without publishing anything there, whatever state it is in."""
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
        """Return the connection that a queue's jobs live on: its definition's, or the default."""
        definition = defined.get(queue) if queue else None
        return self.settings.connection(definition.connection if definition else None)

    def connections_in_use(self) -> list[str]:
        """Name the default connection, and those that the definitions of queues, and the pools, name."""
        named = [name for one in defined.all() if (name := self._usable(one.connection)) is not None]
        pools = [self.settings.connection(pool.connection).name for pool in self.settings.supervisors.values()]
        return list(dict.fromkeys([self.settings.connection().name, *named, *pools]))

    def connections_for(self, queue: str | None) -> list[str]:
        """Name the connections that may hold a queue's jobs; for None all in use."""
        return self.connections_in_use() if queue is None else [self.connection_of(queue).name]

    def keyring(self, connection: str) -> Keyring | None:
        """Return the keys that sign a connection's payloads; None where none are set."""
        if connection not in self._keyrings:
            with self._lock:
                self._keyrings[connection] = keyring_of(self.settings, self.settings.connection(connection))
        return self._keyrings[connection]

    @everywhere
    def migrate(self, name: str | None = None) -> list[str]:
        """Bring a connection's schema up to date; returns the revisions applied."""
        settings = self.settings.connection(name)
        return list(self.look_at(settings.name).migrate())

    @everywhere
    def sessions(self, factory: Callable[[], Any]) -> None:
        """Say how a worker opens an SQLAlchemy session, to load entities that travelled by primary key."""
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

    # -- dispatch ------------------------------------------------------------------------------------------------

    def dispatch(self, jobs: Sequence[Job], *, session: Any = None) -> Sequence[str | None]:
        """Store jobs, each on its own connection; returns their ids in order.

        Args:
            jobs: any number; every 1,000 of one connection are one atomic step.
            session: an SQLAlchemy session in whose transaction they are stored; those with `after_commit` are
                dispatched once it has been committed.

        Raises:
            PayloadError: a job cannot travel; nothing was stored on any connection.
            QueueError: as the stores raise; its `stored_ids` and its message name what was stored before, there and
                on other connections.
        """
        tracer = self._spans
        if tracer is None:
            return self._dispatch(jobs, session)
        with tracer.dispatching(jobs):
            return self._dispatch(jobs, session)

    def _dispatch(self, jobs: Sequence[Job], session: Any) -> Sequence[str | None]:
        if len(jobs) == 1:
            return self._store(self._sealed(self._connection_of_job(jobs[0]), jobs), session)
        groups: dict[str, list[int]] = {}
        for index, job in enumerate(jobs):
            groups.setdefault(self._connection_of_job(job).name, []).append(index)
        ready = [self._sealed(self.settings.connection(name), [jobs[i] for i in at]) for name, at in groups.items()]
        ids: list[str | None] = [None] * len(jobs)
        for indexes, stored in zip(groups.values(), self._store_each(ready, session), strict=True):
            for index, job_id in zip(indexes, stored, strict=True):
                ids[index] = job_id
        return ids

    @property
    def _spans(self) -> Spans | None:
        """What traces the jobs that are dispatched and run here, if anything does yet."""
        found = self._tracer
        if found is None:
            found = self._tracer = spans(self.settings.tracing)
            if found is not None:
                found.cover()
        return found

    def trace(self) -> None:
        """Trace the jobs that this process runs or has sealed, where they are to be traced.

        Raises:
            ConfigurationError: they are, and cannot be.
        """
        self._spans  # noqa: B018  whoever looks keeps what is found

    acting_as = staticmethod(acting_as)

    def dispatch_now(self, job: Job) -> Any:
        """Run one job here and now, middleware included; returns what `handle` returns."""
        self.trace()
        return run_here(job, job.queue or self._connection_of_job(job).queue, grants=self._grants)

    def seal(
        self,
        job: Job,
        connection: ConnectionSettings,
        *,
        flow: str | None = None,
        queue: str | None = None,
        ids: Callable[[], str] = new_id,
    ) -> Envelope:
        """Pack a job for a connection: its queue, signed with the connection's keys, encrypted where that is asked.

        Args:
            job: to pack.
            connection: where it goes.
            flow: what it is to a batch, chain or graph (`flows.membership`).
            queue: where it goes if it names none itself.
            ids: makes the job's id.
        """
        queue = job.queue or queue or connection.queue
        encrypts = queue in defined.encrypted
        keyring = self.keyring(connection.name)
        tracer = self._tracer  # looked for once for many jobs, by whoever has them sealed
        trace = None if tracer is None else tracer.carried()
        return pack(job, queue=queue, keyring=keyring, encrypts=encrypts, flow=flow, ids=ids, trace=trace)

    def weave(self, connection: ConnectionSettings, weave: Weave, *, session: Any = None) -> int:
        """Store flows, steps and members on a connection; returns how many members are new, see `Driver.weave`."""
        store = self.connection(connection.name)
        if store.capabilities.immediate:
            weave = due_now(weave)
        stored = weave_surely(store, weave, within=session)
        if store.capabilities.immediate:
            self._run_here(store, connection, weave)
        return stored

    def opener(self, connection: str, grants: tuple[str, ...]) -> Opener:
        """Return what opens the payloads of a connection, for one who holds these permissions."""
        return Opener(self.keyring(connection), self.classes, self.load_entity, grants)

    def load_entity(self, cls: type, key: tuple[Any, ...]) -> Any:
        """Load an entity that travelled by primary key, through the factory given to `sessions`; returns it."""
        return load_entity(self._sessions, cls, key)

    @property
    def _grants(self) -> tuple[str, ...]:
        """What this process holds where it runs jobs without a worker."""
        return self.settings.worker.grant or ()

    def _connection_of_job(self, job: Job) -> ConnectionSettings:
        return self.settings.connection(job.connection) if job.connection else self.connection_of(job.queue)

    def _sealed(self, connection: ConnectionSettings, jobs: Sequence[Job]) -> _Sealed:
        store = self.connection(connection.name)
        return _Sealed(connection, store, jobs, [self.seal(job, connection) for job in jobs])

    def _store_each(self, ready: Sequence[_Sealed], session: Any) -> list[Sequence[str | None]]:
        """Store the jobs of several connections, one after the other; an error names what those before it stored."""
        stored: list[Sequence[str | None]] = []
        for sealed in ready:
            try:
                stored.append(self._store(sealed, session))
            except Exception as error:
                if session is None:  # else nothing is stored before its commit
                    names = ", ".join(one.connection.name for one in ready[: len(stored)])
                    name_stored(error, [job_id for ids in stored for job_id in ids if job_id], where=f"on {names} ")
                raise
        return stored

    def _store(self, sealed: _Sealed, session: Any) -> Sequence[str | None]:
        connection, store, jobs, envelopes = sealed
        if session is None:
            return self._push(store, connection, envelopes)
        waiting = [envelope for envelope, job in zip(envelopes, jobs, strict=True) if job.after_commit]
        direct = [envelope for envelope, job in zip(envelopes, jobs, strict=True) if not job.after_commit]
        stored = self._push_all(store, connection, direct, within=session) if direct else ()
        if direct:
            tell_queued(connection.name, direct, stored, session)
        if waiting:
            after_commit(session, lambda: self._push(store, connection, waiting))
        ids = iter(stored)  # of those that wait nobody knows yet whether a lock refuses them
        return [envelope.id if job.after_commit else next(ids) for envelope, job in zip(envelopes, jobs, strict=True)]

    def _push(
        self, store: Store, connection: ConnectionSettings, envelopes: Sequence[Envelope]
    ) -> Sequence[str | None]:
        if not store.capabilities.immediate:
            ids = self._push_all(store, connection, envelopes)
            tell_queued(connection.name, envelopes, ids)
            return ids
        now = [msgspec.structs.replace(envelope, delay_us=0, due_us=None) for envelope in envelopes]
        ids = self._push_all(store, connection, now)
        tell_queued(connection.name, now, ids)
        self._run_queues(store, connection, dict.fromkeys(envelope.queue for envelope in now))
        return ids

    def _run_here(self, store: Store, connection: ConnectionSettings, weave: Weave) -> None:
        """Run what a weave stored, and what follows from it."""
        self._run_queues(store, connection, dict.fromkeys(envelope.queue for envelope in jobs_in(weave)))

    def _run_queues(self, store: Store, connection: ConnectionSettings, queues: Iterable[str]) -> None:
        opener = self.opener(connection.name, self._grants)
        grow = partial(growth_of, self, connection)
        run_pushed(store, list(queues), Here(opener, self.free_elsewhere, connection.name, self._grants, grow))

    def _push_all(
        self, store: Store, connection: ConnectionSettings, envelopes: Sequence[Envelope], *, within: Any = None
    ) -> Sequence[str | None]:
        """Push, and take the locks that other connections keep before."""
        if not has_locks_elsewhere(envelopes):
            return push_all(store, envelopes, within=within)
        with LocksElsewhere(self, connection.name, envelopes, within) as locks:
            return locks.answer(push_all(store, locks.granted, within=within) if locks.granted else ())

    def free_elsewhere(self, lock: Elsewhere, job_id: str) -> None:
        """Free a job's lock that another connection keeps; where that does not answer, the lock's own time ends it."""
        free(self, lock, job_id)
