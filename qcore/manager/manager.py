"""The queue manager: configuration in, open connections out; the usual dispatcher of a process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec

from qcore import dispatcher
from qcore.config import ConnectionSettings, Settings, load_settings
from qcore.drivers import Store
from qcore.envelope import Envelope
from qcore.errors import ConfigurationError
from qcore.flows import Weave
from qcore.identity import acting_as
from qcore.ids import new_id
from qcore.jobs.classes import JobClasses
from qcore.jobs.job import Job
from qcore.jobs.options import Elsewhere
from qcore.jobs.packing import pack
from qcore.jobs.sensitive import mask_error
from qcore.jobs.tracing import spans
from qcore.manager import app as application
from qcore.manager.definitions import defined
from qcore.manager.elsewhere import LocksElsewhere, free, has_locks_elsewhere
from qcore.manager.growth import growth_of
from qcore.manager.hooks import Hooks, tell_queued
from qcore.manager.immediate import Here, run_here, run_pushed
from qcore.manager.opening import Opener
from qcore.manager.pushing import due_now, jobs_in, name_stored, push_all, weave_surely
from qcore.manager.queues import Queues
from qcore.transactions import after_commit

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
        super().__init__(settings)
        self._tracer: Spans | None = None
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

        Returns:
            The manager, in force nowhere yet (`install`, `using`); no store was opened.

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

        Raises:
            ConfigurationError: a setting is wrong, or the application module cannot be imported; the manager before
                stays in force.
        """
        if isinstance(source, Mapping):
            manager = cls(load_settings(flags, app_config={"QUEUE_CONFIG": source}))
        else:
            manager = cls.open(flags, config_file=Path(source) if source else None)
        manager.install()
        return manager

    @classmethod
    def current(cls) -> QueueManager:
        """Return the manager in force, made of the configuration at the first need.

        Raises:
            ConfigurationError: a setting is wrong, or something else takes jobs here that is no manager.
        """
        found = dispatcher.current()
        if not isinstance(found, QueueManager):
            raise ConfigurationError("queues are faked here: there is no QueueManager to ask")
        return found

    def install(self) -> dispatcher.Dispatcher | None:
        """Make this the default of the process; returns the one before."""
        return dispatcher.install(self)

    @contextmanager
    def using(self) -> Iterator[Self]:
        """Use this manager for a block, in this thread or coroutine alone; gives it to the block."""
        with dispatcher.using(self):
            yield self

    # -- dispatch ------------------------------------------------------------------------------------------------

    def dispatch(self, jobs: Sequence[Job], *, session: Any = None) -> Sequence[str | None]:
        """Store jobs, each on its own connection; returns their ids in order, None of one that a unique lock refused.

        Args:
            jobs: any number; every 1,000 of one connection are one atomic step.
            session: an SQLAlchemy session in whose transaction they are stored; those with `after_commit` are
                dispatched once it has been committed.

        Raises:
            PayloadError: a job cannot travel; nothing was stored on any connection.
            ConfigurationError: an option makes no sense, a connection is not there, or a key is missing; likewise.
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
        """Run one job here and now, middleware included; returns what `handle` returns.

        Raises:
            Exception: what the job raises.
            QueueError: as `Job.dispatch_now` raises.
        """
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

        Returns:
            What a store takes; it was stored nowhere.

        Raises:
            PayloadError: an argument, or the class itself, cannot travel, or the whole is above 4 MiB.
            ConfigurationError: an option makes no sense, or a key is needed and missing.
        """
        queue = job.queue or queue or connection.queue
        encrypts = queue in defined.encrypted
        keyring = self.keyring(connection.name)
        tracer = self._tracer  # looked for once for many jobs, by whoever has them sealed
        trace = None if tracer is None else tracer.carried()
        return pack(job, queue=queue, keyring=keyring, encrypts=encrypts, flow=flow, ids=ids, trace=trace)

    def weave(self, connection: ConnectionSettings, weave: Weave, *, session: Any = None) -> int:
        """Store flows, steps and members on a connection; returns how many members are new, see `Driver.weave`.

        Raises:
            QueueError: as the store raises. ConnectionFailed after 5 s of asking again: all of it may have been stored.
        """
        store = self.connection(connection.name)
        if store.capabilities.immediate:
            weave = due_now(weave)
        stored = weave_surely(store, weave, within=session)
        if store.capabilities.immediate:
            self._run_here(store, connection, weave)
        return stored

    def opener(self, connection: str, grants: tuple[str, ...]) -> Opener:
        """Return what opens the payloads of a connection, for one who holds these permissions.

        Raises:
            ConfigurationError: a key is set that is none, or there is no such connection.
        """
        return Opener(self.keyring(connection), self.classes, self.load_entity, grants)

    @property
    def _grants(self) -> tuple[str, ...]:
        """What this process holds where it runs jobs without a worker."""
        return self.settings.worker.grant or ()

    def _connection_of_job(self, job: Job) -> ConnectionSettings:
        if not job.connection:
            return self.connection_of(job.queue)
        try:
            return self.settings.connection(job.connection)
        except ConfigurationError as error:
            mask_error(error, job)
            raise

    def _sealed(self, connection: ConnectionSettings, jobs: Sequence[Job]) -> _Sealed:
        return _Sealed(connection, self.connection(connection.name), jobs, [self.seal(job, connection) for job in jobs])

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
