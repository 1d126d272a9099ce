"""Waiting for work without asking for it all the time."""

from __future__ import annotations

import math
import os
import random
import time
from typing import TYPE_CHECKING, NamedTuple

from qcore.drivers.bell import Bell
from qcore.drivers.database.looks import Looks
from qcore.drivers.database.prepared import build
from qcore.drivers.database.watch import rest_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from qcore.drivers.database.link import Link
    from qcore.drivers.database.watch import Watch

_LONGEST_REST_S = 1.0
"""A look at the store once a second costs nothing, and finds what a lost notification was about."""
_PAUSE_S = (0.002, 0.004)
"""After a false alarm: where others work without pause, every commit of theirs is one."""
_AFTER_ALARMS, _IN_CROWD = 4, 32
"""How many times as long the pause is at the most: after several alarms in a row, and where there is a crowd."""
_MOST_CROWDED = 8


class Outlook(NamedTuple):
    """What a look at the queues told."""

    is_ready: bool
    next_s: float
    """Seconds until a job becomes due, or a pause ends."""
    open: list[str]
    """The queues that are not paused."""


class Waiting:
    """The waits of one driver, in whichever process it is now."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._looks = Looks(link.tables, link.dialect)
        self._pid = 0
        self._bell: Bell | None = None
        self._watch: Watch | None = None
        self._is_believed = True
        self._is_unproven = False
        self._crowd = 0
        """Of how many waits in a row the work was in others' way, or had been taken by them."""
        self._was_late = False
        self._collisions = 0

    def get_ready(self) -> None:
        """Build what is said on every look."""
        build(self._looks)

    def wait(self, queues: Sequence[str], timeout_s: float) -> bool:
        """Return when there may be work, or after the time; whether there may be."""
        try:
            return self._wait(queues, timeout_s)
        finally:
            self.watch.disarm()

    def _wait(self, queues: Sequence[str], timeout_s: float) -> bool:
        until = time.monotonic() + timeout_s
        alarms = 0
        if self._is_crowded() and rest_on(self.bell, min(timeout_s, _pause_s(self._crowd, _IN_CROWD))).rang:
            return False
        while True:
            if alarms > 1 and rest_on(self.bell, _pause_s(alarms, _AFTER_ALARMS)).rang:
                return False
            self.watch.arm()  # before the look, so that nothing falls between the two
            outlook = self._look(queues)
            left_s = until - time.monotonic()
            if outlook.is_ready or left_s <= 0:
                self._is_unproven = outlook.is_ready
                return outlook.is_ready
            rest = self.watch.rest(self.bell, min(left_s, outlook.next_s, _LONGEST_REST_S), outlook.open)
            if rest.rang:
                return False
            if rest.named and self._is_believed:
                self._is_unproven = True
                return True
            alarms = alarms + 1 if rest.stirred else 0

    def finds(self, connection: Connection, queues: Sequence[str]) -> bool:
        """Whether a job of one of the queues is ready, or due to become so."""
        return self._looks.any_due.run(connection, queues=self._link.dialect.pack(queues)).first() is not None

    def prove(self, *, rightly: bool) -> None:
        """Learn whether the last wait ended rightly: after a wrong word of the watch, look, until one is right."""
        if self._is_unproven:
            self._is_unproven, self._is_believed = False, rightly
            self._was_late = not rightly

    def keep_up(self) -> None:
        """While nobody waits, let go of what the store has told meanwhile."""
        if self._watch is not None and self._pid == os.getpid():
            self._watch.keep_up()

    def wake(self) -> None:
        """End the wait under way, or the next one."""
        self.bell.ring()

    def close(self) -> None:
        """Let go of what waits hold; the next one makes it anew."""
        self._notice_fork()
        self._drop()

    @property
    def bell(self) -> Bell:
        """What `wake` rings."""
        self._notice_fork()
        if self._bell is None:
            self._bell = Bell()
        return self._bell

    @property
    def watch(self) -> Watch:
        """What tells of the store."""
        self._notice_fork()
        if self._watch is None:
            self._watch = self._link.dialect.watch(self._link)
        return self._watch

    def _is_crowded(self) -> bool:
        """Whether to stay away for a while.

        All who are idle hear of each job, and one gets it: the fewer they are, the less they stand in each other's way,
        and the more jobs each finds at once.
        """
        met, self._collisions = self._link.collisions - self._collisions, self._link.collisions
        self._crowd = min(self._crowd + 1, _MOST_CROWDED) if met or self._was_late else max(0, self._crowd - 1)
        self._was_late = False
        return self._crowd > 1

    def _look(self, queues: Sequence[str]) -> Outlook:
        return self._link.run(lambda connection: self._looked(connection, queues), begin=())

    def _looked(self, connection: Connection, queues: Sequence[str]) -> Outlook:
        next_s, is_open = math.inf, []
        for queue in queues:
            now_us, ready, due_us, paused_until_us = self._looks.glance.run(connection, queue=queue).one()
            if paused_until_us is not None and paused_until_us > now_us:
                next_s = min(next_s, (paused_until_us - now_us) / 1_000_000)
                continue
            if ready or (due_us is not None and due_us <= now_us):
                return Outlook(is_ready=True, next_s=0, open=[])
            if due_us is not None:
                next_s = min(next_s, (due_us - now_us) / 1_000_000)
            is_open.append(queue)
        return Outlook(is_ready=False, next_s=next_s, open=is_open)

    def _notice_fork(self) -> None:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._bell, self._watch = None, None  # the parent's: it has its own copies of their descriptors

    def _drop(self) -> None:
        bell, watch, self._bell, self._watch = self._bell, self._watch, None, None
        if watch is not None:
            watch.close()
        if bell is not None:
            bell.close()


def _pause_s(times: int, most: int) -> float:
    return random.uniform(*_PAUSE_S) * min(2.0 ** (times - 2), most)  # noqa: S311  no secret
