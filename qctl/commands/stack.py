"""`qctl stack`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from qctl import format as fmt
from qctl import output
from qctl.commands import completions
from qctl.commands.choosing import require_writable
from qctl.commands.values import seconds
from qctl.commands.worker_items import worker_at
from qctl.context import Invocation
from qctl.exits import CommandFailed, Exit, NotFound

if TYPE_CHECKING:
    from qcore.monitor.stacks import Answer, Asked

EXAMPLES = ("qctl stack 4f3a9c21", "qctl stack 01J9ZQ4M6T --json")
EXITS = (Exit.FAILED, Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)
_WAITS_S, _LOOKS_EVERY_S = 5.0, 0.1


def run(
    ctx: typer.Context,
    who: Annotated[
        str,
        typer.Argument(metavar="WORKER|JOB", help="A worker, or a job that runs.", autocompletion=completions.workers),
    ],
    wait: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long to wait for it to tell, 5s if nothing is said.")
    ] = None,
) -> None:
    """Show where the code of a worker is at this moment.

    Each of its threads tells its files, lines and functions, and so does each task of its event loop; no values. It
    goes on undisturbed, and tells nothing while a job lets nobody else run.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    wait_s = seconds("--wait", wait) or _WAITS_S
    worker = worker_at(call, who)
    answer = _told(call.actions_on(worker.connection).asked(worker), wait_s)
    if answer.is_gone:
        raise NotFound(f"worker {worker.id} has ended meanwhile", hint="qctl workers lists those that are there")
    if answer.stack is None:
        raise CommandFailed(
            f"worker {worker.id} told nothing in {wait_s:g} s",
            Exit.FAILED,
            hint="it tells on Linux alone, and not while a call into C lets nobody else run; --wait waits longer",
        )
    running = [{"id": one.id, "job": one.job, "runtime_s": one.runtime_s} for one in answer.running]
    data = {
        "worker": worker.id,
        "host": worker.host,
        "pid": worker.pid,
        "at": answer.stack.at,
        "running": running,
        "stack": answer.stack.text,
    }
    jobs = ", ".join(f"{one.name} {one.id} for {fmt.duration(one.runtime_s)}" for one in answer.running)
    text = f"{worker.id}: {jobs or 'no job'}\n\n{answer.stack.text}"
    told = fmt.printable_lines(text)
    report = output.Report(schema="qctl.stack/1", data=data, text=told, name="stack", backend=call.backend())
    output.show(call, report)


def _told(asked: Asked, wait_s: float) -> Answer:
    """Ask, and wait for what is told."""
    until = time.monotonic() + wait_s
    asked.ask()
    while True:
        answer = asked.look()
        if answer.stack is not None or answer.is_gone or time.monotonic() >= until:
            return answer
        time.sleep(_LOOKS_EVERY_S)
