"""Awaiting things that have no event of their own: other processes, servers, files."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_LOOK_EVERY_S = 0.01


class TooLate(AssertionError):  # noqa: N818  it is said of what was awaited
    """What was awaited did not come."""


def until(found: Callable[[], T], within_s: float, what: str | Callable[[], str], every_s: float = _LOOK_EVERY_S) -> T:
    """Return what `found` gives as soon as that is true.

    Raises:
        TooLate: it was not, for so many seconds; `what` says what was awaited.
    """
    deadline = time.monotonic() + within_s
    while not (answer := found()):
        if time.monotonic() > deadline:
            raise TooLate(f"not within {within_s:.1f} s: {what if isinstance(what, str) else what()}")
        time.sleep(every_s)
    return answer


def until_none(left: Callable[[], int], within_s: float, what: Callable[[], str], every_s: float) -> None:
    """Return as soon as nothing is left; however slow the machine is, it has to become less again and again.

    Raises:
        TooLate: for so many seconds it did not; `what` says what was awaited.
    """
    least, deadline = left(), time.monotonic() + within_s
    while least:
        time.sleep(every_s)
        if (now := left()) < least:
            least, deadline = now, time.monotonic() + within_s
        elif time.monotonic() > deadline:
            raise TooLate(f"no progress for {within_s:.1f} s: {what()}")
