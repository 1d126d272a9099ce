"""What an operator does from `qctl top`: by `qcore.monitor.actions`, with the `qctl` line that does the same."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from qcore.monitor.actions import new_token
from qctl import format as fmt

if TYPE_CHECKING:
    from qcore.monitor import ActionResult, Actions
    from qcore.monitor.snapshots import WorkerSnapshot

WORKER_VERBS = (
    ("terminate", "terminate: end after the running jobs"),
    ("restart", "restart: begin anew with the code of now, after the running jobs"),
    ("pause", "pause: take no more jobs"),
    ("continue", "continue: take jobs again"),
    ("kill", "kill -9: end at once; its jobs are given back (on this host alone)"),
)
_LINES = {"continue": "resume --worker", "pause": "pause --worker"}


class Deed(NamedTuple):
    """Something to be done.

    Args:
        words: what it is, for a question.
        line: the `qctl` command that does the same.
        do: does it; returns what to tell.
        samples: of what it concerns.
        asks: whether it is asked for before.
        word: to be typed before it is done.
    """

    words: str
    line: str
    do: Callable[[], str]
    samples: Sequence[str] = ()
    asks: bool = False
    word: str = ""


class Deeds:
    """Makes deeds of what is under the cursor.

    Args:
        actions: on the connection that is shown.
        flags: of the command line, that a shown command repeats.
        protected: queues that are cleared only by one who types their name.
    """

    def __init__(self, actions: Actions, flags: Sequence[str] = (), protected: Sequence[str] = ()) -> None:
        self._actions = actions
        self._flags = flags
        self._protected = protected

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

    def clear(self, queues: Sequence[str], waiting: int) -> Deed:
        """Drop the waiting jobs of queues."""

        def do() -> str:
            token = new_token()
            dropped = sum(self._actions.clear(queue, token=token).changed for queue in queues)
            return f"dropped {fmt.plural(dropped, 'job')}" + (_undone_by(token) if dropped else "")

        word = next((queue for queue in queues if queue in self._protected), "")
        words = f"Drop {fmt.plural(waiting, 'waiting job')} of {_named(queues)}?"
        return Deed(words, self._line("clear", *queues), do, (), asks=True, word=word)

    def retry_all(self, queues: Sequence[str], failed: int) -> Deed:
        """Put back the failed jobs of queues."""

        def do() -> str:
            return f"retried {fmt.plural(sum(self._actions.retry_all(queue).changed for queue in queues), 'job')}"

        words = f"Put back {fmt.plural(failed, 'failed job')} of {_named(queues)}?"
        line = " && ".join(self._line("failed", "--queue", queue, "--retry") for queue in queues)
        return Deed(words, line, do, (), asks=True)

    def retry(self, ids: Sequence[str], samples: Sequence[str] = ()) -> Deed:
        """Put failed jobs back."""
        words = f"Put back {fmt.plural(len(ids), 'failed job')}?"
        return Deed(
            words, self._line("retry", *ids), lambda: _told("retried", self._actions.retry(ids)), samples, len(ids) > 1
        )

    def forget(self, ids: Sequence[str], samples: Sequence[str]) -> Deed:
        """Drop failed jobs."""
        words = f"Drop {fmt.plural(len(ids), 'failed job')}?"

        def do() -> str:
            token = new_token()
            result = self._actions.forget(ids, token=token)
            return _told("dropped", result) + (_undone_by(token) if result.changed else "")

        return Deed(words, self._line("forget", *ids), do, samples, asks=True)

    def cancel(self, ids: Sequence[str], samples: Sequence[str], *, hard: bool = False) -> Deed:
        """Let jobs not run, or stop running."""
        words = f"Cancel {fmt.plural(len(ids), 'job')}?"
        do = _doing("cancelled", lambda: self._actions.cancel(ids, hard=hard))
        return Deed(words, self._line("cancel", *ids, *(["--hard"] if hard else [])), do, samples, asks=True)

    def scale(self, supervisors: Sequence[str], step: int) -> Deed:
        """Let supervisors have a process more or less."""
        verb, word = ("grow", "more") if step > 0 else ("shrink", "less")

        def do() -> str:
            for supervisor in supervisors:
                self._actions.command(supervisor, verb)
            return f"told {fmt.plural(len(supervisors), 'supervisor')}: a process {word}"

        flag = "--more" if step > 0 else "--fewer"
        return Deed(f"A process {word}", self._line("scale", *supervisors, flag), do)

    def tell_worker(self, verb: str, addresses: Sequence[str], workers: Sequence[WorkerSnapshot]) -> Deed:
        """Let workers end, begin anew, take no more jobs, or take some again."""
        if verb == "kill":
            return self._kill(workers)

        def do() -> str:
            count = sum(self._actions.command(address, verb).changed for address in addresses)
            return f"told {fmt.plural(count, 'worker')}: {verb}"

        words = f"{verb.capitalize()} {fmt.plural(len(workers), 'worker')}?"
        line = self._line(*_LINES.get(verb, verb).split(), *addresses)
        return Deed(words, line, do, [_worker(one) for one in workers[:3]], asks=verb in {"terminate", "restart"})

    def _kill(self, workers: Sequence[WorkerSnapshot]) -> Deed:
        def do() -> str:
            killed = 0
            for one in workers:
                try:
                    os.kill(one.pid, signal.SIGKILL)
                    killed += 1
                except OSError as error:
                    return f"worker {_worker(one)}: {error.strerror}"
            return f"killed {fmt.plural(killed, 'process')}"

        words = f"Kill {fmt.plural(len(workers), 'process')} at once?"
        line = f"kill -9 {' '.join(str(one.pid) for one in workers)}"
        return Deed(words, line, do, [_worker(one) for one in workers[:3]], asks=True)

    def _line(self, *words: str) -> str:
        return shlex.join(["qctl", *words, *self._flags])


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
