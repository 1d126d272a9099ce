"""Middleware that decides which errors are worth another try, and after what pause."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from qcore.backoff import normalize, pause_s
from qcore.errors import ConfigurationError
from qcore.jobs.job import Job
from qcore.jobs.options import BackoffLike, count
from qcore.jobs.running import rule
from qcore.middleware.stack import Around, answered

Errors = type[BaseException] | Iterable[type[BaseException]] | Callable[[Exception], object]
"""Classes of errors, or a function that says whether one is meant."""


class FailOnException(Around):
    """Fails a job for good at once when it raises such an error, whatever tries are left.

    Args:
        errors: one class, several, or a function that is given the error and says whether it is meant.

    Raises:
        ConfigurationError: `errors` is none of these.

    Source: Laravel's `FailOnException`.
    """

    def __init__(self, errors: Errors) -> None:
        self._is_meant = matcher(errors, "FailOnException")

    @contextmanager
    def around(self, job: Job) -> Iterator[None]:
        """Give a block that rules on the job's error, and lets it pass.

        Raises:
            ConfigurationError: the function that says whether an error is meant is async.
        """
        try:
            yield
        except Exception as error:
            if self._is_meant(error):
                rule(job, error, is_final=True)
            raise


class RetryMiddleware(Around):
    """Tries a job again only after such errors, so often and after such pauses; another error fails it for good.

    Args:
        max_tries: at the most; the job's own limit holds beside it (`max_tries = 0` on the job leaves it to this one).
        backoff: the pauses, in the forms that a job's own `backoff` has; the job's own if None.
        retry_on: the errors worth another try, as in `FailOnException`.

    Raises:
        ConfigurationError: a number or a pause makes no sense, or `retry_on` is none of these.

    Source: ours; Laravel has no such middleware.
    """

    def __init__(
        self, max_tries: int | None = None, backoff: BackoffLike | None = None, *, retry_on: Errors = Exception
    ) -> None:
        self._tries = None if max_tries is None else count(max_tries, "RetryMiddleware: max_tries")
        self._is_meant = matcher(retry_on, "RetryMiddleware")
        try:
            self._backoff = None if backoff is None else normalize(backoff)
        except ValueError as error:
            raise ConfigurationError(f"RetryMiddleware: {error}") from error

    @contextmanager
    def around(self, job: Job) -> Iterator[None]:
        """Give a block that rules on the job's error, and lets it pass.

        Raises:
            ConfigurationError: the function that says whether an error is meant is async.
        """
        try:
            yield
        except Exception as error:
            if not self._is_meant(error):
                rule(job, error, is_final=True)
                raise
            pause = None if self._backoff is None else pause_s(self._backoff, max(1, job.attempts))
            rule(job, error, tries=self._tries, delay_s=pause)
            raise


def matcher(errors: Errors, where: str) -> Callable[[Exception], object]:
    """Make the function that says whether an error is meant.

    Raises:
        ConfigurationError: neither classes of errors nor a function were given; `where` names the middleware.
    """
    if callable(errors) and not isinstance(errors, type):
        return lambda error: answered(errors(error), where)
    kinds = tuple(errors) if isinstance(errors, Iterable) else (errors,)
    if not kinds or not all(map(_is_error, kinds)):
        raise ConfigurationError(f"{where}: {errors!r} is no class of errors", hint="give classes such as ValueError")
    return lambda error: isinstance(error, kinds)


def _is_error(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseException)
