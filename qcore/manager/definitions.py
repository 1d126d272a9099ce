"""What code says about queues. Kept here until a store is first used, then published to it for every process."""

from __future__ import annotations

from qcore.errors import ConfigurationError
from qcore.jobs import options
from qcore.jobs.rate_limits import limit_of_queue
from qcore.limits import Limit
from qcore.records import QueueDefinition


class Definitions:
    """The queues that this process has defined, newest word last."""

    def __init__(self) -> None:
        self._by_name: dict[str, QueueDefinition] = {}
        self.version = 0
        """Rises with every definition, so that a manager knows when to publish again."""
        self.encrypted: frozenset[str] = frozenset()
        """The queues that encrypt every job."""

    def add(self, definition: QueueDefinition) -> None:
        """Define a queue, or define it anew."""
        self._by_name[definition.name] = definition
        self.encrypted = frozenset(one.name for one in self._by_name.values() if one.encryption_enabled)
        self.version += 1

    def get(self, name: str) -> QueueDefinition | None:
        """Return what was said of a queue, or None."""
        return self._by_name.get(name)

    def all(self) -> list[QueueDefinition]:
        """Return every definition, in the order they were first made."""
        return list(self._by_name.values())

    def clear(self) -> None:
        """Forget them all (between tests)."""
        self._by_name.clear()
        self.encrypted = frozenset()
        self.version += 1


defined = Definitions()


def define_queue(
    name: str,
    *,
    connection: str | None = None,
    max_jobs: int | None = None,
    priority_weight: int | None = None,
    max_attempts: int | None = None,
    retry_after: float | None = None,
    rate_limit_enabled: bool | None = None,
    rate_limit_max: int | None = None,
    rate_limit_window: float | None = None,
    encryption_enabled: bool | None = None,
) -> QueueDefinition:
    """Say how a queue behaves; published at the first push or worker start, and then true for every process.

    Args:
        name: of the queue.
        connection: where its jobs live; the default connection if None.
        max_jobs: waiting and running jobs at the most; a dispatch past it raises `QueueFullError`.
        priority_weight: share of a worker that serves several queues with `--fair`, beside the others'; 1 is usual.
        max_attempts: tries of a job that says nothing itself; beats the worker's `--tries` and the connection's.
        retry_after: seconds; read and kept, and without effect: a lease ends when its worker's heartbeats do.
        rate_limit_enabled: whether the limit below is in force; by default it is where one is given.
        rate_limit_max: jobs of the queue that may start in a window, whatever their class.
        rate_limit_window: seconds.
        encryption_enabled: encrypt every job that this process dispatches to it: define it wherever that happens.

    Returns:
        The definition. What an operator has set since beats it.

    Raises:
        ConfigurationError: the name is none, or half of a rate limit is missing.

    Source: ours; `retry_after` is Laravel's, where it also gives a healthy job that takes longer to a second worker.
    """
    definition = QueueDefinition(
        name=options.name(name, "define_queue"),
        connection=connection,
        max_jobs=max_jobs,
        priority_weight=priority_weight,
        max_attempts=max_attempts,
        retry_after=retry_after,
        rate_limit_enabled=rate_limit_enabled,
        rate_limit_max=rate_limit_max,
        rate_limit_window=rate_limit_window,
        encryption_enabled=encryption_enabled,
        limit=_limit(name, rate_limit_max, rate_limit_window, is_wanted=rate_limit_enabled),
    )
    defined.add(definition)
    return definition


def _limit(queue: str, most: int | None, window_s: float | None, *, is_wanted: bool | None) -> Limit | None:
    """The rate limit that a definition speaks of; where it does not say whether it is wanted, it is if it is given."""
    if is_wanted is False or (is_wanted is None and most is None and window_s is None):
        return None
    if most is None or window_s is None:
        raise ConfigurationError(
            f"define_queue({queue!r}): a rate limit needs rate_limit_max and rate_limit_window",
            hint="write rate_limit_max=100, rate_limit_window=60",
        )
    return limit_of_queue(queue, most, window_s)
