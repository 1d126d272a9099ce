"""The verbs of producers and workers."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from qcore.drivers.base import MAX_RECLAIM, MAX_RESERVE, Capabilities
from qcore.drivers.database.moves import worker_of
from qcore.drivers.database.settling import Settling
from qcore.drivers.database.upkeep import Upkeep
from qcore.drivers.database.waiting import Waiting
from qcore.flows import Role, role_in
from qcore.states import Outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection

    from qcore.drivers.database.link import Link
    from qcore.envelope import Envelope, Lease, Start, Started
    from qcore.flows import Weave
    from qcore.limits import Limit
    from qcore.settlement import Settlement

T = TypeVar("T")
Reserve = Callable[["Connection", "Sequence[str]", int, str], "list[Lease]"]
"""How jobs of queues are leased: so many, under a token."""

_MANY = 64
"""Ends that are worth a second connection, where two do more than one."""


class _Wanted(NamedTuple):
    """What a request is for."""

    token: str
    queues: Sequence[str]
    limit: int
    is_new: bool
    """Its worker has never made it before, as far as this process knows."""
    is_answered: bool
    """It was answered by this process: it gives what it gave, and no more."""


class DatabaseDriver:
    """The `Driver` face of a database."""

    capabilities = Capabilities(transactional=True)

    def __init__(self, link: Link) -> None:
        self._link = link
        self._settling = Settling(link)
        self._upkeep = Upkeep(link)
        self._waiting = Waiting(link)
        self._requests: dict[str, int] = {}
        self._aside: tuple[int, ThreadPoolExecutor] | None = None

    def push(self, envelopes: Sequence[Envelope], *, within: Any = None, repeat: bool = False) -> Sequence[str | None]:
        """Store all the envelopes or none, each id once; see `Driver.push`."""
        refused = self._link.pushing.push(envelopes, within, repeat) if envelopes else ()
        if within is None:
            self._upkeep.stored(len(envelopes))
        return [None if envelope.id in refused else envelope.id for envelope in envelopes]

    def reserve(self, queues: Sequence[str], limit: int, worker: str, request: int) -> Sequence[Lease]:
        """Lease up to `limit` due jobs, in queue order; see `Driver.reserve`."""
        return self.settle_and_reserve((), queues, limit, worker, request)[1]

    def start(self, starts: Sequence[Start]) -> Sequence[Started]:
        """Let leased jobs begin that need something first; see `Driver.start`."""
        if not starts:
            return []
        # What only a limit knows of is soon over; while it waits for the disk, nobody else could start.
        takes_key = any(start.lock is not None or start.exclusive is not None for start in starts)
        run = self._link.run if takes_key else self._link.run_lightly
        return run(lambda connection: self._link.locking.start(connection, starts))

    def limited(self, queues: Sequence[str]) -> Mapping[str, Limit]:
        """Read the limits of queues, of those that have one; see `Driver.limited`."""
        if not queues:
            return {}
        return self._link.run(lambda connection: self._link.limiting.of_queues(connection, queues), begin=())

    def weave(self, weave: Weave, *, within: Any = None) -> int:
        """Store flows, their steps and members in one step; see `Driver.weave`."""
        flowing = self._link.flowing
        if within is not None:
            return self._link.inside(lambda connection: flowing.weave(connection, weave), within)
        stored = self._link.run(lambda connection: flowing.weave(connection, weave))
        self._upkeep.stored(len(weave.members))
        return stored

    def settle(self, settlements: Sequence[Settlement], *, within: Any = None) -> Sequence[Settlement]:
        """Apply the ends of many attempts in one step; see `Driver.settle`."""
        if not settlements:
            return []
        if within is not None:
            return self._link.inside(
                lambda connection: self._settling.apply(connection, settlements, is_own=False), within
            )
        refused = self._settling.settle(settlements)
        self._settled(settlements)
        return refused

    def settle_and_reserve(
        self, settlements: Sequence[Settlement], queues: Sequence[str], limit: int, worker: str, request: int
    ) -> tuple[Sequence[Settlement], Sequence[Lease]]:
        """Do both in one transaction, or many side by side in two; see `Driver.settle_and_reserve`."""
        last = self._requests.pop(worker, None)
        wanted = _Wanted(
            token=f"{worker}/{request}",
            queues=queues,
            limit=min(limit, MAX_RESERVE),
            is_new=last is not None and request > last,
            is_answered=request == last,
        )

        answer: tuple[Sequence[Settlement], Sequence[Lease]] = ([], [])
        if self._are_worth_two(settlements):
            answer = self._both_in_parallel(settlements, wanted)
        elif self._settling.may_settle_at_once(settlements):
            answer = (self._settling.settle_plainly(settlements), self._reserve_alone(wanted))
        elif settlements:
            answer = self._both(settlements, wanted)
        elif self._is_worth_it(wanted):
            answer = ([], self._reserve_alone(wanted))
        self._waiting.prove(rightly=bool(answer[1]))
        self._requests[worker] = request  # not before: where it is unknown, leases are looked for
        self._waiting.keep_up()
        self._settled(settlements)
        return answer

    def session(self) -> Any:
        """Open an SQLAlchemy session on this database; see `Driver.session`."""
        from sqlalchemy.orm import Session  # what most workers never need

        self._link.upgrade.ensure()
        return Session(self._link.sessions)

    def heartbeat(self, worker: str, leases: Sequence[Lease], started: Collection[str] = ()) -> Mapping[str, bool]:
        """Keep leases alive for another term; see `Driver.heartbeat`."""
        own = [lease for lease in leases if worker_of(lease.token) == worker]
        if not own:
            return {}
        return self._link.run_lightly(lambda connection: self._link.moves.extend(connection, own, frozenset(started)))

    def reclaim(self) -> Sequence[str]:
        """Give back jobs whose lease ran out; see `Driver.reclaim`."""
        reclaimed = self._link.run(self._reclaim)
        self._upkeep.sweep()
        return list(reclaimed)

    def forfeit(self, worker: str, charged: Mapping[str, str]) -> int:
        """Give back every lease of a worker that is dead; returns how many."""
        return self._link.run(lambda connection: self._link.moves.forfeit(connection, worker, charged))

    def wait(self, queues: Sequence[str], timeout_s: float) -> bool:
        """Return when there may be work, or after `timeout_s` seconds; see `Driver.wait`."""
        return self._waiting.wait(queues, timeout_s)

    def wake(self) -> None:
        """End this process's `wait` at once; see `Driver.wake`."""
        self._waiting.wake()

    def migrate(self) -> Sequence[str]:
        """Bring the tables up to date; returns the revisions applied."""
        return self._link.upgrade.migrate()

    def close(self) -> None:
        """Let go of every connection; see `Driver.close`."""
        self._waiting.close()
        if self._aside is not None and self._aside[0] == os.getpid():
            self._aside[1].shutdown()
        self._aside = None
        self._link.close()

    def _reclaim(self, connection: Connection) -> Mapping[str, str]:
        reclaimed = self._link.moves.reclaim(connection, MAX_RECLAIM)
        self._link.flowing.sweep(connection)
        return reclaimed

    def _are_worth_two(self, settlements: Sequence[Settlement]) -> bool:
        """Whether a second connection is to take the ends: not where one of them makes a job that may be reserved."""
        return (
            len(settlements) >= _MANY
            and self._link.moves.works_in_parallel
            and not any(s.pushes or s.outcome is Outcome.RELEASED or _is_step(s) for s in settlements)
        )

    def _both(self, settlements: Sequence[Settlement], wanted: _Wanted) -> tuple[Sequence[Settlement], Sequence[Lease]]:
        def both(connection: Connection) -> tuple[Sequence[Settlement], Sequence[Lease]]:
            refused = self._settling.apply(connection, settlements)
            return refused, self._reserve(connection, wanted, self._link.moves.reserve)

        return self._settling.running(settlements)(both)

    def _both_in_parallel(
        self, settlements: Sequence[Settlement], wanted: _Wanted
    ) -> tuple[Sequence[Settlement], Sequence[Lease]]:
        """Settle on a second connection meanwhile. Each step is whole by itself, and both can bear a repeat."""
        settling = self._other_thread().submit(self._settling.settle, settlements)
        try:
            leases = self._reserve_alone(wanted)
        finally:
            wait([settling])  # also where there are none: the same ends must not be sent again meanwhile
        return settling.result(), leases

    def _other_thread(self) -> ThreadPoolExecutor:
        if self._aside is None or self._aside[0] != os.getpid():
            self._aside = (os.getpid(), ThreadPoolExecutor(1, thread_name_prefix="qcore-settle"))
        return self._aside[1]

    def _is_worth_it(self, wanted: _Wanted) -> bool:
        moves = self._link.moves
        if not moves.looks_first:
            return True
        return self._link.run(
            lambda connection: (
                (not wanted.is_new and bool(moves.leases(connection, wanted.token, wanted.queues)))
                or (bool(wanted.queues) and self._waiting.finds(connection, wanted.queues))
            ),
            begin=(),
        )

    def _reserve_alone(self, wanted: _Wanted) -> Sequence[Lease]:
        moves = self._link.moves
        if not moves.takes_at_once:
            return self._link.run_lightly(lambda connection: self._reserve(connection, wanted, moves.reserve))

        def singly(connection: Connection) -> Sequence[Lease]:
            nonlocal wanted
            now, wanted = wanted, wanted._replace(is_new=False)  # a repeat finds what was taken before it
            return self._reserve(connection, now, moves.reserve_alone)

        return self._link.run(singly, begin=())

    def _reserve(self, connection: Connection, wanted: _Wanted, reserve: Reserve) -> Sequence[Lease]:
        moves = self._link.moves
        if not wanted.is_new:
            leases = moves.leases(connection, wanted.token, wanted.queues)
            if leases or wanted.is_answered:
                return leases
        leases = reserve(connection, wanted.queues, wanted.limit, wanted.token)
        return self._link.flowing.mark_stopped(connection, leases)

    def _settled(self, settlements: Sequence[Settlement]) -> None:
        self._link.moves.known.update(envelope.queue for s in settlements for envelope in s.pushes)
        self._upkeep.note(settlement.queue for settlement in settlements)


def _is_step(settlement: Settlement) -> bool:
    """Whether what it ends may be awaited by a step."""
    return settlement.flow is not None and role_in(settlement.flow) == Role.STEP
