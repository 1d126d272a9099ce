"""`QueueFake`: takes what is dispatched in place of the stores, remembers it, and runs it when a test says so."""

from __future__ import annotations

import functools
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextvars import Context
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from os import urandom
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast

import msgspec

from qcore import dispatcher
from qcore.clock import instant
from qcore.config import ConnectionSettings, Settings
from qcore.drivers import Store
from qcore.envelope import Envelope
from qcore.flows import Weave, flow_in
from qcore.jobs.job import Job
from qcore.manager import QueueManager
from qcore.testing.apart import apart
from qcore.testing.assertions import Assertions
from qcore.testing.clock import SkippingClock
from qcore.testing.line import Line, Turn
from qcore.testing.matching import JobLike, class_of, listed
from qcore.testing.pushed import Pushed, flows_in, works_in

P = ParamSpec("P")
R = TypeVar("R")
_AT_ONCE = 1000


class QueueFake(Assertions, QueueManager):
    """Takes jobs in place of the stores, from its making on, until `stop()` or the end of its `with` block.

    A dispatch goes all the way that a real one goes (options, arguments, signature, unique locks, capacity), and ends
    in this process's memory: what would be refused is refused here, and nothing runs before `run()`.

        fake = QueueFake()  # or `with QueueFake() as fake:`, `@QueueFake()`, the fixture `queue_fake`
        SendEmailJob.dispatch("a@b.c", "Hello", "World")
        fake.assert_pushed_on("emails", SendEmailJob, where=lambda job: job.to_email == "a@b.c")

    Batches, chains and graphs are always faked, whole.

    Args:
        jobs: fake only these classes and `@job` functions; others are dispatched as they would be without it.
        except_: fake all but these.
        settings: whose connections and queues there are; those in force if None.

    Raises:
        TypeError: one of the jobs is no job class and no `@job` function, or `except_` is no list of them.
        ConfigurationError: none is in force yet, and the configuration is wrong.

    Source: Laravel's `Queue::fake` and `Bus::fake`, which note a job and refuse nothing that a store would refuse.
    """

    def __init__(self, *jobs: JobLike, except_: Sequence[JobLike] = (), settings: Settings | None = None) -> None:
        self._given: dict[str, Any] = {"except_": except_, "settings": settings}
        self._only = tuple(map(class_of, jobs))
        self._except = tuple(map(class_of, listed(except_)))
        self._clock = SkippingClock()
        self._block = dispatcher.of_block()
        self._before = dispatcher.default()
        Assertions.__init__(self)
        QueueManager.__init__(self, _faked(settings or self._settings_in_force(), self._clock))
        self._sealing: dict[str, Job] = {}
        self._known: dict[str, Any] = {}
        dispatcher.install(self)
        if self._block is not None:
            dispatcher.replace_in_block(self)

    # -- life ------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Let jobs go where they went before; fakes may be stopped in any order."""
        if dispatcher.default() is self:
            dispatcher.install(self._before)
        if dispatcher.of_block() is self:
            dispatcher.replace_in_block(self._block)
        for fake in _in_force():
            fake._before = self._before if fake._before is self else fake._before
            fake._block = self._block if fake._block is self else fake._block
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Fake the queue while a function runs, sync or async, anew each time; `QueueFake.current()` is the fake.

        Args:
            function: sync or async.

        Returns:
            The function, faked.

        Raises:
            TypeError: it is a class or a generator, around which no block can stand.
        """
        self.stop()
        if isinstance(function, type) or isgeneratorfunction(function) or isasyncgenfunction(function):
            what = "a class" if isinstance(function, type) else "a generator"
            raise TypeError(
                f"@QueueFake() goes round functions, and {function.__qualname__} is {what}; "
                "use `with QueueFake()` inside it, or stop() in its teardown"
            )

        def fresh() -> QueueFake:
            return type(self)(*self._only, **self._given)

        @functools.wraps(function)
        async def awaiting(*args: P.args, **kwargs: P.kwargs) -> Any:
            with fresh():
                return await function(*args, **kwargs)  # type: ignore[misc]  # it is a coroutine function

        @functools.wraps(function)
        def calling(*args: P.args, **kwargs: P.kwargs) -> R:
            with fresh():
                return function(*args, **kwargs)

        return awaiting if iscoroutinefunction(function) else calling  # type: ignore[return-value]  # as given

    # -- taking ----------------------------------------------------------------------------------------------------

    def dispatch(self, jobs: Sequence[Job], *, session: Any = None) -> Sequence[str | None]:
        """Take jobs; those that are not faked go where they went before. Returns ids as `QueueManager.dispatch` does.

        With a session they are taken at once, and those with `after_commit` when it has been committed.

        Raises:
            QueueError: as `Job.dispatch` raises: what a store would refuse is refused.
        """
        faked = [self._is_faked(job) for job in jobs]
        if all(faked):
            return self._take(jobs, session)
        mine = iter(self._take([job for job, is_mine in zip(jobs, faked, strict=True) if is_mine], session))
        others = [job for job, is_mine in zip(jobs, faked, strict=True) if not is_mine]
        theirs = iter(self._real.dispatch(others, session=session))
        return [next(mine if is_mine else theirs) for is_mine in faked]

    def seal(self, job: Job, connection: ConnectionSettings, **more: Any) -> Envelope:
        """Pack a job, and remember which one it was; returns and raises as `QueueManager.seal` does."""
        envelope = super().seal(job, connection, **more)
        self._sealing[envelope.id] = job
        return envelope

    def weave(self, connection: ConnectionSettings, weave: Weave, *, session: Any = None) -> int:
        """Take a batch, chain or graph, or more members of one; returns how many are new."""
        del session
        stored = super().weave(connection, weave)
        if weave.extends is None:
            opened = flows_in(weave, self._sealing, connection.name)
            self._known.update((flow.id, flow) for flow in opened)
            self.flows.append(opened[0])
        elif weave.extends in self._known:
            nested = flows_in(weave, self._sealing, connection.name)
            known = {**self._known, **{flow.id: flow for flow in nested}}
            self._known[weave.extends].jobs += works_in(weave, weave.extends, self._sealing, known)
        steps = [step.envelope for step in weave.steps if step.envelope is not None]
        for envelope in sorted([*weave.members, *steps], key=lambda one: one.id):
            self._note(envelope, connection.name)
        return stored

    def _take(self, jobs: Sequence[Job], session: Any) -> Sequence[str | None]:
        if session is None:
            return super().dispatch(jobs)
        later = [job for job in jobs if job.after_commit]
        ids = dict(zip(map(id, later), super().dispatch(later, session=session), strict=True)) if later else {}
        now = [job for job in jobs if not job.after_commit]
        ids.update(zip(map(id, now), super().dispatch(now), strict=True))
        return [ids[id(job)] for job in jobs]

    def _push_all(
        self, store: Store, connection: ConnectionSettings, envelopes: Sequence[Envelope], *, within: Any = None
    ) -> Sequence[str | None]:
        ids = super()._push_all(store, connection, envelopes, within=within)
        for envelope, job_id in zip(envelopes, ids, strict=True):
            if job_id is not None:
                self._note(envelope, connection.name)
        return ids

    def _note(self, envelope: Envelope, connection: str) -> None:
        job = self._sealing.get(envelope.id)
        if job is None:
            return
        now_us = self._clock.wall_us()
        due_us = now_us + envelope.delay_us if envelope.due_us is None else envelope.due_us
        is_later = due_us > now_us
        self.pushes.append(
            Pushed(
                id=envelope.id,
                job=job,
                queue=envelope.queue,
                connection=connection,
                delay_s=(due_us - now_us) / 1e6 if is_later else 0.0,
                due_at=instant(due_us) if is_later else None,
                flow=None if envelope.flow is None else flow_in(envelope.flow),
            )
        )

    def _is_faked(self, job: Job) -> bool:
        return (not self._only or isinstance(job, self._only)) and not isinstance(job, self._except)

    @property
    def _real(self) -> dispatcher.Dispatcher:
        """Where jobs went before; made at the first need, as it would have been."""
        if self._block is not None:
            return self._block
        if self._before is None:
            now = dispatcher.install(None)
            self._before = Context().run(dispatcher.current)  # the process's own, whatever block is around
            dispatcher.install(now)
        return self._before

    def _settings_in_force(self) -> Settings:
        before = self._block or self._before
        return before.settings if isinstance(before, QueueManager) else QueueManager.open().settings

    # -- running ---------------------------------------------------------------------------------------------------

    def run(self, *, delayed: bool = True) -> int:
        """Run what was pushed, in order, and what that pushes: one attempt each, as on a sync connection.

        A larger priority comes first, then what is due earlier, then what was pushed earlier, whatever the queue.
        Batches count, chains go on, callbacks are called. Nothing waits: the clock of the fake is sent ahead to what
        is due next.

        While an event loop is running, they run in another thread.

        Args:
            delayed: also what is due later.

        Returns:
            How many jobs ran, callbacks among them.

        Raises:
            Exception: the first one that a job raised, once all have run.
        """
        return apart(lambda: self._run_all(delayed=delayed))

    def _run_all(self, *, delayed: bool) -> int:
        ran, first = 0, None
        line = Line(self._stores)
        while True:
            name = line.first()
            if name is not None:
                number, error = self._run_turn(name)
                ran, first = ran + number, first or error
            elif delayed and (next_us := line.next_at_us()) is not None:
                self._clock.skip_to(next_us)
            else:
                break
        if first is not None:
            raise first
        return ran

    def _run_turn(self, name: str) -> tuple[int, Exception | None]:
        """Run the jobs of a connection until another's is first; returns how many ran, and the first error."""
        turn, error = Turn(name, self._stores), None
        try:
            self._run_queues(cast("Store", turn), self.settings.connection(name), ())
        except Exception as raised:  # noqa: BLE001  a job may raise anything; the others run all the same
            error = raised
        return turn.given, error

    def release_unique_locks(self) -> int:
        """Free every lock that unique jobs hold here; returns how many."""
        freed = 0
        for store in self._stores.values():
            while keys := [lock.key for lock in store.locks(limit=_AT_ONCE).locks]:
                freed += sum(store.release_lock(key) for key in keys)
        return freed


def _in_force() -> list[QueueFake]:
    """The fakes of the process and the block around, and those that they stand before."""
    found: list[QueueFake] = []
    left = [dispatcher.default(), dispatcher.of_block()]
    while left:
        one = left.pop()
        if isinstance(one, QueueFake) and one not in found:
            found.append(one)
            left += [one._before, one._block]
    return found


def _faked(settings: Settings, clock: SkippingClock) -> Settings:
    """The same connections, all in memory, with a key where there is none."""
    connections = {
        name: msgspec.structs.replace(one, driver="memory", url="", options={"clock": clock})
        for name, one in settings.connections.items()
    }
    key = settings.key or f"base64:{b64encode(urandom(32)).decode()}"
    return msgspec.structs.replace(settings, connections=connections, key=key, allowed_modules=("*",))
