"""What batches, chains and graphs that are not stored yet have in common: names, callbacks, where they go."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Self

from qcore import dispatcher
from qcore.errors import ConfigurationError
from qcore.flows import FlowKind, Hook
from qcore.identity import Identity, current_identity, on_behalf_of
from qcore.ids import new_id
from qcore.jobs.job import Job
from qcore.jobs.options import name as checked
from qcore.workflows.options import pack_options
from qcore.workflows.plan import PPM, Allowance, Call, Node, Spec, Whole, in_a_row

_PERCENT = re.compile(r"(\d+(?:\.\d+)?) ?%")
_MOST_PERCENT = 100


class Pending:
    """Work that is being described; every call returns it again.

    A callback is a job of its own: a worker calls it, on the queue of `on_queue`, else of the first job. A function of
    a module travels by its name; a lambda or closure as code signed with the app key, and without a key `dispatch`
    raises ConfigurationError. It is called with what its signature takes: nothing, or the batch (of a chain or graph
    its `ChainMonitor`); `catch` the error, or both. Several of a kind are called one after the other.

    Callbacks are functions, and names are texts; what is neither raises ConfigurationError.

    Source: Laravel's `PendingBatch` and `PendingChain`; there the worker of the last job calls back, and dies with it.
    """

    def __init__(self, kind: FlowKind) -> None:
        self._spec = Spec(kind)
        self._promised_id: str | None = None

    def name(self, name: str) -> Self:
        """Call it so on screens, 1 to 190 characters; an empty one takes its name away."""
        self._spec.name = checked(name, "name()") if name != "" else ""
        return self

    def then(self, call: Call) -> Self:
        """Call this, and what was given before, when every job has ended and no more failed than may.

        Args:
            call: takes nothing, or the batch; of a chain or graph its `ChainMonitor`.

        Source: Laravel's `then`, which never comes while an allowed failure stays; ours does, on purpose.
        """
        return self._call(Hook.THEN, call)

    def catch(self, call: Call) -> Self:
        """Call this once when more failed than may, with the error of that job.

        Args:
            call: takes nothing, the error (a `JobFailedError`), or the batch or `ChainMonitor` and the error.

        Source: Laravel's `catch`, which comes with the first failure, also an allowed one.
        """
        return self._call(Hook.CATCH, call)

    def finally_(self, call: Call) -> Self:
        """Call this when every job and every other callback has ended, however; it always comes, and last.

        Args:
            call: takes nothing, or the batch; of a chain or graph its `ChainMonitor`.

        Source: Laravel's `finally`, a word of Python's own; there it never comes where a chain in a batch failed.
        """
        return self._call(Hook.FINALLY, call)

    def on_queue(self, queue: str) -> Self:
        """Send jobs here that name no queue of their own, and the callbacks, which else go where the first job does."""
        self._spec.queue = checked(queue, "on_queue()")
        return self

    def on_connection(self, connection: str) -> Self:
        """Store all of it there; jobs that name another connection are refused at dispatch."""
        self._spec.connection = checked(connection, "on_connection()")
        return self

    def with_option(self, name: str, value: Any) -> Self:
        """Keep a value with it, for whoever reads its `options`.

        Args:
            name: 1 to 190 characters; said again, it is replaced.
            value: anything that JSON has.

        Raises:
            ConfigurationError: the name is none, or JSON has no such value.
        """
        try:
            pack_options({checked(name, "with_option()"): value})
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ConfigurationError(
                f"with_option({name!r}) cannot keep that: {error}",
                hint="give what JSON has: text, numbers, true, false, nothing, and lists and dictionaries of these",
            ) from error
        self._spec.options[name] = value
        return self

    def whole(self) -> Whole:
        """Return itself as a part of other work."""
        raise NotImplementedError

    def dispatch(self) -> str:
        """Store it; returns its id, a UUIDv7. Raises a QueueError as `Job.dispatch` does."""
        raise NotImplementedError

    def dispatch_if(self, condition: object) -> str | None:
        """Dispatch it if the condition holds; returns its id or None, raises as `dispatch`."""
        return self.dispatch() if condition else None

    def dispatch_unless(self, condition: object) -> str | None:
        """Dispatch it unless the condition holds; returns its id or None, raises as `dispatch`."""
        return None if condition else self.dispatch()

    def dispatch_after_response(self) -> str:
        """Dispatch it once the response under way has been sent (`qcore.deferring`), at once where there is none.

        Returns:
            The id that it will have.

        Raises:
            QueueError: as `dispatch` raises, at once where there is no response; else where that ends.
        """
        promised = new_id()
        call = partial(self._dispatch_as, promised, current_identity())  # of the block that asks now, not of its end
        if not dispatcher.defer(call):
            call()
        return promised

    def _dispatch_as(self, promised: str, identity: Identity | None) -> None:
        self._promised_id = promised
        if identity is None:
            self.dispatch()
            return
        with on_behalf_of(identity):
            self.dispatch()

    def _take_id(self) -> str | None:
        """The id that was promised, once."""
        promised, self._promised_id = self._promised_id, None
        return promised

    def _call(self, hook: Hook, call: Call) -> Self:
        if not callable(call):
            raise ConfigurationError(
                f"{hook.name.lower()}() takes a function, not {type(call).__name__}", hint="give a def or a lambda"
            )
        self._spec.callbacks.setdefault(hook, []).append(call)
        return self


def works_in(jobs: Any, what: str) -> Iterable[Any]:
    """What was given as the jobs of a batch or chain, unread.

    Raises:
        ConfigurationError: nothing can be read from it: it is a single job, or none.
    """
    if isinstance(jobs, (Job, Pending)) or not (isinstance(jobs, Iterable) or hasattr(jobs, "__getitem__")):
        given = "None" if jobs is None else f"a single {type(jobs).__qualname__}"
        raise ConfigurationError(
            f"{what} takes a list of jobs, not {given}", hint=f"write {what.replace('()', '([A(), B()])')}"
        )
    return jobs  # type: ignore[no-any-return]  # it was seen to be one


def allowance_of(allowed: int | str | Call | None) -> Allowance:
    """What `allow_failures` was told: a number, a percentage as text, a function, or nothing for any number.

    Raises:
        ConfigurationError: it is none of these.
    """
    if allowed is None or allowed is True:
        return Allowance(most=-1)
    if isinstance(allowed, int) and allowed >= 0:
        return Allowance(most=int(allowed))
    if isinstance(allowed, str) and (found := _PERCENT.fullmatch(allowed.strip())) is not None:
        percent = float(found[1])
        if percent <= _MOST_PERCENT:
            return Allowance(ppm=round(percent * PPM / 100))
    if isinstance(allowed, Callable):  # type: ignore[arg-type]  # an abstract class of the standard library
        return Allowance(judge=allowed)  # type: ignore[arg-type]
    raise ConfigurationError(
        f"allow_failures({allowed!r}) makes no sense",
        hint='give a number of jobs, a share such as "5%", a function of exception and job, or nothing for any number',
    )


def strand_of(work: Any, where: str) -> list[Node]:
    """One member of a batch: a job, a list of jobs that follow each other, or other work.

    Raises:
        ConfigurationError: it is nothing that can be run.
    """
    if isinstance(work, (list, tuple)):
        return in_a_row([part_of(one, where) for one in work])
    if isinstance(work, Pending):
        whole = work.whole()
        is_list = whole.spec.kind is FlowKind.CHAIN and whole.spec.is_plain
        return list(whole.strands[0]) if is_list and whole.strands else [Node(whole)]
    return [Node(part_of(work, where))]


def part_of(work: Any, where: str) -> Job | Whole:
    """A job, or other work as a part of this one.

    Raises:
        ConfigurationError: it is nothing that can be run.
    """
    if isinstance(work, Pending):
        return work.whole()
    if isinstance(work, Job):
        return work
    raise ConfigurationError(
        f"{where}: {work!r} is no job", hint="give instances of jobs, lists of them, batches or chains"
    )
