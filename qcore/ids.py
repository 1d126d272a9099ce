"""Identifiers: UUIDv7 as text, so that jobs sort by age and a client can name one before the store knows it.

The 48 bits of milliseconds are followed by 12 bits of their fraction (RFC 9562, section 6.2, method 3) and
62 random bits. Within a process every id is larger than the one before, whatever the clock does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from itertools import count
from threading import RLock
from time import time_ns

_BATCH = 256
_VARIANT = bytes(byte & 0x3F | 0x80 for byte in range(256))
_SHAPE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}").fullmatch

# Reentrant, because a signal handler may dispatch while the main thread is in here.
_lock = RLock()
_tails: list[str] = []
_last = 0


def new_id() -> str:
    """Make a UUIDv7, larger than every one this process made before.

    Threads and forked children may call it at will: no two get the same.

    Returns:
        36 characters, lower case.
    """
    global _last  # noqa: PLW0603  the one counter of the process
    with _lock:
        tick = (time_ns() << 6) // 15_625  # 1/4096 ms: ns · 4096 / 1,000,000
        if tick <= _last:
            tick = _last + 1
        _last = tick
        tail = _tails.pop() if _tails else _refill()
    head = "%015x" % tick  # noqa: UP031  the quickest of the three forms
    return f"{head[:8]}-{head[8:12]}-7{head[12:]}-{tail[:4]}-{tail[4:]}"


def ids_from(seed: str) -> Callable[[], str]:
    """Make ids that are the same each time they are made from one.

    Args:
        seed: an id; they are as old as it is.

    Returns:
        Gives the next one at each call.
    """
    from hashlib import sha256  # as slow to import as all of this package

    numbers = count()

    def following() -> str:
        noise = bytearray(sha256(f"{seed}/{next(numbers)}".encode()).digest()[:8])
        noise[:1] = noise[:1].translate(_VARIANT)
        return f"{seed[:18]}-{noise[:2].hex()}-{noise[2:].hex()}"

    return following


def id_time_us(id: str) -> int:  # noqa: A002  the word of the house
    """When an id was made: microseconds since the epoch, UTC, by its maker's clock.

    Raises:
        ValueError: not an id.
    """
    if not is_id(id):
        raise ValueError(f"{id!r} is no job id (a UUIDv7 in lower case)")
    milliseconds = int(id[:8] + id[9:13], 16)
    return milliseconds * 1000 + (int(id[15:18], 16) * 1000 >> 12)


def is_id(text: str) -> bool:
    """Whether `text` is a UUIDv7 as `new_id` writes them."""
    return _SHAPE(text) is not None


def _refill() -> str:
    """Draw random tails for many ids at once, since each call to the system costs as much as ten ids."""
    noise = bytearray(os.urandom(8 * _BATCH))
    noise[::8] = noise[::8].translate(_VARIANT)
    _tails.extend(noise.hex("-", 8).split("-"))
    return _tails.pop()


def _forget_parent() -> None:
    """In a forked child: draw anew, and drop a lock that a thread left behind in the parent may hold."""
    global _lock  # noqa: PLW0603  the child's own
    _lock = RLock()
    _tails.clear()


os.register_at_fork(after_in_child=_forget_parent)
