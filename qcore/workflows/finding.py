"""Finding a batch, chain or graph where it is stored; letting it go on, and forgetting it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcore.drivers.base import MAX_PUSH
from qcore.errors import ConfigurationError, JobNotFound, QueueError
from qcore.flows import Flow, FlowRecord, StepState
from qcore.ids import is_id
from qcore.manager.failures import tell_retried

if TYPE_CHECKING:
    from qcore.drivers import Store
    from qcore.manager import QueueManager


def find_flow(manager: QueueManager, flow_id: str, connection: str | None) -> tuple[FlowRecord, str]:
    """Find a batch, chain or graph, and the name of its connection.

    Raises:
        ConfigurationError: that is no id, but None or the like.
        JobNotFound: no store knows it (any more).
    """
    if not isinstance(flow_id, str):
        raise ConfigurationError(
            f"a batch or chain is found by its id, not by {flow_id!r}",
            hint="give what dispatch() returned; dispatch_if() returns None where it dispatched nothing",
        )
    names = [manager.settings.connection(connection).name] if connection else manager.connections_in_use()
    for name in names if is_id(flow_id) else ():
        record = manager.connection(name).flow(flow_id)
        if record is not None:
            return record, name
    raise JobNotFound(f"no batch or chain {flow_id}", hint="it may have been pruned; see: qctl batches, qctl chains")


def delete_flow(store: Store, flow: Flow) -> bool:
    """Forget a flow, and what is nested in it; whether it was there.

    Raises:
        QueueError: it is a step of one that is still stored, and would wait for it for ever.
    """
    outer = None if flow.parent is None else store.flow(flow.parent)
    if outer is not None:
        while outer.flow.parent is not None and (above := store.flow(outer.flow.parent)) is not None:
            outer = above
        kind, name = outer.flow.kind, f"{outer.flow.kind} {outer.flow.id}"
        raise QueueError(
            f"{flow.kind} {flow.id} is a step of {name}, which would wait for it for ever",
            hint=f"delete that {kind}, and this one goes with it, or cancel this one",
        )
    return store.delete_flow(flow.id)


def retry_all(store: Store, flow_id: str) -> int:
    """Put back as many jobs as have failed by now, but for those that fail again meanwhile; returns how many.

    Of a member that is itself a batch, chain or graph and failed, its own.
    """
    record = store.flow(flow_id)
    left = total = record.flow.failed if record is not None else 0
    inner = [one.id for one in store.steps(flow_id) if one.is_flow and one.state is StepState.FAILED] if total else []
    while left > 0 and (ids := store.retry_flow(flow_id, limit=min(left, MAX_PUSH))):
        tell_retried(ids)
        left -= len(ids)
    return total - left + sum(retry_all(store, one) for one in inner)
