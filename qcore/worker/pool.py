"""Workers under a supervisor: what `qctl work` runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qcore.manager import QueueManager
from qcore.worker.observer import StopReason, WorkerObserver
from qcore.worker.options import SupervisorOptions, WorkerOptions
from qcore.worker.pulse import Pulse
from qcore.worker.slots import ChildSlots
from qcore.worker.supervisor import RECYCLED, Supervisor
from qcore.worker.worker import Worker


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
        manager: whose settings the workers use; its connections are closed here, and opened anew in each child.
        connection: serve the queues on this connection alone.
        options: of each worker.
        supervision: how many processes, and how they are watched.
        observer: makes the observer of a worker, in its own process.
        say: told what an operator should know of the processes, a line at a time.
    """
    settings = manager.settings
    names = list(queues) or [settings.connection(connection).queue]
    served = {
        one.name: one
        for one in (settings.connection(connection) if connection else manager.connection_of(name) for name in names)
    }
    manager.close()

    def serve(slots: ChildSlots) -> int:
        manager.install()
        worker = Worker(
            names, connection=connection, manager=manager, options=options, observer=observer(), slots=slots
        )
        return RECYCLED if worker.run() is StopReason.MEMORY else 0

    def pulse(supervisor: str) -> Pulse:
        return Pulse(supervisor, list(served.values()), names, say)

    return Supervisor(serve, pulse, supervision, say, settings.app).run()
