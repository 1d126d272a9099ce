"""Batches, chains and graphs as a person sees them, and what they do to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from qcore.clock import SystemClock, instant
from qcore.errors import JobNotFound
from qcore.flows import FlowKind, FlowRecord, percent_of
from qcore.ids import id_time_us, is_id
from qcore.monitor.queue_actions import ActionResult
from qcore.monitor.snapshots import FlowSnapshot, FlowsPage, StepSnapshot
from qcore.workflows.finding import find_flow, retry_all
from qcore.workflows.following import StepStatus, state_of, status_of
from qcore.workflows.options import options_in

if TYPE_CHECKING:
    from qcore.drivers import Store
    from qcore.manager import QueueManager

    Act = Callable[[Store, str], bool]

UNKNOWN = "no such batch or chain"
"""Why nothing was done to one that no store knows (any more)."""
_AT_ONCE = 200


class FlowMonitor:
    """Reads batches, chains and graphs, and acts on them.

    Args:
        manager: whose connections are used.
        connection: which alone; if None the default for lists, and all in use for one that is named.
    """

    def __init__(self, manager: QueueManager, connection: str | None = None) -> None:
        self._manager = manager
        self._connection = connection

    def page(self, kinds: Sequence[FlowKind], *, cursor: str | None = None, limit: int = 50) -> FlowsPage:
        """List some, newest first.

        Args:
            kinds: which ones.
            cursor: `next_cursor` of the page before.
            limit: flows, 1 to 1,000.

        Raises:
            ValueError: no cursor of this list.
        """
        if cursor is not None and not is_id(cursor):
            raise ValueError(f"no cursor of this list: {cursor!r}")
        name = self._manager.settings.connection(self._connection).name
        page = self._manager.connection(name).flows(kinds, cursor=cursor, limit=limit)
        return FlowsPage(flows=tuple(_snapshot(one, name) for one in page.flows), next_cursor=page.next_cursor)

    def find(self, flow: str) -> FlowSnapshot:
        """Show one whole, with its steps.

        Raises:
            JobNotFound: no store knows it (any more).
        """
        record, name = find_flow(self._manager, flow, self._connection)
        return _snapshot(record, name, self._manager.connection(name))

    def cancel(self, flows: Sequence[str]) -> ActionResult:
        """Cancel what has not begun of each."""
        return self._each(flows, lambda store, flow: store.cancel_flow(flow), "it is not under way")

    def retry(self, flows: Sequence[str]) -> ActionResult:
        """Let each go on from what failed."""
        return self._each(flows, lambda store, flow: bool(retry_all(store, flow)), "nothing of it has failed")

    def close(self, flows: Sequence[str]) -> ActionResult:
        """Let open batches finish with what is stored of them."""
        return self._each(flows, lambda store, flow: store.close_flow(flow), "it is not open")

    def prune(
        self,
        kinds: Sequence[FlowKind],
        *,
        finished_s: float | None = None,
        unfinished_s: float | None = None,
        cancelled_s: float | None = None,
        dry_run: bool = False,
    ) -> ActionResult:
        """Forget those that ended longer ago, or that were made longer ago and did not end.

        Args:
            kinds: which ones.
            finished_s: seconds since they finished; None spares them.
            unfinished_s: seconds since they were made, of those that have not finished; None spares them.
            cancelled_s: seconds since they were cancelled; None lets `finished_s` decide.
            dry_run: only count.
        """
        store = self._manager.connection(self._manager.settings.connection(self._connection).name)
        now_us, cursor, matched = SystemClock().wall_us(), None, []
        ages = (finished_s, unfinished_s, cancelled_s)
        while True:
            page = store.flows(kinds, cursor=cursor, limit=_AT_ONCE)
            matched += [one.flow.id for one in page.flows if one.flow.parent is None and _is_old(one, now_us, *ages)]
            cursor = page.next_cursor
            if cursor is None:
                break
        changed = 0 if dry_run else sum([store.delete_flow(flow) for flow in matched])
        return ActionResult(matched=len(matched), changed=changed, dry_run=dry_run)

    def _each(self, flows: Sequence[str], act: Act, otherwise: str) -> ActionResult:
        changed, failed = 0, []
        for flow in dict.fromkeys(flows):
            try:
                _, name = find_flow(self._manager, flow, self._connection)
            except JobNotFound:  # the others are acted on all the same, and this one is named
                failed.append((flow, UNKNOWN))
                continue
            if act(self._manager.connection(name), flow):
                changed += 1
            else:
                failed.append((flow, otherwise))
        return ActionResult(matched=changed + len(failed), changed=changed, failed=tuple(failed))


def _is_old(
    record: FlowRecord, now_us: int, finished_s: float | None, unfinished_s: float | None, cancelled_s: float | None
) -> bool:
    flow = record.flow
    if flow.cancelled_us is not None and cancelled_s is not None:
        return now_us - flow.cancelled_us >= cancelled_s * 1e6
    if flow.finished_us is not None:
        return finished_s is not None and now_us - flow.finished_us >= finished_s * 1e6
    return unfinished_s is not None and now_us - id_time_us(flow.id) >= unfinished_s * 1e6


def _snapshot(record: FlowRecord, connection: str, store: Store | None = None) -> FlowSnapshot:
    """Show a flow; with its store, its steps and failures too."""
    flow = record.flow
    status = None if store is None else status_of(flow, store)
    return FlowSnapshot(
        id=flow.id,
        kind=flow.kind.value,
        name=flow.name,
        connection=connection,
        state=state_of(flow).value,
        total=flow.total,
        pending=max(0, flow.total - flow.ended),
        processed=flow.processed,
        failed=flow.failed,
        cancelled=flow.cancelled,
        progress=percent_of(flow),
        open=flow.is_open,
        created_at=instant(flow.created_us),
        finished_at=None if flow.finished_us is None else instant(flow.finished_us),
        cancelled_at=None if flow.cancelled_us is None else instant(flow.cancelled_us),
        parent=flow.parent,
        options=options_in(record.options).get("options", {}),
        steps=() if store is None or status is None else tuple(_step(step, store) for step in status.steps),
        failed_ids=() if store is None or not flow.failed else tuple(store.failed_of(flow.id)),
        error=None if status is None else status.error,
    )


def _step(step: StepStatus, store: Store) -> StepSnapshot:
    inner = store.flow(step.job_id) if step.is_flow else None
    return StepSnapshot(
        id=step.job_id,
        name=step.name,
        job=step.job,
        state=step.state.value,
        runtime_s=step.runtime_s,
        error=step.error,
        after=step.after,
        is_flow=step.is_flow,
        progress=step.progress,
        steps=() if inner is None else tuple(_step(one, store) for one in status_of(inner.flow, store).steps),
    )
