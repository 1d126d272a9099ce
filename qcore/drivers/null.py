"""Where jobs go to be forgotten: every push succeeds, nothing is kept and nothing comes back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from qcore.clock import SystemClock
from qcore.drivers.base import Capabilities
from qcore.drivers.operator import Change, FlowChange, Move
from qcore.envelope import Started, StartVerdict
from qcore.errors import ConfigurationError
from qcore.flows import FlowPage
from qcore.records import (
    LimitPage,
    LockPage,
    Page,
    QueueCounts,
    QueueDefinition,
    Restored,
    StoredJob,
    StoreFacts,
    WorkerCommand,
    WorkerRecord,
)

if TYPE_CHECKING:
    from qcore.config import ConnectionSettings
    from qcore.envelope import Envelope, Lease, Start
    from qcore.flows import FlowKind, FlowRecord, Step, Weave
    from qcore.limits import Limit
    from qcore.measures import Reading, Span
    from qcore.settlement import Settlement


class NullDriver:
    """A driver without a store."""

    capabilities = Capabilities(durable=False, shared=False, discards=True)

    def __init__(self) -> None:
        self._bell: SimpleQueue[None] = SimpleQueue()

    def push(self, envelopes: Sequence[Envelope], *, within: Any = None, repeat: bool = False) -> Sequence[str | None]:
        """Store nothing; returns the ids."""
        del within, repeat
        return [envelope.id for envelope in envelopes]

    def reserve(self, queues: Sequence[str], limit: int, worker: str, request: int) -> Sequence[Lease]:
        """Lease nothing."""
        del queues, limit, worker, request
        return ()

    def start(self, starts: Sequence[Start]) -> Sequence[Started]:
        """Let none begin: no lease was ever given."""
        return [Started(StartVerdict.LOST) for _ in starts]

    def limited(self, queues: Sequence[str]) -> Mapping[str, Limit]:
        """Know of no limit."""
        del queues
        return {}

    def weave(self, weave: Weave, *, within: Any = None) -> int:
        """Store nothing."""
        del within
        return len(weave.members)

    def settle(self, settlements: Sequence[Settlement], *, within: Any = None) -> Sequence[Settlement]:
        """Refuse all: no lease was ever given."""
        del within
        return settlements

    def settle_and_reserve(
        self, settlements: Sequence[Settlement], queues: Sequence[str], limit: int, worker: str, request: int
    ) -> tuple[Sequence[Settlement], Sequence[Lease]]:
        """Refuse all and lease nothing."""
        return self.settle(settlements), self.reserve(queues, limit, worker, request)

    def session(self) -> Any:
        """There is none; see `Driver.session`."""
        raise ConfigurationError("the null driver has no transactions", hint="use a database connection")

    def heartbeat(self, worker: str, leases: Sequence[Lease], started: Collection[str] = ()) -> Mapping[str, bool]:
        """Extend nothing."""
        del worker, leases, started
        return {}

    def reclaim(self) -> Sequence[str]:
        """Give nothing back."""
        return ()

    def forfeit(self, worker: str, charged: Mapping[str, str]) -> int:
        """Give nothing back."""
        del worker, charged
        return 0

    def wait(self, queues: Sequence[str], timeout_s: float) -> bool:
        """Wait for `wake` or the time to pass: there is never work."""
        del queues
        try:
            self._bell.get(timeout=timeout_s)
        except Empty:
            return False
        return False

    def wake(self) -> None:
        """End the wait under way, or the next one."""
        self._bell.put(None)

    def get_ready(self) -> None:
        """Build nothing."""

    def migrate(self) -> Sequence[str]:
        """Apply nothing: there is no schema."""
        return ()

    def close(self) -> None:
        """Hold nothing that could be let go."""

    def define(self, definitions: Sequence[QueueDefinition]) -> None:
        """Publish nothing."""

    def limit(self, queue: str, limit: Limit | None) -> None:
        """Keep nothing."""
        del queue, limit

    def pause(self, queue: str, *, for_s: float | None = None, reason: str | None = None) -> bool:
        """Change nothing."""
        del queue, for_s, reason
        return False

    def resume(self, queue: str) -> bool:
        """Change nothing."""
        del queue
        return False

    def clear(self, queue: str, *, limit: int = 1000, token: str | None = None) -> int:
        """Drop nothing."""
        del queue, limit, token
        return 0

    def retry(self, ids: Sequence[str], *, delays_us: Mapping[str, int] | None = None) -> Sequence[str]:
        """Put nothing back."""
        del ids, delays_us
        return ()

    def release(self, ids: Sequence[str], *, delay_us: int = 0) -> Sequence[str]:
        """Change nothing."""
        del ids, delay_us
        return ()

    def move(self, moves: Sequence[Move]) -> Sequence[str]:
        """Change nothing."""
        del moves
        return ()

    def forget(self, ids: Sequence[str], *, token: str | None = None) -> Sequence[str]:
        """Drop nothing."""
        del ids, token
        return ()

    def restore(self, token: str, *, cursor: str | None = None, limit: int = 1000) -> Restored:
        """Bring nothing back."""
        del token, cursor, limit
        return Restored()

    def flush(
        self, *, queue: str | None = None, before_us: int | None = None, limit: int = 1000, view: str = "failed"
    ) -> int:
        """Drop nothing."""
        del queue, before_us, limit, view
        return 0

    def cancel(self, ids: Sequence[str], *, hard: bool = False) -> Sequence[str]:
        """Cancel nothing."""
        del ids, hard
        return ()

    def reseal(self, changes: Sequence[Change]) -> Sequence[str]:
        """Change nothing."""
        del changes
        return ()

    def reseal_results(self, changes: Sequence[Change]) -> int:
        """Change nothing."""
        del changes
        return 0

    def take_lock(self, key: str, owner: str, for_us: int) -> bool:
        """Keep nothing: whoever asks may go on."""
        del key, owner, for_us
        return True

    def release_lock(self, key: str, owner: str | None = None) -> bool:
        """Free nothing."""
        del key, owner
        return False

    def report(self, workers: Sequence[WorkerRecord], taken: Sequence[WorkerCommand] = ()) -> Sequence[WorkerCommand]:
        """Register nobody."""
        del workers, taken
        return ()

    def dismiss(self, workers: Sequence[str]) -> None:
        """Forget nobody."""

    def command(self, address: str, command: str, *, adds: bool = False) -> int:
        """Leave nothing: nobody is known."""
        del address, command, adds
        return 0

    def mark_tags(self, tags: Sequence[str], *, monitored: bool) -> int:
        """Note nothing."""
        del tags, monitored
        return 0

    def monitored_tags(self) -> Sequence[str]:
        """Know of none."""
        return ()

    def progress(self, job_id: str, percent: int, note: str | None) -> None:
        """Note nothing."""

    def counts(self, queues: Sequence[str] | None = None) -> Sequence[QueueCounts]:
        """Know no queue."""
        del queues
        return ()

    def find(self, job_id: str) -> StoredJob | None:
        """Find nothing."""
        del job_id
        return None

    def page(
        self,
        view: str,
        *,
        queue: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
        payloads: bool = False,
    ) -> Page:
        """List nothing."""
        del view, queue, cursor, limit, payloads
        return Page(())

    def results(self, *, cursor: str | None = None, limit: int = 50) -> Page:
        """List nothing."""
        del cursor, limit
        return Page(())

    def workers(self) -> Sequence[WorkerRecord]:
        """Know no worker."""
        return ()

    def locks(self, *, cursor: str | None = None, limit: int = 50) -> LockPage:
        """List nothing."""
        del cursor, limit
        return LockPage(())

    def limits(self, *, cursor: str | None = None, limit: int = 50) -> LimitPage:
        """List nothing."""
        del cursor, limit
        return LimitPage((), 0)

    def close_flow(self, flow: str) -> bool:
        """Know of none."""
        del flow
        return False

    cancel_flow = delete_flow = close_flow

    def retry_flow(self, flow: str, *, limit: int = 1000) -> Sequence[str]:
        """Know of none."""
        del flow, limit
        return ()

    def reseal_flow(self, change: FlowChange) -> int:
        """Change nothing."""
        del change
        return 0

    def flow(self, flow: str) -> FlowRecord | None:
        """Know of none."""
        del flow
        return None

    def flows(self, kinds: Sequence[FlowKind], *, cursor: str | None = None, limit: int = 50) -> FlowPage:
        """Know of none."""
        del kinds, cursor, limit
        return FlowPage(())

    def steps(self, flow: str) -> Sequence[Step]:
        """Know of none."""
        del flow
        return ()

    def steps_among(self, flow: str, ids: Sequence[str]) -> Sequence[Step]:
        """Know of none."""
        del flow, ids
        return ()

    def payloads_of(self, flow: str) -> Sequence[bytes]:
        """Know of none."""
        del flow
        return ()

    def failed_of(self, flow: str, *, limit: int = 1000) -> Sequence[str]:
        """Know of none."""
        del flow, limit
        return ()

    def readings(self, span: Span, first: int, after: int) -> Sequence[Reading]:
        """Nothing was measured."""
        del span, first, after
        return ()

    def ping(self) -> float:
        """Answer at once."""
        return 0.0

    def facts(self) -> StoreFacts:
        """Tell that there is no store."""
        return StoreFacts(product="none", now_us=SystemClock().wall_us(), latency_s=0.0)


def open_null(settings: ConnectionSettings) -> NullDriver:
    """Open nothing."""
    del settings
    return NullDriver()
