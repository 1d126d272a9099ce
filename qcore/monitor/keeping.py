"""What costs much to read is read the less often."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from time import monotonic
from typing import TypeVar

T = TypeVar("T")
_TIMES = 20


class Kept:
    """What was read of late, for so many times as long as reading it took: twice in a row, for once may be chance.

    Args:
        least_s: seconds for which it is kept in any case.
        times: how many.
        most_s: seconds for which it is kept at the most.
    """

    def __init__(self, least_s: float = 0.0, times: float = _TIMES, most_s: float = inf) -> None:
        self._least_s, self._times, self._most_s = least_s, times, most_s
        self._until_s = self._took_s = 0.0
        self._of: object = None
        self._value: object = None

    def read(self, read: Callable[[], T], of: object = None, free_s: float = 0.0) -> T:
        """Give what was read of late, or read it now.

        Args:
            read: reads it.
            of: what it is, if it may be something else by now.
            free_s: seconds that cost nobody anything, such as those on the way to a store.
        """
        began_s = monotonic()
        if began_s >= self._until_s or of != self._of:
            self._value, self._of = read(), of
            now_s = monotonic()
            before_s, self._took_s = self._took_s, now_s - began_s
            cost_s = min(before_s, self._took_s) - free_s
            self._until_s = now_s + max(self._least_s, min(self._most_s, self._times * cost_s))
        value: T = self._value  # type: ignore[assignment]  # of one place only one kind of thing is asked
        return value

    def forget(self) -> None:
        """Read it anew the next time."""
        self._until_s = 0.0
