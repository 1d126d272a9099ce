"""Members, steps and callbacks for the tests of workflows."""

from __future__ import annotations

from typing import Any

import worker_jobs

from qcore import BatchableJob, ChainableJob, Job, JobBatch, ShouldBeEncrypted, batch
from qcore.middleware import SkipIfBatchCancelled


def heard(*said: Any) -> None:
    worker_jobs.HEARD.append(said)


class Says(BatchableJob):
    queue = "flows"
    max_tries = 1

    def __init__(self, word: Any, fails: bool = False) -> None:
        super().__init__()
        self.word, self.fails = word, fails

    def _handle(self) -> Any:
        heard(self.word)
        if self.fails:
            raise ValueError(f"{self.word} is not to be said")
        return self.word


class Anywhere(ChainableJob):
    """Goes where what it is in goes."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    def _handle(self) -> str:
        heard(self.word)
        return self.word


class Mends(BatchableJob):
    """Fails until somebody mended it."""

    queue = "flows"
    max_tries = 1
    is_mended = False

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    def _handle(self) -> str:
        if not Mends.is_mended:
            raise ValueError(self.word)
        heard(self.word)
        return self.word


class Adds(BatchableJob):
    queue = "flows"
    max_tries = 2

    def __init__(self, words: list[Any], fails_first: bool = False) -> None:
        super().__init__()
        self.words, self.fails_first = words, fails_first
        self.backoff = 0

    def _handle(self) -> None:
        assert self.batch is not None
        self.batch.add([Says(word) for word in self.words])
        if self.fails_first and self.attempts == 1:
            raise ValueError("after it added")


class AddsAtOnce(BatchableJob):
    """Adds what does not wait until it completes, and fails after that the first time."""

    queue = "flows"
    max_tries = 2
    backoff = 0

    def _handle(self) -> None:
        assert self.batch is not None
        self.batch.add([[Says("first"), Says("second")], batch([Says("inner")])])
        self.batch.add(Says(n) for n in range(1500))
        if self.attempts == 1:
            raise ValueError("after it added")


class AddsSums(ChainableJob):
    """Adds to the batch in which it is, of which a chain waits."""

    queue = "flows"

    def _handle(self) -> int:
        assert self.batch is not None
        self.batch.add([Sums(7)])
        return 1


class Cancels(BatchableJob):
    queue = "flows"

    def _handle(self) -> None:
        assert self.batch is not None
        self.batch.cancel()


class CancelFirst:
    """Cancels the batch of a job just before that would run."""

    def handle(self, job: Job, next: Any) -> Any:  # noqa: A002  the public name is fixed
        assert job.batch is not None
        job.batch.cancel()
        return next(job)


class Skips(Says):
    middleware = (CancelFirst(), SkipIfBatchCancelled())


class SkipsNot(Says):
    middleware = (SkipIfBatchCancelled(),)


class Sums(ChainableJob):
    queue = "flows"
    max_tries = 1

    def __init__(self, number: Any = 0, fails: bool = False) -> None:
        super().__init__()
        self.number, self.fails = number, fails

    def _handle(self) -> Any:
        before = self.get_previous_result()
        if self.fails:
            raise ValueError(f"no {self.number}")
        total = (sum(before) if isinstance(before, list) else before or 0) + self.number
        heard(self.number, before)
        return total


class Hidden(ChainableJob, ShouldBeEncrypted):
    queue = "flows"

    def __init__(self, secret: str) -> None:
        super().__init__()
        self.secret = secret

    def _handle(self) -> str:
        return self.secret


class Tells(ChainableJob):
    queue = "flows"

    def _handle(self) -> None:
        heard(self.get_previous_result())


class Parents(ChainableJob):
    queue = "flows"

    def _handle(self) -> dict[str, Any]:
        heard("parents", self.parent_results())
        return self.parent_results()


class Grows(ChainableJob):
    queue = "flows"

    def _handle(self) -> str:
        self.chain_prepend(Says("second"))
        self.chain_append(Says("last"))
        heard("grows")
        return "grown"


class Plain(Job):
    queue = "flows"

    async def handle(self) -> None:
        heard("plain")


def before(batch: JobBatch) -> None:
    heard("before", batch.total_jobs)


def progress(batch: JobBatch) -> None:
    heard("progress", batch.progress())


def then(batch: JobBatch) -> None:
    heard("then", batch.processed_jobs, batch.failed_jobs)


def catch(batch: JobBatch, error: Exception) -> None:
    heard("catch", str(error))


def finally_(batch: JobBatch) -> None:
    heard("finally", batch.finished(), batch.cancelled_jobs)


def done() -> None:
    heard("done")


def caught(error: Exception) -> None:
    heard("caught", str(error))


def is_odd(error: Exception, job: Any) -> bool:
    return isinstance(error, ValueError) and job.word % 2 == 1
