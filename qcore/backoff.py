"""How long a job waits before it is tried again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

import msgspec

from qcore.clock import LONGEST_S


class Exponential(msgspec.Struct, frozen=True, tag="exponential"):
    """Doubling pauses with a roof; see `exponential`."""

    base: float = 5.0
    """Seconds before the second attempt."""
    cap: float = 3600.0
    """Seconds at the most."""
    jitter: bool = True
    """Whether each pause is drawn from its upper half."""


Backoff = float | tuple[float, ...] | Exponential
DEFAULT = Exponential()


def exponential(base: float = 5.0, cap: float = 3600.0, *, jitter: bool = True) -> Exponential:
    """Wait `base`, twice `base`, four times `base` … seconds, never more than `cap`.

    Args:
        base: seconds before the second attempt, above 0.
        cap: seconds at the most.
        jitter: draw each pause evenly from its upper half, so that jobs that failed together do not return
            together.

    Returns:
        A value for a job's `backoff`.

    Raises:
        ValueError: `base` or `cap` is not positive, or beyond 10 years.
    """
    return _checked(Exponential(float(base), float(cap), jitter))


def normalize(value: float | timedelta | Exponential | Sequence[float | timedelta]) -> Backoff:
    """Bring what a user may write as a backoff into one of its three forms.

    Raises:
        ValueError: an empty list, a number that is negative or beyond 10 years, or another type.
    """
    if isinstance(value, Exponential):
        return _checked(value)
    if isinstance(value, (int, float, timedelta)):
        return _seconds(value)
    if isinstance(value, (list, tuple)) and value:
        return tuple(_seconds(item) for item in value)
    raise ValueError(f"backoff: give seconds, a list of seconds or exponential(...), not {value!r}")


def pause_s(backoff: Backoff, failures: int) -> float:
    """Seconds to wait after the `failures`-th failed attempt (from 1); a list's last value repeats."""
    if isinstance(backoff, Exponential):
        pause = min(backoff.cap, backoff.base * 2.0 ** min(failures - 1, 60))
        return random.uniform(pause / 2, pause) if backoff.jitter else pause  # noqa: S311  no secret
    if isinstance(backoff, tuple):
        return backoff[min(failures, len(backoff)) - 1]
    return backoff


def _checked(value: Exponential) -> Exponential:
    if not (value.base > 0 and value.cap > 0):
        raise ValueError(f"backoff: base and cap must be above 0 seconds, not {value.base} and {value.cap}")
    _seconds(value.base)
    _seconds(value.cap)
    return value


def _seconds(value: float | timedelta) -> float:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise ValueError(f"backoff: {value!r} is no number of seconds")  # noqa: TRY004  a value like any other
    if seconds < 0:
        raise ValueError(f"backoff: {seconds:g} s is negative")
    if not seconds <= LONGEST_S:
        raise ValueError(f"backoff: {float(min(seconds, 1e300)):g} s is beyond 10 years")
    return float(seconds)
