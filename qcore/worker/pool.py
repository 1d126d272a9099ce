"""Workers under a supervisor: what `qctl work` and `qctl supervise` run."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import NoReturn

import msgspec

from qcore.config import ConnectionSettings, SupervisorSettings
from qcore.drivers import Store
from qcore.errors import ConfigurationError
from qcore.manager import QueueManager
from qcore.worker import reload, spawning
from qcore.worker.balance import BalanceOptions, even
from qcore.worker.children import RECYCLED, Duty, Serve
from qcore.worker.codewatch import require_watchable
from qcore.worker.courier import Courier
from qcore.worker.group import Group
from qcore.worker.observer import StopReason, WorkerObserver
from qcore.worker.options import SupervisorOptions, WorkerOptions
from qcore.worker.pulse import Pulse
from qcore.worker.remnant import Remnant
from qcore.worker.scaling import Scaler
from qcore.worker.slots import ChildSlots
from qcore.worker.supervisor import Supervisor
from qcore.worker.worker import Worker


class Pool(msgspec.Struct, frozen=True):
    """A supervisor of the configuration, with the options of its workers."""

    settings: SupervisorSettings
    options: WorkerOptions


class Crew:
    """Makes groups of workers, and the supervisor over them.

    Args:
        manager: whose settings the workers use; its connections are closed here, and opened anew in each child.
        observer: makes the observer of a worker, in its own process.
        say: told what an operator should know of the processes, a line at a time.
    """

    def __init__(
        self,
        manager: QueueManager,
        observer: Callable[[], WorkerObserver | None],
        say: Callable[[str], None],
    ) -> None:
        self._manager = manager
        self._observer = observer
        self._say = say
        self._served: dict[str, ConnectionSettings] = {}
        self._groups: list[Group] = []
        self._scalers: list[Scaler] = []

    def add(self, queues: Sequence[str], connection: str | None, options: WorkerOptions, processes: int) -> None:
        """Add workers that leave their place empty once they have done enough."""
        names = tuple(queues) or (self._manager.settings.connection(connection).queue,)
        self._groups.append(
            Group(self._duty(names, connection, options), self._serve(names, connection, options), processes)
        )

    def add_pool(self, pool: Pool) -> None:
        """Add a pool: its workers have successors, and their number follows the load."""
        settings, options = pool.settings, pool.options
        queues = settings.queues
        is_whole = settings.balance == "off"
        parts = [queues] if is_whole else [(queue,) for queue in queues]
        fixed = even(queues, settings.max_processes) if settings.balance == "simple" else {}
        groups: dict[str, Group] = {}
        for part in parts:
            duty = self._duty(part, settings.connection, options)
            serve = _nicely(settings.nice, self._serve(part, settings.connection, options))
            wanted = fixed.get(part[0], settings.min_processes)
            groups[",".join(part)] = Group(duty, serve, wanted, refills=True)
        self._groups += groups.values()
        if not fixed:
            connections = {queue: self._lives_on(queue, settings.connection).name for queue in queues}
            self._scalers.append(Scaler(groups, connections, _balance_options(pool), settings.balance_cooldown))

    def supervise(self, supervision: SupervisorOptions) -> int:
        """Run the workers until told to stop; returns the exit code.

        In a process that a supervisor made this is one of the workers, and does not return.
        """
        birth = spawning.birth()
        if birth is not None:
            self._live(birth)
        if supervision.watched is not None:
            require_watchable(supervision.watched)
        self._manager.close()
        for one in self._served.values():
            self._opened(one).get_ready()  # once, and not in each process
            self._manager.keyring(one.name)
        inherited = reload.inherit()
        return Supervisor(self._groups, self._pulse, supervision, self._say, self._scalers, inherited).run()

    def _live(self, birth: spawning.Birth) -> NoReturn:
        self._manager.close()
        group = self._groups[birth.group] if birth.group < len(self._groups) else None
        if group is None or group.duty != birth.duty:
            raise ConfigurationError(
                "the configuration is not that of the supervisor any more", hint="let it begin anew: qctl restart"
            )
        spawning.live(birth.block(), group.serve, birth.parent, birth.lifeline)

    def _pulse(self, supervisor: str) -> Pulse:
        queues = dict.fromkeys(queue for group in self._groups for queue in group.duty.queues)
        messenger = partial(Courier, opened=self._opened)
        return Pulse(supervisor, list(self._served.values()), self._say, list(queues), messenger)

    def _opened(self, connection: ConnectionSettings) -> Store:
        return self._manager.connection(connection.name)

    def _duty(self, queues: tuple[str, ...], connection: str | None, options: WorkerOptions) -> Duty:
        served = [self._lives_on(queue, connection) for queue in queues]
        self._served |= {one.name: one for one in served}
        return Duty(queues, served[0].name, options.async_jobs or options.threads, options.grace_s)

    def _lives_on(self, queue: str, connection: str | None) -> ConnectionSettings:
        return self._manager.settings.connection(connection) if connection else self._manager.connection_of(queue)

    def _serve(self, queues: Sequence[str], connection: str | None, options: WorkerOptions) -> Serve:
        def serve(slots: ChildSlots) -> int:
            self._manager.install()
            worker = Worker(
                queues,
                connection=connection,
                manager=self._manager,
                options=options,
                observer=self._observer(),
                slots=slots,
            )
            reason = worker.run()
            slots.hold([])  # it left in order: what it could not give back comes back when the leases run out
            return RECYCLED if reason is StopReason.MEMORY else 0

        return serve


def run_pool(
    queues: Sequence[str],
    *,
    manager: QueueManager,
    connection: str | None = None,
    options: WorkerOptions,
    supervision: SupervisorOptions,
    observer: Callable[[], WorkerObserver | None],
    say: Callable[[str], None],
) -> int:
    """Serve queues with worker processes until told to stop; returns the exit code.

    Args:
        queues: names, most wanted first; the default connection's queue if there are none.
        manager: whose settings the workers use.
        connection: serve the queues on this connection alone.
        options: of each worker.
        supervision: how many processes, and how they are watched.
        observer: makes the observer of a worker, in its own process.
        say: told what an operator should know of the processes, a line at a time.
    """
    crew = Crew(manager, observer, say)
    crew.add(queues, connection, options, supervision.processes)
    return crew.supervise(supervision)


def run_pools(
    pools: Sequence[Pool],
    *,
    manager: QueueManager,
    memory_hard_mb: float | None = None,
    observer: Callable[[], WorkerObserver | None],
    say: Callable[[str], None],
) -> int:
    """Run balanced pools under one supervisor until told to stop; returns the exit code.

    Args:
        pools: at least one.
        manager: whose settings the workers use.
        memory_hard_mb: a job whose process grows above it is ended and charged.
        observer: makes the observer of a worker, in its own process.
        say: told what an operator should know of the processes, a line at a time.
    """
    crew = Crew(manager, observer, say)
    for pool in pools:
        crew.add_pool(pool)
    processes = sum(pool.settings.max_processes for pool in pools)
    slots = max(pool.options.async_jobs or pool.options.threads for pool in pools)
    return crew.supervise(SupervisorOptions(processes=processes, slots=slots, memory_hard_mb=memory_hard_mb))


def outlive(trouble: str, say: Callable[[str], None]) -> bool:
    """Go on over the workers of the supervisor that this process was, whose successor could not be made.

    They serve on with the code they have, until code that can be imported takes over at the next reload.

    Args:
        trouble: why there is no successor.
        say: told what an operator should know of the processes, a line at a time.

    Returns:
        Whether it was told to stop; else it has seen all of them end.

    Raises:
        ConfigurationError: this process was no supervisor, or one of another format.
    """
    inherited = reload.inherit()
    if inherited is None:
        raise ConfigurationError(trouble)
    say(f"not reloaded, the old code goes on: {trouble}")

    def pulse(supervisor: str) -> Pulse:
        return Pulse(supervisor, inherited.served, say, inherited.queues)

    supervisor = Supervisor([Remnant(say)], pulse, inherited.options, say, inherited=inherited)
    supervisor.run()
    return supervisor.is_stopping


def _nicely(nice: int, serve: Serve) -> Serve:
    """Let a child be nice to other processes before it serves."""

    def serve_nicely(slots: ChildSlots) -> int:
        os.nice(nice)
        return serve(slots)

    return serve_nicely if nice else serve


def _balance_options(pool: Pool) -> BalanceOptions:
    settings, options = pool.settings, pool.options
    return BalanceOptions(
        min_processes=settings.min_processes,
        max_processes=settings.max_processes,
        max_shift=settings.balance_max_shift,
        by_size=settings.strategy == "size",
        places=options.async_jobs or options.threads,
    )
