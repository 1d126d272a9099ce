"""What may be chosen for a job, as attributes of its class, in its `__init__`, or by fluent calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from qcore.jobs.options import BackoffLike, Seconds, When, tags_of


class Choices:
    """The options of a job; one that makes no sense raises ConfigurationError when the job is dispatched."""

    connection: str | None = None
    """Name of the connection it goes over. None: its queue's, as `define_queue` says, else the default."""
    queue: str | None = None
    """Name of its queue, 1 to 190 characters. None: that of its batch, chain or graph, else the connection's own."""
    delay: When = 0
    """Seconds, a timedelta, or the datetime when the job is due (before the year 2200); a naive one is local time."""
    priority: int = 0
    """Larger first, within a queue; -2147483648 to 2147483647."""
    max_tries: int | None = None
    """Attempts at the most; 0: no limit. None: the queue's definition, the worker's `--tries`, the connection's
    `max_attempts`, or 3: the first of them that says one."""
    timeout: Seconds | None = None
    """Seconds, or a timedelta, an attempt may take; 0: any. None: the worker's, 60."""
    backoff: BackoffLike | None = None
    """Seconds or a timedelta between tries, a list of them (the last one repeats), or `exponential(...)`. None: the
    worker's, exponential from 5 s."""
    retry_until: When | None = None
    """Try again until this datetime, however many tries it takes: `max_tries` does not count then. Seconds or a
    timedelta: for so long from the moment the store took the job."""
    max_exceptions: int | None = None
    """Attempts that may end by an exception, at least 1; releases do not count. None: no limit of their own."""
    fail_on_timeout: bool = False
    """Fail the job for good at its first timeout, whatever tries are left."""
    max_crashes: int | None = None
    """Workers that may die under the job, 3 unless said, even with `max_tries = 0`."""
    result_ttl: Seconds = 3600
    """Seconds, or a timedelta, that what `handle` returned is kept; 0: not at all."""
    tags: Sequence[str] = ()
    """Words to find it by, 1 to 190 characters each; a single text is one tag."""
    tenant: str | None = None
    """On whose account it is, 1 to 190 characters; travels with it, and no store orders jobs by it yet."""
    after_commit: bool = False
    """With a session: dispatch once its transaction is committed, and not at all if it is rolled back."""
    debounced: Seconds | tuple[Seconds, Seconds | None] | None = None
    """Due so long after the last dispatch, which cancels those before it that still wait; as a pair, no later than
    the second after the first dispatch. See `debounce`."""
    middleware: Any = ()
    """Objects with `handle(job, next)`, outermost first: a list, a `MiddlewareStack`, or a method that returns one.

    As an attribute of the class, a class method or a static one it is composed once; else for every run.
    """

    def on_queue(self, queue: str) -> Self:
        """Send it to this queue; returns the job, as each of these calls does."""
        self.queue = queue
        return self

    def on_connection(self, connection: str) -> Self:
        """Send it over this connection; returns the job."""
        self.connection = connection
        return self

    def delay_until(self, when: When) -> Self:
        """Keep it until then; returns the job.

        Args:
            when: seconds or a timedelta from its dispatch, or a datetime.
        """
        self.delay = when
        return self

    def with_priority(self, priority: int) -> Self:
        """Let it pass those of smaller priority; 0 is usual. Returns the job."""
        self.priority = priority
        return self

    def with_tags(self, *tags: str) -> Self:
        """Add words to find it by, 1 to 190 characters each; returns the job.

        Raises:
            ConfigurationError: a tag that it has is none; those added here are looked at when it is dispatched.
        """
        self.tags = (*tags_of(self.tags, "tags"), *tags)
        return self

    def with_tries(self, tries: int) -> Self:
        """Try it so often at the most; 0: no limit. Returns the job."""
        self.max_tries = tries
        return self

    def with_timeout(self, timeout: Seconds) -> Self:
        """Let an attempt take so many seconds, or a timedelta; 0: any. Returns the job."""
        self.timeout = timeout
        return self

    def with_backoff(self, backoff: BackoffLike) -> Self:
        """Wait so long between tries; returns the job.

        Args:
            backoff: seconds, a timedelta, a list of them of which the last one repeats, or `exponential(...)`.
        """
        self.backoff = backoff
        return self

    def debounce(self, pause: Seconds, max_wait: Seconds | None = None) -> Self:
        """Let the last of many dispatches win: it is due `pause` after it, and cancels those before that still wait.

        Jobs are the same by their `unique_id`, if they have one, and else by class and arguments. Its dispatch raises
        ConfigurationError where `pause` is 0, `max_wait` is less, or the job has a delay as well.

        Args:
            pause: seconds or a timedelta without a further dispatch.
            max_wait: seconds or a timedelta from the first of them, after which it is due however many follow. None:
                it may be put off for ever.

        Returns:
            The job.

        Source: `DebounceFor` of Laravel 13.
        """
        self.debounced = (pause, max_wait)
        return self
