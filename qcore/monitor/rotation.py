"""Key rotation: what is stored, sealed anew under the key in force."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from qcore.crypto.keyring import Keyring
from qcore.crypto.signature import seal, unseal_any
from qcore.drivers.operator import Change, FlowChange
from qcore.errors import ConfigurationError, PayloadError
from qcore.flows import FlowKind
from qcore.jobs.resealing import reseal, reseal_kept
from qcore.workflows.options import options_in, pack_options

if TYPE_CHECKING:
    from qcore.drivers import Store
    from qcore.flows import FlowRecord
    from qcore.manager import QueueManager
    from qcore.records import StoredJob

VIEWS = ("delayed", "pending", "retrying", "processing", "failed")
"""In the order in which jobs move, so that few slip past."""
_STEP = 100
_PASSES = 10
_RUNS = "it was running, and kept its payload: repeat this when it has ended"

_MOVED_ON = "it is a batch or chain that moved on meanwhile: repeat this"

Tell = Callable[[int], None]
"""Told of how many more jobs were looked at."""


def _nobody(_: int) -> None: ...


class RotationResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a rotation found on one connection."""

    connection: str
    matched: int = 0
    """Jobs that an earlier key had sealed, and what batches and chains keep for later."""
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
        """Look at every job that is not done with, and at what flows keep; says how many jobs, after each step.

        Twice, and again as long as there were some to change: a job may go back, behind a pass, from running to
        waiting.
        """
        self._pass_over_flows()  # first: a step that starts behind it is a job by then
        for number in range(_PASSES):
            before = self._changed
            for view in VIEWS:
                self._pass(view, _nobody if number else tell)
            if number and self._changed == before:
                break
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

    def _pass_over_flows(self) -> None:
        """Seal anew what flows keep for later: steps that have not started or may again, callbacks, judges."""
        cursor = None
        while True:
            page = self._store.flows(list(FlowKind), cursor=cursor, limit=_STEP)
            for record in page.flows:
                if record.flow.finished_us is None or self._may_return(record):
                    self._reseal_flow(record)
            cursor = page.next_cursor
            if cursor is None:
                return

    def _may_return(self, record: FlowRecord) -> bool:
        return bool(record.flow.failed and self._store.failed_of(record.flow.id, limit=1))

    def _reseal_flow(self, record: FlowRecord) -> None:
        flow = record.flow.id
        try:
            change = self._flow_change(record)
            if change is None:
                return
            self._changed += self._store.reseal_flow(change)
            again = self._store.flow(flow)
            is_current = again is None or self._flow_change(again) is None
        except PayloadError as error:
            self._left[flow] = error.message
        else:
            if not is_current:
                self._left[flow] = _MOVED_ON

    def _flow_change(self, record: FlowRecord) -> FlowChange | None:
        """The change that a flow needs, if it needs one."""
        kept = {one: reseal_kept(one, self._keyring) for one in self._store.payloads_of(record.flow.id)}
        payloads = {old: new for old, new in kept.items() if new != old}
        told = options_in(record.options)
        judge = told.get("judge")
        again = None if judge is None else seal(unseal_any(judge, self._keyring), self._keyring)
        options = None if again == judge else (record.options, pack_options({**told, "judge": again}))
        return FlowChange(record.flow.id, payloads, options) if payloads or options else None

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
