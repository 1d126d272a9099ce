"""Key rotation: what is stored, sealed anew under the key in force."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from qcore.crypto.keyring import Keyring
from qcore.crypto.signature import seal, unseal_any
from qcore.drivers.operator import Change, FlowChange
from qcore.errors import ConfigurationError, PayloadError
from qcore.flows import FlowKind
from qcore.jobs.guarding import reseal_result
from qcore.jobs.resealing import reseal, reseal_kept
from qcore.workflows.options import options_in, pack_options

if TYPE_CHECKING:
    from qcore.drivers import Store
    from qcore.flows import Flow, FlowRecord, Step
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
    """Jobs and results that an earlier key had sealed, and what batches, chains and graphs keep."""
    changed: int = 0
    failed: tuple[tuple[str, str], ...] = ()
    """(id, reason) of each that keeps what an earlier key sealed: it runs, or no key at hand vouches for it."""


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
        """Look at every job that is not done with, at what flows keep and at results; says how many jobs, as it goes.

        Twice, and again as long as there was something to change: a job may go back, behind a pass, from running to
        waiting, and a flow that had finished may go on.
        """
        for number in range(_PASSES):
            before = self._changed
            self._pass_over_flows()  # first: a step that starts behind it is a job by then
            for view in VIEWS:
                self._pass(view, _nobody if number else tell)
            if number and self._changed == before:
                break
        self._pass_over_results()  # last: what ended before is among them, and who ends later has the key in force
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

    def _pass_over_results(self) -> None:
        """Seal anew what completed jobs returned, as long as that is kept."""
        cursor = None
        while True:
            page = self._store.results(cursor=cursor, limit=_STEP)
            changes = [change for job in page.jobs if (change := self._result_change(job, job.id)) is not None]
            self._changed += self._store.reseal_results(changes)
            cursor = page.next_cursor
            if cursor is None:
                return

    def _pass_over_flows(self) -> None:
        """Seal anew what flows keep that are under way, or may be again: one with all that are inside of it."""
        brought_back: set[str] = set()
        cursor = None
        while True:
            page = self._store.flows(list(FlowKind), cursor=cursor, limit=_STEP)
            for record in page.flows:
                whole = self._whole(record, brought_back)
                if whole is not None:
                    self._reseal_whole(whole)
            cursor = page.next_cursor
            if cursor is None:
                return

    def _whole(self, record: FlowRecord, brought_back: set[str]) -> FlowRecord | None:
        """The outermost flow of which this one is part, if it is to be sealed anew now: each once.

        Args:
            record: of the flow.
            brought_back: the outermost ones that were met by what failed inside of them; is added to.
        """
        if record.flow.parent is None:
            return record if self._goes_on(record.flow) else None
        if record.flow.finished_us is None or not self._goes_on(record.flow):
            return None
        whole = record  # a retry of what failed in here brings back all that is around it
        while whole.flow.parent is not None and (around := self._store.flow(whole.flow.parent)) is not None:
            whole = around
        if whole.flow.id in brought_back or (whole.flow.parent is None and self._goes_on(whole.flow)):
            return None
        brought_back.add(whole.flow.id)
        return whole

    def _goes_on(self, flow: Flow) -> bool:
        """Whether it has not finished, or would not have after a retry."""
        return flow.finished_us is None or bool(flow.failed and self._store.failed_of(flow.id, limit=1))

    def _reseal_whole(self, whole: FlowRecord) -> None:
        left = [whole]
        while left:
            record = left.pop()
            steps = self._store.steps(record.flow.id)
            self._reseal_flow(record, steps)
            inside = (self._store.flow(step.id) for step in steps if step.is_flow)
            left += [one for one in inside if one is not None]

    def _reseal_flow(self, record: FlowRecord, steps: Sequence[Step]) -> None:
        """Seal anew what one flow keeps: steps that may still start, callbacks, its judge, and what steps returned."""
        flow = record.flow.id
        self._left.pop(flow, None)  # it had moved on when it was met before
        try:
            change = self._flow_change(record, steps)
            if change is None:
                return
            self._changed += self._store.reseal_flow(change)
            again = self._store.flow(flow)
            is_current = again is None or self._flow_change(again, self._store.steps(flow)) is None
        except PayloadError as error:
            self._left[flow] = error.message
        else:
            if not is_current:
                self._left[flow] = _MOVED_ON

    def _flow_change(self, record: FlowRecord, steps: Sequence[Step]) -> FlowChange | None:
        """The change that a flow needs, if it needs one."""
        flow = record.flow.id
        kept = {one: reseal_kept(one, self._keyring) for one in self._store.payloads_of(flow)}
        payloads = {old: new for old, new in kept.items() if new != old}
        told = options_in(record.options)
        judge = told.get("judge")
        again = None if judge is None else seal(unseal_any(judge, self._keyring), self._keyring)
        options = None if again == judge else (record.options, pack_options({**told, "judge": again}))
        results = [change for step in steps if (change := self._result_change(step, flow)) is not None]
        return FlowChange(flow, payloads, options, results) if payloads or options or results else None

    def _result_change(self, job: Step | StoredJob, named: str) -> Change | None:
        """The change that a result needs, if it needs one and can have it; else the reason is told under a name."""
        if job.result is None:
            return None
        try:
            again = reseal_result(job.result, job.id, job.job, self._keyring)
        except PayloadError as error:
            self._left[named] = f"the result of job {job.id}: {error.message}"
            return None
        return None if again == job.result else Change(job.id, job.result, again)

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
