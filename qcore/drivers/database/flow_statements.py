"""The statements about flows and their steps, each built and compiled at its first use and kept."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, bindparam, delete, or_, select, update

from qcore.drivers.database.operations import Operations
from qcore.drivers.database.schema import LEASED
from qcore.drivers.database.statements import literally
from qcore.flows import Role, membership

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select

    from qcore.drivers.database.prepared import Prepared

COUNTERS = ("total", "processed", "failed", "cancelled", "excused")
CHANGING = (
    *COUNTERS,
    "is_open",
    "has_begun",
    "hooked",
    "live",
    "progress",
    "failed_us",
    "failed_by",
    "cancelled_us",
    "finished_us",
)
"""What changes of a flow once it is stored."""
FLOW = ("id", "kind", "name", "parent", "allowed", "allowed_ppm", "hooks", "created_us", *CHANGING)
MOVING = ("place", "state", "waits", "runtime_us", "ended_us", "parents", "children", "error", "result")
"""What changes of a step once it is stored."""
STEP = ("id", "flow", "strand", "name", "job", "is_flow", "envelope", *MOVING)


def counted_in(flow: str) -> dict[str, str]:
    """The parameters `member` and `step`: what the jobs of a flow say that it counts."""
    return {"member": membership(flow), "step": membership(flow, Role.STEP)}


class FlowStatements(Operations):
    """What is said of batches, chains and graphs."""

    @cached_property
    def open(self) -> Prepared:
        """Store one flow, unless it is there."""
        names = (*FLOW, "options", "callbacks")
        values: dict[str, Any] = {name: bindparam(name, type_=self._flows.c[name].type) for name in names}
        values["created_us"] = self.dialect.now
        return self.prepared(self.dialect.upsert(self._flows, values))

    @cached_property
    def known(self) -> Prepared:
        """Which of `ids` are flows."""
        return self.prepared(select(self._flows.c.id).where(self.dialect.among(self._flows.c.id, "ids")))

    @cached_property
    def flows(self) -> Prepared:
        """The instant, and what is known of the flows `ids`, as `FLOW`, held in order."""
        return self.prepared(self.dialect.locked(self._chosen_flows().order_by(self._flows.c.id)))

    @cached_property
    def read_flows(self) -> Prepared:
        """The instant, and what is known of the flows `ids`, as `FLOW`, then their options."""
        return self.prepared(self._chosen_flows().add_columns(self._flows.c.options))

    @cached_property
    def page(self) -> Prepared:
        """The instant, and the newest `most` flows before `before` of `kinds`, as `FLOW`, then their options."""
        flows = self._flows.c
        chosen = select(self.dialect.now, *(flows[name] for name in FLOW), flows.options)
        chosen = chosen.where(self.dialect.among(flows.kind, "kinds"), flows.id < bindparam("before"))
        return self.prepared(chosen.order_by(flows.id.desc()).limit(bindparam("most")))

    def _chosen_flows(self) -> Select[Any]:
        chosen = select(self.dialect.now, *(self._flows.c[name] for name in FLOW))
        return chosen.where(self.dialect.among(self._flows.c.id, "ids"))

    @cached_property
    def save(self) -> Prepared:
        """Keep what changes of a flow."""
        values = {name: bindparam(f"its_{name}", type_=self._flows.c[name].type) for name in CHANGING}
        return self.prepared(update(self._flows).values(values).where(self._flows.c.id == bindparam("flow_id")))

    @cached_property
    def callbacks(self) -> Prepared:
        """The callbacks of the flow `flow_id`."""
        return self.prepared(select(self._flows.c.callbacks).where(self._flows.c.id == bindparam("flow_id")))

    @cached_property
    def options(self) -> Prepared:
        """What the maker of the flow `flow_id` said of it."""
        return self.prepared(select(self._flows.c.options).where(self._flows.c.id == bindparam("flow_id")))

    @cached_property
    def reseal(self) -> Prepared:
        """Give the flow `flow_id` other callbacks and options."""
        flows = self._flows.c
        values = {name: bindparam(f"its_{name}", type_=flows[name].type) for name in ("callbacks", "options")}
        return self.prepared(update(self._flows).values(values).where(flows.id == bindparam("flow_id")))

    @cached_property
    def reseal_step(self) -> Prepared:
        """Give the step `step_id` another envelope."""
        steps = self._steps.c
        values = {"envelope": bindparam("its_envelope", type_=steps.envelope.type)}
        return self.prepared(update(self._steps).values(values).where(steps.id == bindparam("step_id")))

    @cached_property
    def reseal_result(self) -> Prepared:
        """Give the step `step_id` the result `its_result`."""
        steps = self._steps.c
        values = {"result": bindparam("its_result", type_=steps.result.type)}
        return self.prepared(update(self._steps).values(values).where(steps.id == bindparam("step_id")))

    @cached_property
    def stopped(self) -> Prepared:
        """Which of the flows `ids` are cancelled."""
        flows = self._flows.c
        chosen = select(flows.id).where(self.dialect.among(flows.id, "ids"), flows.cancelled_us.is_not(None))
        return self.prepared(chosen)

    @cached_property
    def stopping(self) -> Prepared:
        """Ids of `most` flows that are cancelled and have not finished."""
        flows = self._flows.c
        chosen = select(flows.id).where(flows.finished_us.is_(None), flows.cancelled_us.is_not(None))
        return self.prepared(chosen.limit(bindparam("most")))

    @cached_property
    def old(self) -> Prepared:
        """Ids of `most` flows that are no steps and finished `old_us` ago, or before."""
        flows = self._flows.c
        limit = self.dialect.now - bindparam("old_us", type_=BigInteger)
        chosen = select(flows.id).where(flows.finished_us <= limit, flows.parent.is_(None))
        return self.prepared(self.dialect.locked(chosen.limit(bindparam("most")), skip=True))

    @cached_property
    def drop_flow(self) -> Prepared:
        """Forget the flow `flow_id`."""
        return self.prepared(delete(self._flows).where(self._flows.c.id == bindparam("flow_id")))

    # --- steps ------------------------------------------------------------------------------------------------

    @cached_property
    def add_step(self) -> Prepared:
        """Store one step, unless it is there."""
        values: dict[str, Any] = {name: bindparam(name, type_=self._steps.c[name].type) for name in STEP}
        return self.prepared(self.dialect.upsert(self._steps, values))

    @cached_property
    def steps(self) -> Prepared:
        """The steps `ids`, as `STEP`."""
        return self.prepared(self._chosen_steps().where(self.dialect.among(self._steps.c.id, "ids")))

    @cached_property
    def steps_of(self) -> Prepared:
        """The steps of the flow `flow_id`, as `STEP`, in order."""
        steps = self._steps.c
        chosen = self._chosen_steps().where(steps.flow == bindparam("flow_id"))
        return self.prepared(chosen.order_by(steps.strand, steps.place))

    @cached_property
    def strand_of(self) -> Prepared:
        """The steps of one `strand` of the flow `flow_id`, as `STEP`, in order."""
        steps = self._steps.c
        chosen = self._chosen_steps().where(steps.flow == bindparam("flow_id"), steps.strand == bindparam("strand"))
        return self.prepared(chosen.order_by(steps.place))

    def _chosen_steps(self) -> Select[Any]:
        return select(*(self._steps.c[name] for name in STEP))

    @cached_property
    def keep_step(self) -> Prepared:
        """Keep what changes of a step."""
        values = {name: bindparam(f"its_{name}", type_=self._steps.c[name].type) for name in MOVING}
        return self.prepared(update(self._steps).values(values).where(self._steps.c.id == bindparam("step_id")))

    @cached_property
    def drop_steps(self) -> Prepared:
        """Forget the steps of the flow `flow_id`."""
        return self.prepared(delete(self._steps).where(self._steps.c.flow == bindparam("flow_id")))

    # --- members ----------------------------------------------------------------------------------------------

    @cached_property
    def live_members(self) -> Prepared:
        """Id, queue, state and flow of `most` live jobs that are `member` or `step`, theirs who reads them."""
        jobs = self.jobs.c
        is_theirs = or_(jobs.flow == bindparam("member"), jobs.flow == bindparam("step"))
        unmarked = or_(jobs.state != literally(LEASED), jobs.cancel_requested == literally(0))
        chosen = select(jobs.id, jobs.queue, jobs.state, jobs.flow).where(is_theirs, unmarked)
        return self.prepared(self.dialect.locked(chosen.limit(bindparam("most")), skip=True))

    @cached_property
    def any_waiting(self) -> Prepared:
        """Whether a job that is `member` or `step` waits, which nobody holds: one row, or none."""
        jobs = self.jobs.c
        is_theirs = or_(jobs.flow == bindparam("member"), jobs.flow == bindparam("step"))
        chosen = select(jobs.id).where(is_theirs, jobs.state != literally(LEASED)).limit(literally(1))
        return self.prepared(self.dialect.locked(chosen, skip=True))

    @cached_property
    def failed_members(self) -> Prepared:
        """Ids of `most` failed jobs that are `member` or `step`."""
        failed = self.failed.c
        is_theirs = or_(failed.flow == bindparam("member"), failed.flow == bindparam("step"))
        return self.prepared(select(failed.id).where(is_theirs).order_by(failed.id).limit(bindparam("most")))

    @cached_property
    def flows_of(self) -> Prepared:
        """Id and flow of those of the live jobs `ids` that have one."""
        return self.prepared(select(self.jobs.c.id, self.jobs.c.flow).where(*self._in_flow(self.jobs.c)))

    @cached_property
    def flows_of_failed(self) -> Prepared:
        """Id, flow and errors of those of the failed jobs `ids` that have a flow."""
        failed = self.failed.c
        return self.prepared(select(failed.id, failed.flow, failed.history).where(*self._in_flow(failed)))

    def _in_flow(self, columns: Any) -> list[ColumnElement[bool]]:
        return [columns.flow.is_not(None), self.dialect.among(columns.id, "ids")]

    @property
    def _flows(self) -> Any:
        return self.tables.flows

    @property
    def _steps(self) -> Any:
        return self.tables.steps
