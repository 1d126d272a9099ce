"""What an operator does from `qctl top`: by `qcore.monitor.actions`, with the `qctl` line that does the same."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from qcore.filters import Filter, Term, Value
from qcore.monitor.actions import EVERY_JOB, new_token
from qcore.monitor.queue_actions import ActionResult
from qctl import format as fmt
from qctl.screens.top.killing import kill

if TYPE_CHECKING:
    from qcore.monitor.actions import Actions
    from qcore.monitor.snapshots import JobSnapshot, WorkerSnapshot
    from qcore.monitor.stacks import Asked

WORKER_VERBS = (
    ("terminate", "terminate: end after the running jobs"),
    ("restart", "restart: begin anew with the code of now, after the running jobs"),
    ("pause", "pause: take no more jobs"),
    ("continue", "continue: take jobs again"),
    ("kill", "kill -9: end at once; its jobs are given back (on this host alone)"),
)
_LINES = {"continue": "resume", "pause": "pause"}
"""Commands that take workers by an option."""
_MANY = 100
"""Of more than so many the number is to be typed."""
_PIECE = 100
"""Jobs that are acted on in one step."""


class Progress:
    """How far something long is.

    Args:
        total: of how many jobs.
    """

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0
        self.is_stopped = False
        """Somebody wants it to end after what it is at."""


class Deed(NamedTuple):
    """Something to be done.

    Args:
        words: what it is, for a question.
        line: the `qctl` command that does the same.
        do: does it; returns what to tell.
        samples: of what it concerns.
        asks: whether it is asked for before.
        word: to be typed before it is done.
        progress: of what may take long.
    """

    words: str
    line: str
    do: Callable[[], str]
    samples: Sequence[str] = ()
    asks: bool = False
    word: str = ""
    progress: Progress | None = None


class Deeds:
    """Makes deeds of what is under the cursor.

    Args:
        actions: on the connection that is shown.
        flags: of the command line, that a shown command repeats.
        protected: queues that are cleared only by one who types their name.
        within: what every job that is shown matches.
    """

    def __init__(
        self,
        actions: Actions,
        flags: Sequence[str] = (),
        protected: Sequence[str] = (),
        within: Filter = EVERY_JOB,
    ) -> None:
        self._actions = actions
        self._flags = flags
        self._protected = protected
        self._within = within

    # -- queues --------------------------------------------------------------------------------------------------

    def pause(self, queues: Sequence[str], for_s: float | None = None, reason: str | None = None) -> Deed:
        """Let queues give no jobs."""
        more = [*(("--for", f"{for_s:g}s") if for_s is not None else ()), *(("--reason", reason) if reason else ())]

        def do() -> str:
            changed = sum(self._actions.pause(queue, for_s, reason).changed for queue in queues)
            return f"paused {fmt.plural(changed, 'queue')}"

        return Deed(f"Pause {_named(queues)}", self._line("pause", *queues, *more), do)

    def resume(self, queues: Sequence[str]) -> Deed:
        """Let queues give jobs again."""

        def do() -> str:
            return f"resumed {fmt.plural(sum(self._actions.resume(queue).changed for queue in queues), 'queue')}"

        return Deed(f"Resume {_named(queues)}", self._line("resume", *queues), do)

    def clear(self, queues: Sequence[str], waiting: int, samples: Sequence[str] = ()) -> Deed:
        """Drop the waiting jobs of queues."""

        def do() -> str:
            token = new_token()
            dropped = sum(self._actions.clear(queue, token=token).changed for queue in queues)
            return f"dropped {fmt.plural(dropped, 'job')}" + (_undone_by(token) if dropped else "")

        word = next((queue for queue in queues if queue in self._protected), _typed(waiting))
        words = f"Drop {fmt.plural(waiting, 'waiting job')} of {_named(queues)}?"
        return Deed(words, self._line("clear", *queues), do, samples, asks=True, word=word)

    # -- jobs that are named ---------------------------------------------------------------------------------------

    def retry(self, ids: Sequence[str], samples: Sequence[str] = ()) -> Deed:
        """Put failed jobs back."""
        words = f"Put back {fmt.plural(len(ids), 'failed job')}?"
        do = _doing("retried", lambda: self._actions.retry(ids))
        return Deed(words, self._line("retry", *ids), do, samples, len(ids) > 1, _typed(len(ids)))

    def forget(self, ids: Sequence[str], samples: Sequence[str]) -> Deed:
        """Drop failed jobs."""
        words = f"Drop {fmt.plural(len(ids), 'failed job')}?"

        def do() -> str:
            token = new_token()
            result = self._actions.forget(ids, token=token)
            return _told("dropped", result) + (_undone_by(token) if result.changed else "")

        return Deed(words, self._line("forget", *ids), do, samples, asks=True, word=_typed(len(ids)))

    def cancel(self, ids: Sequence[str], samples: Sequence[str], *, hard: bool = False) -> Deed:
        """Let jobs not run, or stop running."""
        words = f"Cancel {fmt.plural(len(ids), 'job')}?"
        do = _doing("cancelled", lambda: self._actions.cancel(ids, hard=hard))
        line = self._line("cancel", *ids, *(["--hard"] if hard else []))
        return Deed(words, line, do, samples, asks=True, word=_typed(len(ids)))

    # -- jobs that match, shown or not -----------------------------------------------------------------------------

    def found(self, where: Filter, views: Sequence[str]) -> ActionResult:
        """Count what matches, with a few as a sample."""
        return self._actions.preview(self._within & where, views)

    def retry_matching(self, where: Filter, view: str, found: ActionResult) -> Deed:
        """Put back every failed job that matches."""
        chosen = self._within & where
        words = f"Put back {fmt.plural(found.matched, 'failed job')}?"
        line = self._line("retry", *(["--where", str(chosen)] if chosen else ["--all"]))
        return self._matching(words, line, "retried", chosen, view, found, self._actions.retry)

    def forget_matching(self, where: Filter, view: str, found: ActionResult) -> Deed:
        """Drop every failed job that matches."""
        token, chosen = new_token(), self._within & where
        words = f"Drop {fmt.plural(found.matched, 'failed job')}?"
        line = self._line("forget", "--where", str(_in(view) & chosen))

        def forget(ids: Sequence[str]) -> ActionResult:
            return self._actions.forget(ids, token=token)

        return self._matching(words, line, "dropped", chosen, view, found, forget, undo=_undone_by(token))

    def cancel_matching(self, where: Filter, view: str, found: ActionResult) -> Deed:
        """Cancel every job of a state that matches."""
        chosen = self._within & where
        words = f"Cancel {fmt.plural(found.matched, 'job')}?"
        line = self._line("cancel", "--where", str(_in(view) & chosen))
        return self._matching(words, line, "cancelled", chosen, view, found, self._actions.cancel)

    def _matching(
        self,
        words: str,
        line: str,
        done: str,
        chosen: Filter,
        view: str,
        found: ActionResult,
        act: Callable[[Sequence[str]], ActionResult],
        undo: str = "",
    ) -> Deed:
        progress = Progress(found.matched)

        def do() -> str:
            results = []
            for ids in _smaller(self._actions.pieces_of(chosen, [view])):
                results.append(act(ids))
                progress.done += len(ids)
                if progress.is_stopped:
                    break
            result = _together(results)
            rest = f"; stopped after {progress.done:,} of {progress.total:,}" if progress.is_stopped else ""
            return _told(done, result) + rest + (undo if result.changed else "")

        return Deed(words, line, do, samples_of(found), asks=True, word=_typed(found.matched), progress=progress)

    # -- workers -------------------------------------------------------------------------------------------------

    def scale(self, supervisors: Sequence[str], step: int) -> Deed:
        """Let supervisors have a process more or less."""
        verb, word = ("grow", "more") if step > 0 else ("shrink", "less")

        def do() -> str:
            for supervisor in supervisors:
                self._actions.command(supervisor, verb)
            return f"told {fmt.plural(len(supervisors), 'supervisor')}: a process {word}"

        flag = "--more" if step > 0 else "--fewer"
        return Deed(f"A process {word}", self._line("scale", *supervisors, flag), do)

    def stack_line(self, worker: WorkerSnapshot) -> str:
        """The command that asks a worker where its code is."""
        return self._line("stack", worker.id)

    def asked(self, worker: WorkerSnapshot) -> Asked:
        """A worker that is to be asked where its code is."""
        return self._actions.asked(worker)

    def tell_worker(self, verb: str, addresses: Sequence[str], workers: Sequence[WorkerSnapshot]) -> Deed:
        """Let workers end, begin anew, take no more jobs, or take some again."""
        if verb == "kill":
            return self._kill(workers)

        def do() -> str:
            count = sum(self._actions.command(address, verb).changed for address in addresses)
            return f"told {fmt.plural(count, 'worker')}: {verb}"

        words = f"{verb.capitalize()} {fmt.plural(len(workers), 'worker')}?"
        named = [word for one in addresses for word in ("--worker", one)] if verb in _LINES else addresses
        line = self._line(_LINES.get(verb, verb), *named)
        return Deed(words, line, do, [_worker(one) for one in workers[:3]], asks=verb in {"terminate", "restart"})

    def _kill(self, workers: Sequence[WorkerSnapshot]) -> Deed:
        words = f"Kill {fmt.plural(len(workers), 'process')} at once?"
        line = f"kill -9 {' '.join(str(one.pid) for one in workers)}"
        return Deed(words, line, lambda: kill(workers), [_worker(one) for one in workers[:3]], asks=True)

    def _line(self, *words: str) -> str:
        return shlex.join(["qctl", *words, *self._flags])


def on_queues(queues: Iterable[str]) -> Filter:
    """The jobs of these queues, whatever their names hold."""
    values = tuple(Value((queue,)) for queue in queues)
    return Filter((Term("queue", values),)) if values else EVERY_JOB


def samples_of(found: ActionResult) -> list[str]:
    """A few of the jobs that were found, and how many more there are."""
    more = found.matched - len(found.sample)
    return [sample(job) for job in found.sample] + ([f"… and {more:,} more"] if more > 0 else [])


def sample(job: JobSnapshot) -> str:
    """A job in one line."""
    return f"{job.name} on {job.queue}  {job.id}"


def _in(view: str) -> Filter:
    return Filter((Term("state", (Value((view,)),)),))


def _smaller(pieces: Iterable[Sequence[str]]) -> Iterator[Sequence[str]]:
    """Pieces after which it is soon seen that somebody wants to stop."""
    for piece in pieces:
        for start in range(0, len(piece), _PIECE):
            yield piece[start : start + _PIECE]


def _typed(count: int) -> str:
    return str(count) if count > _MANY else ""


def _together(results: Sequence[ActionResult]) -> ActionResult:
    return ActionResult(
        matched=sum(one.matched for one in results),
        changed=sum(one.changed for one in results),
        failed=tuple(found for one in results for found in one.failed),
        told=tuple(found for one in results for found in one.told),
    )


def _doing(word: str, act: Callable[[], ActionResult]) -> Callable[[], str]:
    return lambda: _told(word, act())


def _told(word: str, result: ActionResult) -> str:
    """What came of it, in one line."""
    parts = [f"{word} {fmt.plural(result.changed, 'job')}"]
    if result.told:
        parts.append(f"told {fmt.plural(len(result.told), 'running job')}")
    if result.failed:
        first, reason = result.failed[0]
        parts.append(f"not {len(result.failed)}: {reason} ({first[:8]})")
    return ", ".join(parts)


def _undone_by(token: str) -> str:
    return f"; undo within a day: qctl restore {token}"


def _named(queues: Sequence[str]) -> str:
    return f"queue {queues[0]}" if len(queues) == 1 else f"{len(queues)} queues"


def _worker(worker: WorkerSnapshot) -> str:
    return f"{worker.id.rpartition(':')[2]} on {worker.host}, pid {worker.pid}, {fmt.plural(worker.jobs, 'job')} done"
