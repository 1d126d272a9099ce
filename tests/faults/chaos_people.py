"""An operator in the middle of the chaos: what he dispatches, cancels, pauses, clears and puts back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import woven_jobs
from harness.audit import unended
from harness.fault_jobs import Fails, FailsOnce, Returns, Sleeps
from harness.ledger import Ledger
from harness.rig import Rig
from key_jobs import Apart, Keyed
from wild_jobs import Poison
from woven_jobs import Follows, Lives, patiently

from qcore import ChainMonitor, Job, JobBatch, QueueError, batch, chain
from qcore.flows import StepState
from qcore.records import StoredJob, unpack_history
from qcore.states import JobState

_WAYS = ("segfault", "os._exit", "memory", "stack", "kill", "limit")
_KEYS = 5
_MANY = 10
_A_WHILE_S = 1.5
_CALLBACKS = "qcore.workflows.callbacks"


class Operator:
    """Acts on the store from outside, and remembers what that means for the books.

    Queues: `default` and `kept` are served; `kept` is cleared and brought back; what waits on `dropped` is dropped.
    """

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._ledger: Ledger = rig.ledger
        self.done: Counter[str] = Counter()
        self.dropped: set[str] = set()
        """Ids that were dropped for good."""
        self._on_dropped: set[str] = set()
        self._cancelling: set[str] = set()
        self._tokens: list[str] = []
        self._paused = ""
        self._resume_at = 0.0
        self._batches: list[str] = []
        self._chains: list[str] = []
        self._acts: list[Callable[[], None]] = [
            *(self._cancel, self._cancel, self._pause, self._retry, self._drop, self._clear_and_restore, self._restart),
        ]
        self._odd: list[Callable[[], None]] = [
            *(self._keyed, self._plain, self._plain, self._plain, self._on_other_queues, self._batch, self._chain),
        ]

    # -- what he dispatches ----------------------------------------------------------------------------------------

    def dispatch_something(self) -> None:
        """Dispatch jobs of one kind or another; the store may be gone by now."""
        self._quietly(self._rig.chance.choice(self._odd))
        if self._paused and time.monotonic() > self._resume_at:
            self._quietly(self._go_on)

    def poison(self) -> str:
        """Dispatch a job that takes its process with it; returns how it does, or nothing if the store is gone."""
        way = self._rig.chance.choice(_WAYS)
        dispatched = self._quietly(lambda: self._rig.dispatch([Poison(way, tries=self._rig.chance.choice([0, 3]))]))
        return way if dispatched else ""

    def _plain(self) -> None:
        kind = self._rig.chance.choice([Fails, FailsOnce, Returns, Sleeps])
        jobs: list[Job] = [_hardy(kind(0.01), tries=kind.max_tries) for _ in range(_MANY)]
        jobs += [_hardy(Apart(f"key {self._rig.chance.randrange(_KEYS)}", 0.01))]
        jobs += [_hardy(Sleeps().delay_until(1.0))]
        self._rig.dispatch(jobs)

    def _keyed(self) -> None:
        fails = self._rig.chance.random() < 0.2
        job = _hardy(Keyed(f"key {self._rig.chance.randrange(_KEYS)}", 0.02, fails=fails), tries=1)
        (job_id,) = self._rig.manager.dispatch([job])
        self._ledger.dispatched(filter(None, [job_id]))

    def _on_other_queues(self) -> None:
        self._rig.dispatch([_hardy(Sleeps(0.01)).on_queue("kept") for _ in range(_MANY)])
        dropped = self._rig.dispatch([_hardy(Sleeps(0.01)).on_queue("dropped") for _ in range(_MANY)])
        self._on_dropped.update(dropped)

    def _batch(self) -> None:
        jobs: list[Any] = [Lives(0.01) for _ in range(_MANY)]
        with self._rig.manager.using():
            flow_id = (
                batch([*jobs, [Follows(), Follows()]]).then(woven_jobs.then).finally_(woven_jobs.finally_).dispatch()
            )
        self._batches.append(str(flow_id))
        self._ledger.dispatched([str(job.job_id) for job in jobs])

    def _chain(self) -> None:
        with self._rig.manager.using():
            pending = chain([Follows(0.01) for _ in range(4)])
            self._chains.append(str(pending.then(woven_jobs.then).finally_(woven_jobs.finally_).dispatch()))

    # -- what he does ----------------------------------------------------------------------------------------------

    def act(self) -> None:
        """Do one thing; the store may be gone by now."""
        self._quietly(self._rig.chance.choice(self._acts))

    def mend(self) -> None:
        """Let every queue give jobs, and bring back what is only kept."""
        patiently(lambda: self._rig.connection.resume("default"))
        for token in self._tokens:
            patiently(partial(self._restore, token))
        patiently(self._clear_dropped)

    def _cancel(self) -> None:
        view = self._rig.chance.choice(["pending", "processing", "retrying", "delayed"])
        found = self._rig.connection.page(view, queue="default", limit=50).jobs
        ids = [job.id for job in found if not job.job.startswith(_CALLBACKS)]
        chosen = self._rig.chance.sample(ids, min(len(ids), 3))
        self._cancelling.update(chosen)
        self._rig.connection.cancel(chosen, hard=self._rig.chance.random() < 0.5)
        self.done["cancelled"] += len(chosen)

    def _pause(self) -> None:
        self._paused = "default"
        self._resume_at = time.monotonic() + _A_WHILE_S
        self._rig.connection.pause("default")
        self.done["pauses"] += 1

    def _go_on(self) -> None:
        self._rig.connection.resume(self._paused)
        self._paused = ""

    def _retry(self) -> None:
        failed = [job.id for job in self._rig.connection.page("failed", limit=5).jobs]
        self.done["retried"] += len(self._rig.connection.retry(failed))

    def _restart(self) -> None:
        self._rig.connection.command("*", "restart")
        self.done["restarts from afar"] += 1

    def _drop(self) -> None:
        self._clear_dropped()
        self.done["clears"] += 1

    def _clear_dropped(self) -> None:
        while self._rig.connection.clear("dropped"):
            pass

    def _clear_and_restore(self) -> None:
        token = f"chaos-{len(self._tokens)}"
        self._tokens.append(token)
        while self._rig.connection.clear("kept", token=token):
            pass
        self._restore(token)
        self.done["clears taken back"] += 1

    def _restore(self, token: str) -> None:
        cursor: str | None = None
        while True:
            step = self._rig.connection.restore(token, cursor=cursor)
            cursor = step.cursor
            if cursor is None:
                return

    def _quietly(self, act: Callable[[], Any]) -> bool:
        try:
            act()
        except QueueError:
            self.done["refused by the store"] += 1
            return False
        return True

    # -- the books -------------------------------------------------------------------------------------------------

    def open_ids(self) -> set[str]:
        """Ids of jobs that have not ended; what was cancelled and dropped is noted first."""
        self._note_dropped()
        self._note_cancelled()
        return unended(self._rig)

    def waiting(self) -> str:
        """What has not ended, for people."""
        return "".join(
            f"\n{view}: {job.id} {job.job} tries {job.attempts} crashes {job.crashes} due in"
            f" {job.due_us / 1e6 - time.time():.1f} s on {job.queue}: {unpack_history(job.history)[-2:]}"
            for view in ("pending", "delayed", "retrying", "processing")
            for job in self._rig.connection.page(view, limit=5).jobs
        )

    def audit(self) -> None:
        """Flows are finished, their callbacks came, and their counts add up; every key is free."""
        told = Counter(event.event for event in self._ledger.events() if event.event.startswith("flow "))
        with self._rig.manager.using():
            for flow_id in self._batches:
                found = JobBatch.find(flow_id)
                assert found.finished(), f"batch {flow_id}"
                ended = found.processed_jobs + found.failed_jobs + found.cancelled_jobs
                assert ended == found.total_jobs, f"batch {flow_id}: {ended} of {found.total_jobs}"
                assert told[f"flow {flow_id} finally"], f"batch {flow_id}: its last callback never came"
            for flow_id in self._chains:
                steps = self._rig.connection.steps(flow_id)
                states = [step.state for step in steps]
                assert StepState.WAITING not in states, f"chain {flow_id}: {states}"
                assert StepState.STARTED not in states, f"chain {flow_id}: {states}"
                assert told[f"flow {flow_id} finally"], f"chain {flow_id}: its last callback never came"
                assert ChainMonitor(flow_id).get_status().total_steps == len(steps)
        assert self._rig.connection.locks().locks == ()

    def _note_dropped(self) -> None:
        gone = {job_id for job_id in self._on_dropped if self._found(job_id) is None}
        self._ledger.noted("cancelled", gone - self.dropped)
        self.dropped |= gone

    def _note_cancelled(self) -> None:
        ended = self._ledger.ids("cancelled")
        for job_id in self._cancelling - ended:
            found = self._found(job_id)
            if found is not None and found.state is JobState.CANCELLED:
                self._ledger.noted("cancelled", [job_id])

    def _found(self, job_id: str) -> StoredJob | None:
        return self._rig.connection.find(job_id)


def _hardy(job: Any, tries: int | None = 0) -> Any:
    """Let it outlive any number of its workers."""
    job.max_crashes = 1000
    job.max_tries = tries or 0
    return job
