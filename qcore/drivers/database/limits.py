"""The statements about limits, each built and compiled at its first use and kept."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, literal, null, or_, select, update

from qcore.drivers.database.operations import Operations
from qcore.drivers.database.statements import literally
from qcore.limits import SHUT_REASON, SLOT_KEPT_US

if TYPE_CHECKING:
    from sqlalchemy import Select

    from qcore.drivers.database.prepared import Prepared


class LimitStatements(Operations):
    """What is said of the limits by which jobs start, and of the slots that jobs were promised."""

    @cached_property
    def hold(self) -> Prepared:
        """Hold the row of the limit `name` until the commit, made where there is none."""
        values = {"name": bindparam("name"), "state": null(), "until_us": literally(0)}
        return self.prepared(self.dialect.upsert(self.tables.limits, values, setting=("name",)))

    @cached_property
    def hold_known(self) -> Prepared | None:
        """As `states`, of those that are there, in one step with holding them; None where the store cannot."""
        limits = self.tables.limits.c
        chosen = select(limits.name, limits.state).where(self.dialect.among(limits.name, "names"))
        held = self.dialect.locked_by_now(chosen.order_by(limits.name))
        return None if held is None else self.prepared(held)

    @cached_property
    def states(self) -> Prepared:
        """Name and state of the limits `names`, whose rows are held, and the instant."""
        limits = self.tables.limits.c
        chosen = select(limits.name, limits.state, self.dialect.now).where(self.dialect.among(limits.name, "names"))
        return self.prepared(self.dialect.locked(chosen.order_by(limits.name)))

    @cached_property
    def keep(self) -> Prepared:
        """Keep what is known of the limit `of_name` now."""
        values = {name: bindparam(f"new_{name}", type_=self.tables.limits.c[name].type) for name in _KEPT}
        return self.prepared(
            update(self.tables.limits).values(values).where(self.tables.limits.c.name == bindparam("of_name"))
        )

    @cached_property
    def slots(self) -> Prepared:
        """What the jobs `ids` were promised: owner, instant, in which limits, and their names."""
        return self.prepared(self._slots().where(self.dialect.among(self.tables.slots.c.owner, "ids")))

    @cached_property
    def every_slot(self) -> Prepared:
        """The same of all jobs whose limits are named."""
        return self.prepared(self._slots().where(self.tables.slots.c.limit_names.is_not(None)))

    def _slots(self) -> Select[Any]:
        slots = self.tables.slots.c
        return select(slots.owner, slots.at_us, slots.bound, slots.limit_names)

    @cached_property
    def promise(self) -> Prepared:
        """Promise a job a slot, in the place of the one it had."""
        slots = self.tables.slots.c
        values: dict[str, Any] = {name: bindparam(name, type_=slots[name].type) for name in ("owner", *_PROMISED)}
        return self.prepared(self.dialect.upsert(self.tables.slots, values, setting=_PROMISED))

    @cached_property
    def redeem(self) -> Prepared:
        """Forget what the jobs `ids` were promised."""
        return self.prepared(delete(self.tables.slots).where(self.dialect.among(self.tables.slots.c.owner, "ids")))

    @cached_property
    def forget_over(self) -> Prepared:
        """Forget limits whose windows are over."""
        return self.prepared(delete(self.tables.limits).where(self.tables.limits.c.until_us <= self.dialect.now))

    @cached_property
    def forget_slots(self) -> Prepared:
        """Forget slots that nobody has come for."""
        kept_us = self.dialect.now - literally(SLOT_KEPT_US)
        return self.prepared(delete(self.tables.slots).where(self.tables.slots.c.at_us <= kept_us))

    @cached_property
    def shut(self) -> Prepared:
        """Let the queue `queue` give no jobs for `for_us`, unless it is paused."""
        queues = self.queues.c
        for_us = bindparam("for_us", type_=queues.paused_until_us.type)
        values = {"paused_until_us": self.dialect.now + for_us, "pause_reason": literal(SHUT_REASON)}
        is_open = or_(queues.paused_until_us.is_(None), queues.paused_until_us <= self.dialect.now)
        return self.prepared(update(self.queues).values(values).where(queues.name == bindparam("queue"), is_open))

    @cached_property
    def open(self) -> Prepared:
        """Let the queue `queue` give jobs again, if only its limit kept them back."""
        queues = self.queues.c
        opened = update(self.queues).values(paused_until_us=null(), pause_reason=null())
        is_shut = queues.pause_reason == literal(SHUT_REASON)
        return self.prepared(opened.where(queues.name == bindparam("queue"), is_shut))

    @cached_property
    def own(self) -> Prepared:
        """Keep the word of an operator on a queue's limit."""
        own = bindparam("own_limit", type_=self.queues.c.own_limit.type)
        values: dict[str, Any] = {"name": bindparam("name"), "own_limit": own}
        return self.prepared(self.dialect.upsert(self.queues, values, setting=("own_limit",)))

    @cached_property
    def of_queues(self) -> Prepared:
        """Name, definition and the word of an operator, of the queues `names`."""
        queues = self.queues.c
        chosen = select(queues.name, queues.definition, queues.own_limit)
        is_said = or_(queues.definition.is_not(None), queues.own_limit.is_not(None))
        return self.prepared(chosen.where(self.dialect.among(queues.name, "names"), is_said))

    @cached_property
    def page(self) -> Prepared:
        """The first `most` limits after the name `after`: name and state."""
        limits = self.tables.limits.c
        chosen = select(limits.name, limits.state).where(limits.name > bindparam("after"), limits.state.is_not(None))
        return self.prepared(chosen.order_by(limits.name).limit(bindparam("most")))


_KEPT = ("state", "until_us")
_PROMISED = ("at_us", "bound", "limit_names")
