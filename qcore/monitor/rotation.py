"""Key rotation: what is stored, sealed anew under the key in force."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from qcore.crypto.keyring import Keyring
from qcore.crypto.signature import seal, unseal_any
from qcore.drivers.operator import Change
from qcore.errors import ConfigurationError, PayloadError
from qcore.flows import FlowKind
from qcore.jobs.resealing import is_current, reseal
from qcore.workflows.options import options_in

if TYPE_CHECKING:
    from qcore.drivers import Store
    from qcore.flows import FlowRecord
    from qcore.manager import QueueManager
    from qcore.records import StoredJob

VIEWS = ("delayed", "pending", "retrying", "processing", "failed")
"""In the order in which jobs move, so that few slip past."""
_STEP = 100
_PASSES = 10
_FLOW_PAGES = 100
_RUNS = "it was running, and kept its payload: repeat this when it has ended"

_UNDER_WAY = (
    "it is a batch or chain under way, whose waiting steps and callbacks keep theirs: repeat this when it has ended"
)
_MAY_RETURN = (
    "it is a batch or chain that failed, whose later steps and callbacks keep theirs: "
    "keep the earlier key until it was retried or deleted"
)

Tell = Callable[[int], None]
"""Told of how many more jobs were looked at."""


def _nobody(_: int) -> None: ...


class RotationResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a rotation found on one connection."""

    connection: str
    matched: int = 0
    """Jobs that an earlier key had sealed."""
    changed: int = 0
    failed: tuple[tuple[str, str], ...] = ()
    """(id, reason) of each that keeps its payload: it runs, or no key at hand vouches for it."""


class Rotation:
    """Seals anew what a connection holds, in bounded steps.

    Each step is atomic and changes only what is as it was read, so that it may be interrupted, and begun again.

    Args:
        manager: whose connection and keys are used.
        connection: its name.

    Raises:
        ConfigurationError: it has no key.
    """

    def __init__(self, manager: QueueManager, connection: str) -> None:
        keyring = manager.keyring(connection)
        if keyring is None:
            raise ConfigurationError(
                f'connection "{connection}" has no key to seal its jobs with',
                hint="make one with: qctl key:generate, and set it as QCTL_KEY",
            )
        self._keyring: Keyring = keyring
        self._store: Store = manager.connection(connection)
        self._connection = connection
        self._changed = 0
        self._left: dict[str, str] = {}
        """Why each job keeps its payload that would need another."""

    def size(self) -> int:
        """Count the jobs there are to look at, as of now."""
        return sum(
            one.pending + one.delayed + one.retrying + one.processing + one.failed for one in self._store.counts()
        )

    def run(self, tell: Tell) -> RotationResult:
        """Look at every job that is not done with; says how many that were, after each step.

        Twice, and again as long as there were some to change: a job may go back, behind a pass, from running to
        waiting.
        """
        for number in range(_PASSES):
            before = self._changed
            for view in VIEWS:
                self._pass(view, _nobody if number else tell)
            if number and self._changed == before:
                break
        self._look_at_flows()
        runs = sum(reason is _RUNS for reason in self._left.values())
        return RotationResult(
            connection=self._connection,
            matched=self._changed + runs,
            changed=self._changed,
            failed=tuple(self._left.items()),
        )

    def _pass(self, view: str, tell: Tell) -> None:
        cursor = None
        while True:
            page = self._store.page(view, cursor=cursor, limit=_STEP, payloads=True)
            self._step(page.jobs)
            tell(len(page.jobs))
            cursor = page.next_cursor
            if cursor is None:
                return

    def _look_at_flows(self) -> None:
        """Name what may still store steps or callbacks that need an earlier key: those keep their payloads."""
        cursor = None
        for _ in range(_FLOW_PAGES):
            page = self._store.flows(list(FlowKind), cursor=cursor, limit=_STEP)
            for record in page.flows:
                reason = self._reason_to_name(record)
                if reason is not None:
                    self._left[record.flow.id] = reason
            cursor = page.next_cursor
            if cursor is None:
                return

    def _reason_to_name(self, record: FlowRecord) -> str | None:
        flow = record.flow
        if flow.finished_us is None:
            return None if self._is_current(record) else _UNDER_WAY
        may_return = flow.failed and self._store.failed_of(flow.id, limit=1)
        return _MAY_RETURN if may_return and not self._is_current(record) else None

    def _is_current(self, record: FlowRecord) -> bool:
        """Whether all that a flow keeps for later needs the key in force alone."""
        judge = options_in(record.options).get("judge")
        try:
            is_own = judge is None or seal(unseal_any(judge, self._keyring), self._keyring) == judge
            return is_own and all(is_current(one, self._keyring) for one in self._store.payloads_of(record.flow.id))
        except PayloadError:
            return False

    def _step(self, jobs: Iterable[StoredJob]) -> None:
        changes = [change for job in jobs if (change := self._change(job)) is not None]
        done = set(self._store.reseal(changes)) if changes else set()
        self._changed += len(done)
        for change in changes:
            if change.id in done:
                self._left.pop(change.id, None)  # it ran when it was met before
            else:
                self._left[change.id] = _RUNS

    def _change(self, job: StoredJob) -> Change | None:
        """The change that a job needs, if it needs one and can have it."""
        try:
            again = reseal(job.payload, self._keyring, job_id=job.id, queue=job.queue)
        except PayloadError as error:
            self._left[job.id] = error.message
            return None
        return None if again == job.payload else Change(job.id, job.payload, again)
