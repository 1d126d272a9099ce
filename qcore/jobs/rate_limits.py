"""How often jobs may start: what a class says of it, and what travels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from qcore.errors import ConfigurationError
from qcore.jobs.keys import hidden, key_of
from qcore.jobs.options import Seconds, count, seconds
from qcore.limits import Limit
from qcore.states import Strategy

_MOST_LIMITS = 16
_SHORTEST_US = 1000
_LONGEST_US = 366 * 86_400 * 1_000_000
_STRATEGIES = {strategy.name.lower(): strategy for strategy in Strategy}


class RateLimit(msgspec.Struct, frozen=True):
    """So many jobs of a key may start in a window of time, across all workers and hosts.

    A job that may not start yet waits for a slot of its own, and loses no try. Its attributes are as its arguments.

    Args:
        max_attempts: jobs in a window, 1 at least.
        per_seconds: the window, in seconds or a timedelta; a year at the most.
        key: jobs that share the limit. None: all of the class. One that is given is the class's own, unless `shared`.
        strategy: `sliding_window` (no stretch of that length holds more), `fixed_window` (counted anew at each full
            window since the epoch), `token_bucket` (so many at once, then evenly) or `leaky_bucket` (evenly from the
            first on).
        shared: classes that give the same key share the limit.

    Raises:
        ConfigurationError: a value makes no sense.

    Source: Laravel's `RateLimited`, which sends a job away until there is room and 3 s more, and charges it a try;
    ours does neither, on purpose. Both buckets count by the GCRA of ITU-T I.371.
    """

    max_attempts: int
    per_seconds: Seconds
    key: str | None = None
    strategy: str = "sliding_window"
    shared: bool = False

    def __post_init__(self) -> None:
        self.limit("")

    def limit(self, path: str, secret: bytes | None = None) -> Limit:
        """Return what travels of it.

        Args:
            path: the class path that scopes its key.
            secret: hides what the key tells of arguments; None where none are hidden.

        Raises:
            ConfigurationError: a value makes no sense.
        """
        strategy = _STRATEGIES.get(str(self.strategy))
        if strategy is None:
            raise ConfigurationError(
                f"RateLimit: {self.strategy!r} is no strategy", hint=f"one of {', '.join(_STRATEGIES)}"
            )
        if not isinstance(self.key, str | None):
            raise ConfigurationError(f"RateLimit: the key {self.key!r} is no text", hint='write key=f"user:{id}"')
        if self.shared and not self.key:
            raise ConfigurationError("RateLimit: a limit that classes share needs a key", hint='add key="mail server"')
        window_us = round(seconds(self.per_seconds, "RateLimit.per_seconds") * 1_000_000)
        if not _SHORTEST_US <= window_us <= _LONGEST_US:
            raise ConfigurationError(
                f"RateLimit.per_seconds: a window of {window_us / 1_000_000:g} s", hint="a millisecond to a year"
            )
        most = count(self.max_attempts, "RateLimit.max_attempts", 1)
        if most > window_us:
            raise ConfigurationError(f"RateLimit: {most:,} in {window_us / 1_000_000:g} s is no limit")
        scope = "" if self.shared else path
        how = f"{window_us / 1_000_000:g}s" + (f" {self.strategy}" if strategy else "")
        return Limit(key_of(scope, hidden(self.key or "", secret), how), most, window_us, strategy)


class RateLimited:
    """Let a job say how often it and its like may start: `class Mail(Job, RateLimited)`.

    Limits and keys are read when the job is dispatched, and travel with it.
    """

    def get_rate_limits(self) -> Sequence[RateLimit]:
        """Return the limits; the job starts when all of them let it, and counts in all of them.

        Returns:
            16 at the most, no two with the same key, window and strategy; a single one will do. Anything else raises
            ConfigurationError at dispatch.
        """
        return ()


def limits_of(job: Any, path: str, secret: bytes | None) -> tuple[Limit, ...]:
    """Read the limits of a job, in the order of their keys.

    Raises:
        ConfigurationError: it returns something else, or two that mean the same window.
    """
    what = f"{type(job).__qualname__}.get_rate_limits"
    said = job.get_rate_limits()
    several = [said] if isinstance(said, RateLimit) else said or ()
    given = list(several) if isinstance(several, Iterable) else [several]
    if not all(isinstance(one, RateLimit) for one in given):
        raise ConfigurationError(f"{what}: {said!r} are no limits", hint="return [RateLimit(10, per_seconds=60)]")
    if len(given) > _MOST_LIMITS:
        raise ConfigurationError(f"{what}: {len(given)} limits are more than {_MOST_LIMITS}")
    limits = {(limit := one.limit(path, secret)).key: limit for one in given}
    if len(limits) < len(given):
        raise ConfigurationError(
            f"{what}: two limits have the same key, window and strategy", hint="keep the stricter one"
        )
    return tuple(limits[key] for key in sorted(limits))


def limit_of_queue(queue: str, most: int, per_seconds: Seconds, strategy: str = "sliding_window") -> Limit:
    """The limit of a queue, whose jobs all count in it.

    Raises:
        ConfigurationError: a value makes no sense.
    """
    limit = RateLimit(most, per_seconds, f"queue {queue}", strategy, shared=True).limit("")
    return msgspec.structs.replace(limit, key=limit.key.removeprefix(":"), queue=queue)
