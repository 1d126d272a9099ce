"""The statements of operators, each built and compiled at its first use and kept."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, case, delete, literal, null, select, update

from qcore.drivers.database.schema import CANCELLED, DELAYED, LEASED, LOCKING, READY
from qcore.drivers.database.statements import KEPT_AT_THE_END, Statements, literally

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select, Table, Update

    from qcore.drivers.database.prepared import Prepared

_RESTORED = ("id", "job", "queue", "rank", "flow", "tags", "payload", "history", *LOCKING)


class Operations(Statements):
    """What a person may want of the tables of one store."""

    @cached_property
    def define(self) -> Prepared:
        """Publish the definition of a queue."""
        values: dict[str, Any] = {name: bindparam(name) for name in ("name", "max_jobs", "definition")}
        return self.prepared(self.dialect.upsert(self.queues, values, setting=("max_jobs", "definition")))

    @cached_property
    def pause_of(self) -> Prepared:
        """The instant, until when the queue `name` is paused, and why."""
        queues = self.queues.c
        chosen = select(self.dialect.now, queues.paused_until_us, queues.pause_reason)
        return self.prepared(self.dialect.locked(chosen.where(queues.name == bindparam("name"))))

    @cached_property
    def pause(self) -> Prepared:
        """Pause a queue."""
        changed = ("paused_until_us", "pause_reason")
        values: dict[str, Any] = {name: bindparam(name) for name in ("name", *changed)}
        return self.prepared(self.dialect.upsert(self.queues, values, setting=changed))

    @cached_property
    def resume(self) -> Prepared:
        """Let the queue `queue` give jobs, if it is paused."""
        queues = self.queues.c
        resumed = update(self.queues).values(paused_until_us=null(), pause_reason=null())
        is_paused = queues.paused_until_us > self.dialect.now
        return self.prepared(resumed.where(queues.name == bindparam("queue"), is_paused))

    @cached_property
    def ready(self) -> Prepared:
        """Ids of `most` ready jobs of `queue`, held."""
        return self.prepared(self._waiting(READY))

    @cached_property
    def delayed(self) -> Prepared:
        """Ids of `most` delayed jobs of `queue`, held."""
        return self.prepared(self._waiting(DELAYED))

    def _waiting(self, state: int) -> Select[Any]:
        chosen = select(self.jobs.c.id).where(self.is_in(state), self.jobs.c.queue == bindparam("queue"))
        return self.dialect.locked(chosen.limit(bindparam("most")))

    @cached_property
    def failed_among(self) -> Prepared:
        """Id and queue of those of `ids` that have failed, held."""
        failed = self.failed.c
        chosen = select(failed.id, failed.queue).where(self.dialect.among(failed.id, "ids"))
        return self.prepared(self.dialect.locked(chosen.order_by(failed.id)))

    @cached_property
    def restore(self) -> Prepared:
        """Store the failed jobs `ids` as new ones; what is known of them is how their last lease ended."""
        failed = self.failed.c
        values = {
            **{name: failed[name] for name in _RESTORED},
            "created_us": self.dialect.now,
            "due_us": self.dialect.now,
            "last_token": failed.token,
            "last_outcome": literal("failed"),
            "state": literally(READY),
        }
        chosen = select(*values.values()).where(self.dialect.among(failed.id, "ids"))
        return self.prepared(self.dialect.upsert(self.jobs, (list(values), chosen)))

    @cached_property
    def forget(self) -> Prepared:
        """Drop the failed jobs `ids`."""
        return self.prepared(delete(self.failed).where(self.dialect.among(self.failed.c.id, "ids")))

    @cached_property
    def old_failed(self) -> Prepared:
        """Ids of `most` jobs that failed before `before_us`, or at all where that is none."""
        return self.prepared(self._old())

    @cached_property
    def old_failed_of(self) -> Prepared:
        """The same of `queue` alone."""
        return self.prepared(self._old(self.failed.c.queue == bindparam("queue")))

    @cached_property
    def old_ended(self) -> Prepared:
        """Ids of `most` finished jobs that ended `ended_as` before `before_us`."""
        return self.prepared(self._old(self._ended_as, table=self.finished))

    @cached_property
    def old_ended_of(self) -> Prepared:
        """The same of `queue` alone."""
        is_there = self.finished.c.queue == bindparam("queue")
        return self.prepared(self._old(self._ended_as, is_there, table=self.finished))

    @cached_property
    def forget_ended(self) -> Prepared:
        """Drop the finished jobs `ids`."""
        return self.prepared(delete(self.finished).where(self.dialect.among(self.finished.c.id, "ids")))

    @property
    def _ended_as(self) -> ColumnElement[bool]:
        return self.finished.c.state == bindparam("ended_as")

    def _old(self, *conditions: ColumnElement[bool], table: Table | None = None) -> Select[Any]:
        ended = (self.failed if table is None else table).c
        before = ended.ended_us < bindparam("before_us", type_=ended.ended_us.type)
        chosen = select(ended.id).where(before, *conditions).order_by(ended.ended_us)
        return self.dialect.locked(chosen.limit(bindparam("most")), skip=True)

    @cached_property
    def to_cancel(self) -> Prepared:
        """Id, queue and state of those of `ids` that are live, held."""
        jobs = self.jobs.c
        chosen = select(jobs.id, jobs.queue, jobs.state).where(self.dialect.among(jobs.id, "ids"))
        return self.prepared(self.dialect.locked(chosen.order_by(jobs.id)))

    @cached_property
    def mark(self) -> Prepared:
        """Note that somebody wants the leased jobs `ids` cancelled, with `mark` 2 hard; that is not taken back."""
        asked, mark = self.jobs.c.cancel_requested, bindparam("mark", type_=self.jobs.c.cancel_requested.type)
        marked = update(self.jobs).values(cancel_requested=case((asked < mark, mark), else_=asked))
        return self.prepared(marked.where(self.dialect.among(self.jobs.c.id, "ids"), self.is_in(LEASED)))

    @cached_property
    def cancel(self) -> Prepared:
        """Copy the waiting jobs `ids` to the finished ones, as cancelled."""
        values = {
            **{name: self.jobs.c[name] for name in (*KEPT_AT_THE_END, "attempts", "exceptions", "history")},
            "state": literally(CANCELLED),
            "ended_us": self.dialect.now,
        }
        chosen = select(*values.values()).where(self.dialect.among(self.jobs.c.id, "ids"))
        return self.prepared(self.replacing(self.finished, values, chosen))

    @cached_property
    def reseal_waiting(self) -> Prepared:
        """Put the payload `new` in the place of `old`, if the job `id` waits and has that one."""
        return self.prepared(self._resealing(self.jobs).where(self.jobs.c.state != literally(LEASED)))

    @cached_property
    def reseal_failed(self) -> Prepared:
        """The same, if it has failed."""
        return self.prepared(self._resealing(self.failed))

    @cached_property
    def reseal_result(self) -> Prepared:
        """Put the result `new` in the place of `old`, if the finished job `id` has that one."""
        return self.prepared(self._resealing(self.finished, "result"))

    def _resealing(self, table: Table, name: str = "payload") -> Update:
        column = table.c[name]
        changed = update(table).values({name: bindparam("new", type_=column.type)})
        return changed.where(table.c.id == bindparam("id"), column == bindparam("old", type_=column.type))

    @cached_property
    def tags(self) -> Prepared:
        """The tags that are monitored, sorted."""
        return self.prepared(select(self.tables.tags.c.name).order_by(self.tables.tags.c.name))

    @cached_property
    def mark_tag(self) -> Prepared:
        """Monitor the tag `name`."""
        return self.prepared(self.dialect.upsert(self.tables.tags, {"name": bindparam("name")}))

    @cached_property
    def unmark_tags(self) -> Prepared:
        """Monitor the tags `ids` no longer."""
        return self.prepared(delete(self.tables.tags).where(self.dialect.among(self.tables.tags.c.name, "ids")))

    @cached_property
    def progress(self) -> Prepared:
        """Note how far the job `job_id` has come, if it runs."""
        noted = update(self.jobs).values(progress=bindparam("percent"), progress_note=bindparam("note"))
        return self.prepared(noted.where(self.jobs.c.id == bindparam("job_id"), self.is_in(LEASED)))
