"""The statements about what an operator dropped, each built and compiled at its first use and kept."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, bindparam, case, delete, select

from qcore.drivers.database.schema import DELAYED, LOCKING, READY
from qcore.drivers.database.statements import Statements, literally

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Table

    from qcore.drivers.database.prepared import Prepared

_KEPT = ("id", "job", "queue", "rank", "flow", "tags", "payload", *LOCKING)


class DropStatements(Statements):
    """What is said of jobs that can be brought back."""

    @cached_property
    def keep_waiting(self) -> Prepared:
        """Keep the live jobs `ids` under `token`; each is due when it was."""
        return self._keep(self.jobs, self.jobs.c.due_us)

    @cached_property
    def keep_failed(self) -> Prepared:
        """Keep the failed jobs `ids` under `token`; each is due at once."""
        return self._keep(self.failed, self.dialect.now)

    def _keep(self, table: Table, due_us: ColumnElement[int]) -> Prepared:
        values: dict[str, Any] = {
            **{name: table.c[name] for name in _KEPT},
            "token": bindparam("token", type_=self._dropped.c.token.type),
            "due_us": due_us,
            "dropped_us": self.dialect.now,
        }
        chosen = select(*values.values()).where(self.dialect.among(table.c.id, "ids"))
        return self.prepared(self.dialect.upsert(self._dropped, (list(values), chosen)))

    @cached_property
    def kept(self) -> Prepared:
        """Id, queue, flow and lock of the first `most` of `token` after the id `after`, held."""
        dropped = self._dropped.c
        chosen = select(dropped.id, dropped.queue, dropped.flow, *(dropped[name] for name in LOCKING))
        chosen = chosen.where(dropped.token == bindparam("token"), dropped.id > bindparam("after"))
        return self.prepared(self.dialect.locked(chosen.order_by(dropped.id).limit(bindparam("most"))))

    @cached_property
    def bring_back(self) -> Prepared:
        """Store those of `token` that are `ids` as new jobs."""
        dropped, now = self._dropped.c, self.dialect.now
        values: dict[str, Any] = {
            **{name: dropped[name] for name in (*_KEPT, "due_us")},
            "created_us": now,
            "state": case((dropped.due_us > now, literally(DELAYED)), else_=literally(READY)),
        }
        chosen = select(*values.values()).where(dropped.token == bindparam("token"), self._is_one)
        return self.prepared(self.dialect.upsert(self.jobs, (list(values), chosen)))

    @cached_property
    def let_go(self) -> Prepared:
        """Keep those of `token` that are `ids` no longer."""
        of_token = self._dropped.c.token == bindparam("token")
        return self.prepared(delete(self._dropped).where(of_token, self._is_one))

    @cached_property
    def old(self) -> Prepared:
        """Token and id of `most` that were dropped `kept_us` ago, theirs who reads them."""
        dropped = self._dropped.c
        before = self.dialect.now - bindparam("kept_us", type_=BigInteger)
        chosen = select(dropped.token, dropped.id).where(dropped.dropped_us < before).order_by(dropped.dropped_us)
        return self.prepared(self.dialect.locked(chosen.limit(bindparam("most")), skip=True))

    @property
    def _is_one(self) -> ColumnElement[bool]:
        return self.dialect.among(self._dropped.c.id, "ids")

    @property
    def _dropped(self) -> Table:
        return self.tables.dropped
