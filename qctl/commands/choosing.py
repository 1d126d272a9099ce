"""How commands choose what they act on: queues, ids from words or from stdin, and the question before it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from qctl import exits, output
from qctl import format as fmt
from qctl.commands import completions
from qctl.exits import CommandFailed, Exit, NotConfirmed, NotFound, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qctl.context import Invocation

QueueNames = Annotated[
    list[str] | None, typer.Argument(metavar="[QUEUE]...", help="Which.", autocompletion=completions.queues)
]
WorkerIds = Annotated[
    list[str] | None,
    typer.Option(
        "--worker",
        metavar="WORKER",
        help="An id instead, of a worker or supervisor.",
        autocompletion=completions.workers,
    ),
]
_DRY_RUN = ", or with --dry-run"


def read_ids(words: Sequence[str]) -> list[str]:
    """Job ids as given; a `-` stands for those on stdin, one a line, bare or as JSON objects with an `id`.

    Raises:
        WrongUsage: a line of JSON has no id.
    """
    ids = (one for word in words for one in (_ids_on_stdin() if word == "-" else [word]))
    return list(dict.fromkeys(ids))


def require_ids(words: Sequence[str] | None, *, is_selected: bool) -> None:
    """See to it that ids were given, and nothing beside them that selects jobs.

    Raises:
        WrongUsage: neither ids nor a filter, or both.
    """
    if words and is_selected:
        raise WrongUsage("ids and what selects jobs exclude each other", hint="give ids, or --where FILTER")
    if not words:
        raise WrongUsage("no job was named", hint="give ids, - for those on stdin, or --where FILTER")


def _ids_on_stdin() -> list[str]:
    lines = (line.strip() for line in sys.stdin or ())
    return [_id_of(line) for line in lines if line]


def _id_of(line: str) -> str:
    if not line.startswith("{"):
        return line.split("\t", maxsplit=1)[0]
    try:
        return str(json.loads(line)["id"])
    except (ValueError, KeyError):
        raise WrongUsage(f"stdin: no id in {line[:60]!r}", hint="one id a line, or JSON objects with an id") from None


def queues_unless_workers(queues: Sequence[str] | None, workers: Sequence[str] | None) -> list[str]:
    """The queues that were named, each once; none where workers were.

    Raises:
        WrongUsage: neither was named, or both.
    """
    names = list(dict.fromkeys(queues or ()))
    if bool(names) == bool(workers):
        raise WrongUsage("name a queue, or a --worker")
    return names


def require_queues(call: Invocation, names: Sequence[str]) -> None:
    """See to it that every queue is one that its store or the configuration knows, or the usual one of its connection.

    Raises:
        NotFound: one is not; nothing was done.
    """
    for name in names:
        connection = call.connection_of(name)
        if name == connection.queue or name in _configured(call) or call.monitor.stats([name], connection.name).queues:
            continue
        known = ", ".join(queue.name for queue in call.monitor.stats(None, connection.name).queues)
        raise NotFound(f"no queue {name!r}", hint=f"queues here: {known}" if known else "no queue was used here yet")


def _configured(call: Invocation) -> set[str]:
    """The queues that the configuration names, used or not."""
    pools = call.settings.supervisors.values()
    return {*call.settings.protected, *(queue for pool in pools for queue in pool.queues)}


def require_writable(call: Invocation) -> None:
    """See to it that the configuration lets this call change anything.

    Raises:
        CommandFailed: it is read-only.
    """
    if call.settings.read_only:
        origin = call.settings.origins.get("read_only", "the configuration")
        raise CommandFailed("read-only: nothing may be changed from here", Exit.CONFLICT, hint=f"{origin} says so")


def confirm(
    call: Invocation, question: str, sample: Sequence[str] = (), *, how: str = "--yes", else_: str = _DRY_RUN
) -> None:
    """Ask before something is lost, unless `--yes` said so already.

    Args:
        call: of the command.
        question: what will be lost, without the question mark.
        sample: a few of the jobs it concerns.
        how: the flags that would confirm it, for the hint.
        else_: what else the hint has to say.

    Raises:
        NotConfirmed: the answer was no, or there is nobody to ask; nothing was changed.
    """
    if call.flags.yes:
        return
    if _answer(call, question, sample, "[y/N]", how, else_).lower() not in {"y", "yes"}:
        raise NotConfirmed("declined; nothing was changed")


def confirm_by_name(call: Invocation, question: str, names: Sequence[str], sample: Sequence[str], *, how: str) -> None:
    """Ask for the name of each thing that is about to be lost.

    Raises:
        NotConfirmed: another name was typed, or there is nobody to ask; nothing was changed.
    """
    for name in names:
        if _answer(call, question, sample, f"type {name} to confirm:", how) != name:
            raise NotConfirmed("declined; nothing was changed")


def _answer(
    call: Invocation, question: str, sample: Sequence[str], prompt: str, how: str, else_: str = _DRY_RUN
) -> str:
    if call.flags.no_interaction or not exits.somebody_is_there():
        raise NotConfirmed(f"not confirmed: {question}", hint=f"repeat it with {how} to go ahead{else_}")
    for line in sample:
        output.note(call, f"  {line}", even_quiet=True)
    return exits.ask(f"{fmt.printable(question)}? {fmt.printable(prompt)} ")
