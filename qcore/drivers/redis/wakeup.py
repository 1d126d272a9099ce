"""Waiting for work without asking again and again.

Each queue has a list that holds a token while somebody should look for work (`lua/lib/bell.lua`). A wait looks once,
then blocks on those lists and on a pipe that `wake` writes to. What becomes due within `LOOK_S` ends the blocking by
its own time-out; and once in `LOOK_S` a wait looks by itself, so a token that got lost with a worker costs a second,
never a job.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qcore.drivers.bell import Bell
from qcore.drivers.redis import keys
from qcore.drivers.redis.scripts import script

if TYPE_CHECKING:
    from qcore.drivers.redis.server import Server

LOOK_S = 1.0
_SPREAD_S = 0.002
"""Those who wait for the same instant look one after the other, so that the first finds the job and the rest none."""
_SHORTEST_S = 0.001  # 0 would block for ever


class Wakeup:
    """The waits of one driver, in any of its threads."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._bells: dict[int, Bell] = {}  # by process: a child must not hear its parent's

    def wait(self, queues: Sequence[str], timeout_s: float) -> bool:
        """Return when there may be work in one of the queues, or after `timeout_s` seconds."""
        if not queues:
            return self._own_bell().wait(timeout_s)
        until = time.monotonic() + timeout_s
        while True:
            due_in_s = self._due_in_s(queues)
            if due_in_s is not None and due_in_s <= 0:
                return True
            left_s = until - time.monotonic()
            if left_s <= 0:
                return False
            pause_s = min(left_s, LOOK_S)
            if due_in_s is not None:
                pause_s = min(pause_s, due_in_s + random.uniform(0, _SPREAD_S))  # noqa: S311  no secret
            ended = self._listen(queues, max(pause_s, _SHORTEST_S))
            if ended is not None:
                return ended

    def wake(self) -> None:
        """End the wait under way, or the next one."""
        self._own_bell().ring()

    def close(self) -> None:
        """Give the pipe back; it is made anew when needed."""
        bell = self._bells.pop(os.getpid(), None)
        if bell is not None:
            bell.close()

    def _own_bell(self) -> Bell:
        # A signal handler may come between looking and making one: whichever is first is everybody's.
        return self._bells.get(os.getpid()) or self._bells.setdefault(os.getpid(), Bell())

    def _due_in_s(self, queues: Sequence[str]) -> float | None:
        due_in_us: int = self._server.run(script("look"), queues)
        return None if due_in_us < 0 else due_in_us / 1_000_000

    def _listen(self, queues: Sequence[str], pause_s: float) -> bool | None:
        """Block for a token: True when one came, False when woken, None when the pause is over."""
        settings, bell = self._server.settings, self._own_bell()
        lists = [keys.wake(settings.prefix, queue) for queue in queues]
        with self._server.link() as link:
            number = self._server.number_of(link)
            link.send(("BLPOP", *lists, f"{pause_s:.3f}"))
            last_s = time.monotonic() + pause_s + settings.timeout_s
            if bell.wait(pause_s + settings.timeout_s, link):
                return True if link.read() else None
            if time.monotonic() >= last_s:
                raise TimeoutError(f"no answer within {settings.timeout_s:g} s")
            # A token may be on its way to us already; taking it back this way, none is lost.
            self._server.call("CLIENT", "UNBLOCK", number)
            return bool(link.read())
