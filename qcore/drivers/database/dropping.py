"""What an operator dropped, kept for a while in case it is missed."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

from qcore.drivers.base import DROPPED_KEPT_S
from qcore.drivers.database.drop_statements import DropStatements
from qcore.records import Restored
from qcore.states import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from qcore.drivers.database.link import Link
    from qcore.drivers.database.prepared import Prepared

_FORGOTTEN_AT_ONCE = 5000


class Dropping:
    """The jobs of one store that can be brought back; the caller owns the transaction."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._pack = link.dialect.pack

    @cached_property
    def _say(self) -> DropStatements:
        return DropStatements(self._link.tables, self._link.dialect)

    def keep_waiting(self, connection: Connection, token: str | None, ids: Sequence[str]) -> None:
        """Keep jobs that wait, and are about to be dropped; with no token, none."""
        self._keep(connection, self._say.keep_waiting, token, ids)

    def keep_failed(self, connection: Connection, token: str | None, ids: Sequence[str]) -> None:
        """Keep failed jobs that are about to be dropped; with no token, none."""
        self._keep(connection, self._say.keep_failed, token, ids)

    def _keep(self, connection: Connection, keep: Prepared, token: str | None, ids: Sequence[str]) -> None:
        if token is not None and ids:
            keep.run(connection, token=token, ids=self._pack(ids))

    def restore(self, connection: Connection, token: str, after: str, limit: int) -> Restored:
        """Bring back the first of a token that come after an id."""
        rows = self._say.kept.run(connection, token=token, after=after, most=limit).all()
        if not rows:
            return Restored()
        refused = {row[0]: Refusal.MEMBER for row in rows if row[2] is not None}
        wanted = [row for row in rows if row[0] not in refused]
        refused |= dict.fromkeys(self._in_use(connection, [row[0] for row in wanted]), Refusal.TAKEN)
        asking = [(row[3], row[0], *row[4:]) for row in wanted if row[0] not in refused and row[3] is not None]
        held = self._link.locking.take_free(connection, asking)
        refused |= {job_id: Refusal.LOCKED for _, job_id, *_ in asking if job_id not in held}
        queues = {row[0]: row[1] for row in wanted if row[0] not in refused}
        if queues:
            some = {"token": token, "ids": self._pack(list(queues))}
            self._say.bring_back.run(connection, **some)
            self._say.let_go.run(connection, **some)
            self._link.moves.announce(connection, queues.values())
        return Restored(tuple(queues), tuple(refused.items()), rows[-1][0] if len(rows) == limit else None)

    def _in_use(self, connection: Connection, ids: Sequence[str]) -> set[str]:
        """Those of the ids that a job has, live or ended."""
        if not ids:
            return set()
        live, ended = self._link.statements.live_ids, self._link.pushing.say.ended_ids
        return {one for look in (live, ended) for one in self._link.moves.among(connection, look, ids)}

    def forget_old(self, connection: Connection) -> None:
        """Let some of those go whose time is over."""
        kept_us = DROPPED_KEPT_S * 1_000_000
        by_token: defaultdict[str, list[str]] = defaultdict(list)
        for token, job_id in self._say.old.run(connection, kept_us=kept_us, most=_FORGOTTEN_AT_ONCE):
            by_token[token].append(job_id)
        for token, ids in by_token.items():
            self._say.let_go.run(connection, token=token, ids=self._pack(ids))
