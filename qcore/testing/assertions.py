"""What a test may assert of what was pushed; a failure says what was pushed instead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from qcore.clock import microseconds
from qcore.flows import FlowKind
from qcore.jobs.function import JobFunction
from qcore.jobs.job import Job
from qcore.jobs.options import When, due
from qcore.testing.matching import NEAR_S, JobLike, Where, all_match, class_of, listed, question
from qcore.testing.pushed import Pushed, PushedFlow
from qcore.testing.telling import told, told_delay, told_list, told_pushes

_OF_FLOWS = "give a function that takes a PushedFlow"


class Assertions:
    """The assertions of a fake; every one returns nothing, and raises AssertionError with what was pushed instead.

    Where a job is asked for, it is a class or an `@job` function, and `where` is a function: anything else raises
    TypeError. A `where` that is async raises ConfigurationError.

    Source: named as those of Laravel's `Queue::fake` and `Bus::fake`, in one.
    """

    def __init__(self) -> None:
        self.pushes: list[Pushed] = []
        """Every job that was pushed, in order: by itself, or as a part of other work."""
        self.flows: list[PushedFlow] = []
        """Every batch, chain and graph that was pushed, in order, without those nested in others."""

    def pushed(self, job: JobLike | None = None, where: Where | None = None) -> list[Any]:
        """Return the jobs that were pushed, in order.

        Args:
            job: a class, or an `@job` function; all if None.
            where: takes a job, and says whether it is meant.

        Raises:
            TypeError: `job` is no job class and no `@job` function, or `where` is no function.
        """
        return [one.job for one in self._found(job, where)]

    @property
    def batches(self) -> list[PushedFlow]:
        """The batches that were pushed, in order."""
        return self._of_kind(FlowKind.BATCH)

    @property
    def chains(self) -> list[PushedFlow]:
        """The chains that were pushed, in order."""
        return self._of_kind(FlowKind.CHAIN)

    @property
    def workflows(self) -> list[PushedFlow]:
        """The graphs that were pushed, in order."""
        return self._of_kind(FlowKind.GRAPH)

    # -- jobs ----------------------------------------------------------------------------------------------------

    def assert_pushed(self, job: JobLike, times: int | None = None, *, where: Where | None = None) -> None:
        """Fail unless such a job was pushed.

        Args:
            job: a class, or an `@job` function.
            times: so often exactly; at least once if None.
            where: takes a job, and says whether it is meant.

        Raises:
            AssertionError: with what was pushed instead.
            TypeError: `job` is no job class and no `@job` function, or `where` is no function.
        """
        self._check_number(job, len(self._found(job, where)), times, _such(where))

    def assert_pushed_times(self, job: JobLike, times: int) -> None:
        """Fail unless such a job was pushed so often exactly.

        Args:
            job: a class, or an `@job` function.
            times: so often.

        Raises:
            AssertionError: with what was pushed instead.
            TypeError: `job` is no job class and no `@job` function.
        """
        self.assert_pushed(job, times)

    def assert_pushed_on(
        self, queue: str, job: JobLike, times: int | None = None, *, where: Where | None = None
    ) -> None:
        """Fail unless such a job was pushed to this queue.

        Args:
            queue: where it went, whoever said so: the job, its batch, or its connection.
            job: a class, or an `@job` function.
            times: so often exactly; at least once if None.
            where: takes a job, and says whether it is meant.

        Raises:
            AssertionError: with what was pushed instead.
            TypeError: `job` is no job class and no `@job` function, or `where` is no function.
        """
        number = sum(one.queue == queue for one in self._found(job, where))
        self._check_number(job, number, times, f" on {queue}{_such(where)}")

    def assert_not_pushed(self, job: JobLike, *, where: Where | None = None) -> None:
        """Fail if such a job was pushed.

        Args:
            job: a class, or an `@job` function.
            where: takes a job, and says whether it is meant.

        Raises:
            AssertionError: with what was pushed instead.
            TypeError: `job` is no job class and no `@job` function, or `where` is no function.
        """
        number = len(self._found(job, where))
        self._check(not number, f"{told(job)} was pushed {_times(number)}{_such(where)}", class_of(job))

    def assert_nothing_pushed(self) -> None:
        """Fail if anything was pushed."""
        self._check(not self.pushes, f"{_many(len(self.pushes), 'job', 'jobs')} pushed")
        if self.flows:
            raise AssertionError(f"work without jobs was pushed\n{told_list('pushed', map(told, self.flows))}")

    def assert_count(self, number: int) -> None:
        """Fail unless so many jobs were pushed, those of batches, chains and graphs among them."""
        self._check(len(self.pushes) == number, f"{_many(len(self.pushes), 'job', 'jobs')} pushed, not {number}")

    def assert_pushed_with_delay(self, job: JobLike, delay: When, *, where: Where | None = None) -> None:
        """Fail unless such a job was pushed with this delay.

        Args:
            job: a class, or an `@job` function.
            delay: seconds, a timedelta, or the datetime at which it is due (a second more or less).
            where: takes a job, and says whether it is meant.

        Raises:
            AssertionError: with what was pushed instead.
            ConfigurationError: `delay` is no time.
            TypeError: `job` is no job class and no `@job` function, or `where` is no function.
        """
        found = self._found(job, where)
        words = f"{told(job)} was not pushed with a delay of {told_delay(delay)}{_such(where)}"
        self._check(any(_is_due(one, delay) for one in found), words, class_of(job))

    def assert_pushed_without_delay(self, job: JobLike, *, where: Where | None = None) -> None:
        """Fail unless such a job was pushed that was due at once.

        Args:
            job: a class, or an `@job` function.
            where: takes a job, and says whether it is meant.

        Raises:
            AssertionError: with what was pushed instead.
            TypeError: `job` is no job class and no `@job` function, or `where` is no function.
        """
        found = self._found(job, where)
        words = f"{told(job)} was not pushed without delay{_such(where)}"
        self._check(any(one.due_at is None for one in found), words, class_of(job))

    # -- batches, chains and graphs --------------------------------------------------------------------------------

    def assert_batched(self, where: Where | Sequence[Any]) -> None:
        """Fail unless such a batch was pushed.

        Args:
            where: takes a `PushedFlow` and says whether it is meant; or its jobs, as classes, instances and lists.

        Raises:
            AssertionError: with what was pushed instead.
            TypeError: something among its jobs is none.
        """
        is_meant, words = _meant(where)
        found = [one for one in self.batches if is_meant(one)]
        self._check_flows(bool(found), f"no batch was pushed {words}", FlowKind.BATCH)

    def assert_batch_count(self, number: int) -> None:
        """Fail unless so many batches were pushed."""
        count = len(self.batches)
        self._check_flows(count == number, f"{_many(count, 'batch', 'batches')} pushed, not {number}", FlowKind.BATCH)

    def assert_nothing_batched(self) -> None:
        """Fail if a batch was pushed."""
        words = f"{_many(len(self.batches), 'batch', 'batches')} pushed"
        self._check_flows(not self.batches, words, FlowKind.BATCH)

    def assert_chained(self, steps: Sequence[Any], *, prefix: bool = False, where: Where | None = None) -> None:
        """Fail unless a chain of these steps was pushed.

        Args:
            steps: classes, instances (which stand for jobs with the same arguments), and lists, which are batches.
            prefix: the chain may go on after them.
            where: takes a `PushedFlow`, and says whether it is meant: by its name, its callbacks ...

        Raises:
            AssertionError: with what was pushed instead.
            TypeError: something among the steps is no job.
        """
        is_meant, every = question(where, _OF_FLOWS), listed(steps)
        found = [one for one in self.chains if _begins(one, every, whole=not prefix) and is_meant(one)]
        words = "no chain that begins with" if prefix else "no chain of"
        self._check_flows(bool(found), f"{words} {told(every)} was pushed{_such(where)}", FlowKind.CHAIN)

    def assert_nothing_chained(self) -> None:
        """Fail if a chain was pushed."""
        words = f"{_many(len(self.chains), 'chain', 'chains')} pushed"
        self._check_flows(not self.chains, words, FlowKind.CHAIN)

    def assert_pushed_with_chain(self, job: JobLike | Job, following: Sequence[Any]) -> None:
        """Fail unless such a job was pushed as the first of a chain, and just these after it.

        Args:
            job: a class, an `@job` function, or an instance, which stands for one with the same arguments.
            following: the rest of the chain, as of `assert_chained`.

        Raises:
            AssertionError: with what was pushed instead.
            TypeError: one of them is no job.
        """
        self.assert_chained([job, *following])

    def assert_pushed_without_chain(self, job: JobLike, *, where: Where | None = None) -> None:
        """Fail unless such a job was pushed by itself, in no batch, chain or graph.

        Args:
            job: a class, or an `@job` function.
            where: takes a job, and says whether it is meant.

        Raises:
            AssertionError: with what was pushed instead.
            TypeError: `job` is no job class and no `@job` function, or `where` is no function.
        """
        found = [one for one in self._found(job, where) if one.flow is None]
        self._check(bool(found), f"{told(job)} was not pushed by itself{_such(where)}", class_of(job))

    def assert_workflow(self, where: Where | str) -> None:
        """Fail unless such a graph was pushed.

        Args:
            where: its name; or takes a `PushedFlow`, and says whether it is meant.

        Raises:
            AssertionError: with what was pushed instead.
            TypeError: `where` is neither.
        """
        is_meant = _is_called(where) if isinstance(where, str) else question(where, _OF_FLOWS)
        found = [one for one in self.workflows if is_meant(one)]
        words = f'no workflow "{where}" was pushed' if isinstance(where, str) else "no such workflow was pushed"
        self._check_flows(bool(found), words, FlowKind.GRAPH)

    # -- parts -----------------------------------------------------------------------------------------------------

    def _found(self, job: JobLike | None, where: Where | None) -> list[Pushed]:
        kind, is_meant = None if job is None else class_of(job), question(where)
        of_kind = [one for one in self.pushes if kind is None or isinstance(one.job, kind)]
        return [one for one in of_kind if is_meant(one.job)]

    def _of_kind(self, kind: FlowKind) -> list[PushedFlow]:
        return [one for one in self.flows if one.kind == kind.value]

    def _check_number(self, job: JobLike, number: int, times: int | None, how: str) -> None:
        """Fail unless it was pushed so often; at least once if None. `how` tells on what, and with what."""
        if callable(times):
            raise TypeError(f"times is a number, not {times!r}: write where=…, by its name")
        if times is None:
            self._check(number > 0, f"{told(job)} was not pushed{how}", class_of(job))
        else:
            self._check(
                number == times, f"{told(job)} was pushed {_times(number)}{how}, not {_times(times)}", class_of(job)
            )

    def _check(self, holds: bool, words: str, kind: type[Job] | None = None) -> None:
        if not holds:
            raise AssertionError(f"{words}\n{told_pushes(self.pushes, kind)}")

    def _check_flows(self, holds: bool, words: str, kind: FlowKind) -> None:
        if not holds:
            raise AssertionError(
                f"{words}\n{told_list('pushed', map(told, self._of_kind(kind) or self._by_themselves()))}"
            )

    def _by_themselves(self) -> Iterable[Any]:
        return [*self.flows, *(one.job for one in self.pushes if one.flow is None)]


def _is_due(pushed: Pushed, delay: When) -> bool:
    if isinstance(delay, datetime):
        return pushed.due_at is not None and abs(pushed.due_at.timestamp() - microseconds(delay) / 1e6) <= NEAR_S
    from_now_us, _ = due(delay, "delay")
    if isinstance(pushed.job.delay, datetime):
        return abs(pushed.delay_s - from_now_us / 1e6) <= NEAR_S
    return round(pushed.delay_s * 1e6) == from_now_us


def _meant(where: Where | Sequence[Any]) -> tuple[Callable[[PushedFlow], bool], str]:
    """The question, and how to tell of it; a class could be called, too, but stands for no question."""
    if callable(where) and not isinstance(where, (type, JobFunction)):
        return question(where), "that is meant"
    jobs = listed(where)
    return lambda flow: flow.has_jobs(jobs), f"of {told(jobs)}"


def _is_called(name: str) -> Callable[[PushedFlow], bool]:
    return lambda flow: flow.name == name


def _begins(chain: PushedFlow, steps: list[Any], *, whole: bool) -> bool:
    return all_match(steps, chain.jobs if whole else chain.jobs[: len(steps)])


def _such(where: Where | None) -> str:
    return "" if where is None else " with what `where` asks"


def _times(number: int) -> str:
    return {0: "never", 1: "once"}.get(number, f"{number} times")


def _many(number: int, one: str, more: str) -> str:
    return f"{number} {one} was" if number == 1 else f"{number} {more} were"
