"""`qctl dispatch`."""

from inspect import signature
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qctl import output
from qctl.commands.choosing import require_writable
from qctl.commands.job_items import whole_item_of
from qctl.commands.values import arguments, moment, seconds
from qctl.context import Invocation
from qctl.exits import CommandFailed, Exit, WrongUsage

if TYPE_CHECKING:
    from qcore.jobs.job import Job

EXAMPLES = (
    'qctl dispatch shop:SendEmail \'["a@b.c", "Hello"]\'',
    "qctl dispatch shop:Report '{\"month\": 11}' --queue slow --delay 10m",
    "echo '[1, 2]' | qctl dispatch shop:Add - --wait --timeout 30s",
)
EXITS = (
    Exit.FAILED,
    Exit.USAGE,
    Exit.NOT_FOUND,
    Exit.UNREACHABLE,
    Exit.CONFIGURATION,
    Exit.CONFLICT,
    Exit.PARTIAL,
)


def run(
    ctx: typer.Context,
    job: Annotated[str, typer.Argument(metavar="MODULE:CLASS", help="The job: a class or an @job function.")],
    args: Annotated[
        str | None, typer.Argument(metavar="[JSON|-]", help="Its arguments: an array or an object; - reads stdin.")
    ] = None,
    queue: Annotated[str | None, typer.Option("--queue", metavar="QUEUE", help="Instead of the job's own.")] = None,
    delay: Annotated[str | None, typer.Option("--delay", metavar="WHEN", help="90s, 10m, or an instant.")] = None,
    priority: Annotated[int | None, typer.Option("--priority", metavar="N", help="Larger first.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until it has ended; fails if the job does.")] = False,
    timeout: Annotated[str | None, typer.Option("--timeout", metavar="TIME", help="Of --wait.")] = None,
) -> Exit:
    """Dispatch a job from the shell.

    A JSON array gives its arguments by position, an object by name. Prints the job's id.
    """
    call = Invocation.of(ctx)
    positional, named = arguments(args)
    when, timeout_s = moment("--delay", delay), seconds("--timeout", timeout)
    if priority is not None and not -(2**31) <= priority < 2**31:
        raise WrongUsage(f"--priority: {priority} is not between -2147483648 and 2147483647")
    require_writable(call)
    pending = _build(job, positional, named)
    if queue is not None:
        pending.on_queue(queue)
    if call.flags.connection is not None:
        pending.on_connection(call.flags.connection)
    if when is not None:
        pending.delay_until(when)
    if priority is not None:
        pending.with_priority(priority)
    job_id = pending.dispatch()
    if job_id is None:
        raise CommandFailed(f"{job} is unique, and one waits or runs already", Exit.CONFLICT, hint="see: qctl locks")
    if wait:
        return _wait(call, job_id, timeout_s)
    output.show(call, output.Report(schema="qctl.dispatch/1", data={"id": job_id}, text=job_id, backend=call.backend()))
    return Exit.OK


def _build(path: str, positional: list[Any], named: dict[str, Any]) -> "Job":
    from qcore.jobs.packing import resolve

    module, dot, name = path.rpartition(".")
    cls = resolve(f"{module}:{name}" if dot and ":" not in path else path)
    try:
        signature(cls.__init__).bind(None, *positional, **named)
    except TypeError as error:
        raise WrongUsage(f"{path} does not take these arguments: {error}") from None
    return cls(*positional, **named)


def _wait(call: Invocation, job_id: str, timeout_s: float | None) -> Exit:
    from qcore.monitor import JobRecord

    record = JobRecord.find(job_id, call.flags.connection)
    try:
        record.wait(timeout_s)
    except TimeoutError as error:
        raise CommandFailed(str(error), Exit.PARTIAL, hint=f"qctl show {job_id}") from None
    item = whole_item_of(call.monitor.job(job_id, call.flags.connection))
    ended_well = item["state"] == "completed"
    text = f"{job_id}  {item['state']}" + (f"  {item['error']}" if item["error"] and not ended_well else "")
    output.show(call, output.Report(schema="qctl.dispatch/1", data=item, text=text, backend=call.backend()))
    return Exit.OK if ended_well else Exit.FAILED
