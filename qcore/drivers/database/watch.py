"""What ends a wait: something that stirs in the store, or the bell of this process."""

from __future__ import annotations

import ctypes
import os
import select
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from qcore.drivers.database.looks import Looks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from qcore.drivers.bell import Bell
    from qcore.drivers.database.link import Link

_IN_MODIFY = 0x00000002
_NOTHING = -1
_FIRST_POLL_S = 0.005
_LAST_POLL_S = 0.1
_SAME_REST_S = 0.1
"""A rest that begins so soon after one in which nothing stirred goes on where that ended."""


class Rest(NamedTuple):
    """Why a rest ended; neither, when its time was over."""

    rang: bool
    stirred: bool
    named: bool = False
    """Whether one of the queues was named: there is work, unless others were faster."""


class Watch(ABC):
    """Tells a wait that it is worth looking at the store again. May say so wrongly, never fails to."""

    @abstractmethod
    def arm(self) -> None:
        """Notice all that happens from here on; what came before is forgotten."""

    @abstractmethod
    def rest(self, bell: Bell, timeout_s: float, queues: Sequence[str]) -> Rest:
        """Rest until something stirs in one of the queues, the bell rings or the time is over."""

    def disarm(self) -> None:  # noqa: B027  most cost nobody anything
        """Notice nothing until it is armed again: nobody waits."""

    def keep_up(self) -> None:  # noqa: B027  most have nothing to keep up with
        """Let go of what came while nobody waited."""

    def close(self) -> None:  # noqa: B027  most hold nothing
        """Let go of what it holds."""


class PollWatch(Watch):
    """Asks again and again, at growing distances: for stores that have no voice."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._looks = Looks(link.tables, link.dialect)
        self._distance_s = _FIRST_POLL_S
        self._quiet_until = 0.0

    def arm(self) -> None:
        """Nothing is kept between two questions."""

    def rest(self, bell: Bell, timeout_s: float, queues: Sequence[str]) -> Rest:
        """Ask every 5 ms, then ever more seldom, down to every 100 ms."""
        began = time.monotonic()
        if began - self._quiet_until > _SAME_REST_S:
            self._distance_s = _FIRST_POLL_S
        until = began + timeout_s
        while (left_s := until - time.monotonic()) > 0:
            if rest_on(bell, min(self._distance_s, left_s)).rang:
                return Rest(rang=True, stirred=False)
            if self._probe(queues):
                return Rest(rang=False, stirred=True)
            self._distance_s = min(_LAST_POLL_S, self._distance_s * 1.5)
        self._quiet_until = time.monotonic()
        return Rest(rang=False, stirred=False)

    def _probe(self, queues: Sequence[str]) -> bool:
        if not queues:
            return False
        names = self._link.dialect.pack(queues)
        ask = self._looks.any_ready
        return self._link.run(lambda connection: ask.run(connection, queues=names).first() is not None, begin=())


class FileWatch(Watch):
    """The kernel tells of every write to one file.

    Args:
        path: of the file.
        otherwise: what to do where the kernel has no such voice, or the file is not there.
    """

    def __init__(self, path: Path, otherwise: Watch) -> None:
        self._path = os.fsencode(path)
        self._otherwise = otherwise
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._opened()
        self._watched = _NOTHING
        self._is_armed = False

    def arm(self) -> None:
        """Watch the file that has the name now: the one of last time may be gone."""
        self._watched = self._watches() if self._descriptor >= 0 else _NOTHING
        self._is_armed = self._watched != _NOTHING
        if self._is_armed:
            with suppress(BlockingIOError):
                while os.read(self._descriptor, 65536):
                    pass

    def rest(self, bell: Bell, timeout_s: float, queues: Sequence[str]) -> Rest:
        """Sleep in the kernel."""
        if not self._is_armed:
            return self._otherwise.rest(bell, timeout_s, queues)
        return rest_on(bell, timeout_s, self._descriptor)

    def disarm(self) -> None:
        """Let the kernel forget it: every write of others would be told to this process, and cost them."""
        if self._is_armed:
            self._is_armed = False
            self._libc.inotify_rm_watch(self._descriptor, self._watched)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _opened(self) -> int:
        if not hasattr(self._libc, "inotify_init1"):
            return -1
        return int(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def _watches(self) -> int:
        return int(self._libc.inotify_add_watch(self._descriptor, self._path, _IN_MODIFY))


def rest_on(bell: Bell, timeout_s: float, *descriptors: int) -> Rest:
    """Sleep until the bell rings or one of the descriptors has something to read."""
    ready, _, _ = select.select([bell.fileno(), *descriptors], [], [], max(0.0, timeout_s))
    rang = bell.fileno() in ready
    if rang:
        bell.silence()
    return Rest(rang=rang, stirred=len(ready) > rang)
