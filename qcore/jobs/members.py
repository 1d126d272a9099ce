"""Jobs that are meant to be members of batches and steps of chains. Any job may be; these can ask more."""

from __future__ import annotations

from typing import Any

from qcore.errors import ConfigurationError
from qcore.flows import Role, role_in
from qcore.jobs.context import Wanted
from qcore.jobs.job import Job


class Member(Job):
    """A job whose work may stand in `_handle`."""

    def handle(self) -> Any:
        """Do what `_handle` does; returns what it returns.

        Raises:
            ConfigurationError: the class has no `_handle`.
        """
        return self._handle()

    def _handle(self) -> Any:
        """Do the work; may be `async def`."""
        raise ConfigurationError(
            f"{type(self).__qualname__} has no _handle()",
            hint="define `def _handle(self)` or `def handle(self)`, or the same with async",
        )


class BatchableJob(Member):
    """A member of a batch: `self.batch` is the batch, inside `handle`.

    Source: Laravel's `Batchable`; there a job without it can be in no batch, here any can.
    """


class ChainableJob(Member):
    """A step of a chain or a graph, which sees what came before and may change what comes after."""

    def get_previous_result(self) -> Any:
        """Return what the step before returned: of a batch the results of its members, in order; None of the first.

        A step that waited for several gets a list of their results, in the order in which they were named.

        Raises:
            ConnectionFailed: the store, which is asked each time, did not answer.
            PayloadError: a result cannot be read: it is encrypted under another key (DecryptionError), was altered or
                names a class that nobody vouches for (SignatureError).

        Source: ours; Laravel's chains pass no results.
        """
        results = list(self.parent_results().values())
        return results[0] if len(results) == 1 else (results or None)

    def parent_results(self) -> dict[str, Any]:
        """Return what each step returned for which this one waited, by its name; without one, by its id.

        Raises:
            QueueError: as `get_previous_result` raises.
        """
        member = self._context.desk.membership(self._context) if self._context is not None else None
        return {} if member is None else member.parent_results()

    def chain_prepend(self, job: Job) -> None:
        """Let a job come right after this one, before those that wait; stored as this one completes.

        Args:
            job: an instance; it goes over the chain's connection, or names none.

        Raises:
            ConfigurationError: this job is no step of a chain, or what is given is no job that can be one.

        Source: Laravel's `prependToChain`.
        """
        self._wanted("chain_prepend", job).next.insert(0, job)

    def chain_append(self, job: Job) -> None:
        """Let a job come at the end of the chain; stored as this one completes.

        Args:
            job: an instance; it goes over the chain's connection, or names none.

        Raises:
            ConfigurationError: this job is no step of a chain, or what is given is no job that can be one.

        Source: Laravel's `appendToChain`.
        """
        self._wanted("chain_append", job).last.append(job)

    def _wanted(self, verb: str, job: Any) -> Wanted:
        context = self._context
        if context is None or context.flow is None or role_in(context.flow) != Role.STEP:
            raise ConfigurationError(
                f"{verb}() of a {type(self).__qualname__} that is no step", hint="dispatch it in a chain"
            )
        if not isinstance(job, Job):
            given = f"the class {job.__qualname__}" if isinstance(job, type) else f"a {type(job).__qualname__}"
            raise ConfigurationError(
                f"{verb}() takes an instance of a job, not {given}",
                hint="a batch or chain can be a step from the beginning, or is dispatched by itself",
            )
        member = context.desk.membership(context)
        if member is not None:
            member.require_here(job)
        return context.want(verb)
