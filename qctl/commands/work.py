"""`qctl work`."""

import contextlib
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcore.errors import ConnectionFailed
from qctl import output
from qctl.commands.choosing import require_writable
from qctl.commands.values import parts_of, seconds, split
from qctl.commands.worklog import log_format, observer_of
from qctl.context import Invocation
from qctl.exits import Exit, Verdict, WrongUsage

if TYPE_CHECKING:
    from qcore.backoff import Backoff
    from qcore.worker import SupervisorOptions, WorkerOptions

EXAMPLES = (
    "qctl work",
    "qctl work --queue high,default --timeout 60 --memory 256",
    "qctl work --processes auto --threads 4",
    "qctl work --stop-when-empty --quiet",
)
EXITS = (Exit.USAGE, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT, Exit.MEMORY)
BARE = {"--reload": "."}
_FIELDS = {
    "timeout": "timeout_s",
    "sleep": "sleep_s",
    "rest": "rest_s",
    "memory": "memory_mb",
    "max_time": "max_time_s",
    "grace": "grace_s",
    "grant": "grants",
    "async_": "async_jobs",
    "memory_hard": "memory_hard_mb",
}
"""The worker's names of what flags and configuration call by shorter ones."""

_CHILD = "QCTL_WORKER_BIRTH"
"""Set in a process that a supervisor made."""
_HEIR = "QCTL_SUPERVISOR_STATE"
"""Set in a supervisor that a reload made of the one before."""
_DIGITS_MOST = 9
_TIMES = ("timeout", "sleep", "rest", "max_time", "grace")
_PLAIN = ("tries", "memory", "max_jobs", "name", "processes", "threads", "async_", "memory_hard")

_Names = list[str] | None
_Time = str | None
_Queue = Annotated[_Names, typer.Option("--queue", metavar="QUEUE,...", help="Which, the most wanted first.")]
_Tries = Annotated[int | None, typer.Option("--tries", min=0, metavar="N", help="Of a job that says nothing; 0: any.")]
_Timeout = Annotated[_Time, typer.Option("--timeout", metavar="TIME", help="An attempt may take; 0: any.")]
_Backoff = Annotated[_Time, typer.Option("--backoff", metavar="TIME,...", help="Between tries, such as 5,30,2m.")]
_Sleep = Annotated[_Time, typer.Option("--sleep", metavar="TIME", help="When idle, between two looks; else 1s.")]
_Rest = Annotated[_Time, typer.Option("--rest", metavar="TIME", help="Between two jobs.")]
_Memory = Annotated[float | None, typer.Option("--memory", min=1, metavar="MB", help="Replace a process above it.")]
_MaxJobs = Annotated[int | None, typer.Option("--max-jobs", min=1, metavar="N", help="Stop after so many.")]
_MaxTime = Annotated[_Time, typer.Option("--max-time", metavar="TIME", help="Stop after so long.")]
_Once = Annotated[bool, typer.Option("--once", help="Run one job, if there is one.")]
_StopWhenEmpty = Annotated[bool, typer.Option("--stop-when-empty", help="Stop when none is due.")]
_Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="Part of its workers' ids.")]
_Grant = Annotated[_Names, typer.Option("--grant", metavar="PERMISSION,...", help="What jobs here may do.")]
_Fair = Annotated[bool, typer.Option("--fair", help="Share by weight, not strictly in order.")]
_Processes = Annotated[str | None, typer.Option("--processes", "-p", metavar="N", help="Worker processes, or auto.")]
_Threads = Annotated[int | None, typer.Option("--threads", min=1, metavar="N", help="Jobs at a time in each.")]
_Async = Annotated[int | None, typer.Option("--async", min=1, metavar="N", help="The same, on an event loop.")]
_MemoryHard = Annotated[int | None, typer.Option("--memory-hard", min=1, metavar="MB", help="End a job above it.")]
_Grace = Annotated[_Time, typer.Option("--grace", metavar="TIME", help="For running jobs at a stop; else 25s.")]
_Reload = Annotated[_Time, typer.Option("--reload", metavar="[PATH]", help="Reload as code changes, there or here.")]
_InProcess = Annotated[bool, typer.Option("--in-process", help="No supervisor: for debuggers.")]
_Log = Annotated[str | None, typer.Option("--log", metavar="FORMAT", help="pretty or json.")]


def run(  # noqa: PLR0913, PLR0917  each flag is a parameter, read by `_flags`
    ctx: typer.Context,
    queue: _Queue = None,
    tries: _Tries = None,
    timeout: _Timeout = None,
    backoff: _Backoff = None,
    sleep: _Sleep = None,
    rest: _Rest = None,
    memory: _Memory = None,
    max_jobs: _MaxJobs = None,
    max_time: _MaxTime = None,
    once: _Once = False,
    stop_when_empty: _StopWhenEmpty = False,
    name: _Name = None,
    grant: _Grant = None,
    fair: _Fair = False,
    processes: _Processes = None,
    threads: _Threads = None,
    async_: _Async = None,
    memory_hard: _MemoryHard = None,
    grace: _Grace = None,
    reload: _Reload = None,
    in_process: _InProcess = False,
    log: _Log = None,
) -> Exit:
    """Run workers under a supervisor.

    On a terminal it prints a line a job, elsewhere a line of JSON a job; --quiet prints none. TERM or Ctrl-C lets
    running jobs end, hands the rest back and exits 0; a second one does not wait, nor does QUIT. USR2 pauses, CONT
    goes on, HUP reloads the code. [worker] in qctl.toml says what no flag says.
    """
    call = Invocation.of(ctx)
    log_as = log_format(call, log)
    return serve(call, log_as, lambda: _run(call, ctx.params, log_as))


def _run(call: Invocation, given: dict[str, Any], log: str) -> Exit:
    require_writable(call)
    queue, reload, in_process = given["queue"], given["reload"], given["in_process"]
    queues = _named("--queue", queue, "queue") if queue else _configured(call)
    options, supervision = _options(call, _flags(given))
    if reload is not None:
        supervision = _watched(supervision, reload, alone=in_process or options.once)
    reach(call, [call.connection_of(name).name for name in queues] or [call.connection.name])
    if options.stop_when_empty and is_first_start():
        _note_unused(call, queues)
    if in_process or options.once:
        return _work_here(call, queues, options, log)
    return _supervise(call, queues, options, supervision, log)


def _flags(given: dict[str, Any]) -> dict[str, Any]:
    """Read the flags that describe a worker; those not given are None."""
    times = {name: seconds(f"--{name.replace('_', '-')}", given[name]) for name in _TIMES}
    switches = {name: given[name] or None for name in ("fair", "once", "stop_when_empty")}
    plain = {name: given[name] for name in _PLAIN}
    grants = tuple(_named("--grant", given["grant"], "permission")) if given["grant"] else None
    flags = times | switches | plain | {"backoff": _pauses(given["backoff"]), "grant": grants}
    if flags["max_time"] == 0:
        raise WrongUsage("--max-time: no time at all is no work", hint="leave it out for no limit")
    _check(flags | {"processes": _count(flags["processes"])})
    return flags


def _check(flags: dict[str, Any]) -> None:
    """Refuse what is out of bounds, by the name that it has on the line."""
    from qcore.worker.options import complaint

    for name, value in flags.items():
        found = complaint(_FIELDS.get(name, name), value)
        if found is not None:
            raise WrongUsage(f"--{name.strip('_').replace('_', '-')}: {found[0]}", hint=found[1])


def _named(flag: str, words: list[str], what: str) -> list[str]:
    """Read names from a flag that was given: there must be one."""
    names = split(words)
    if not names:
        raise WrongUsage(f"{flag} names no {what}", hint=f"leave {flag} out, or write one")
    return names


def _configured(call: Invocation) -> list[str]:
    """Read the queues of the configuration; none where it says nothing."""
    from qcore.worker.options import queue_names

    return list(queue_names(call.settings.worker.queue))


def _options(call: Invocation, flags: dict[str, Any]) -> "tuple[WorkerOptions, SupervisorOptions]":
    """What the flags say, else the configuration, else the worker's own defaults."""
    import msgspec

    from qcore.worker import SupervisorOptions

    chosen = msgspec.structs.asdict(call.settings.worker)
    chosen |= {name: value for name, value in flags.items() if value is not None}
    if flags["threads"] and not flags["async_"]:
        chosen["async_"] = None  # what the line says beats what the configuration says
    elif flags["async_"] and not flags["threads"]:
        chosen["threads"] = None
    options = options_of(chosen)
    slots = options.async_jobs or options.threads
    processes, memory_hard = _count(chosen["processes"]), chosen["memory_hard"]
    return options, SupervisorOptions(processes=processes, slots=slots, memory_hard_mb=memory_hard, name=options.name)


def options_of(chosen: dict[str, Any]) -> "WorkerOptions":
    """A worker's options, of values by the names that flags and configuration have for them."""
    from qcore.worker import WorkerOptions

    if chosen["threads"] and chosen["async_"]:
        raise WrongUsage("--threads and --async exclude each other", hint="sync jobs of an async worker have threads")
    given = {_FIELDS.get(name, name): value for name, value in chosen.items() if value is not None}
    return WorkerOptions(**{name: value for name, value in given.items() if name in WorkerOptions.__struct_fields__})


def _watched(supervision: "SupervisorOptions", path: str, *, alone: bool) -> "SupervisorOptions":
    """Let the supervisor reload when code changes; that needs one."""
    import msgspec

    from qcore.worker.codewatch import require_watchable

    if alone:
        raise WrongUsage("--reload needs a supervisor", hint="leave out --in-process or --once")
    require_watchable(path)
    return msgspec.structs.replace(supervision, watched=path)


def _count(text: str | None) -> int:
    """Read `--processes`: a number from 1 up, or auto for one a core."""
    if text == "auto":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if text is None or (text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MOST and int(text) > 0):
        return int(text or 1)
    raise WrongUsage(f"--processes: {text!r} is no number of processes", hint="write a number from 1 up, or auto")


def _work_here(call: Invocation, queues: list[str], options: "WorkerOptions", log: str) -> Exit:
    from qcore.worker import StopReason, Worker

    observer = observer_of(call, log)
    worker = Worker(
        queues or None,
        connection=call.flags.connection,
        manager=call.manager,
        options=options,
        observer=observer,
    )
    return Exit.MEMORY if worker.run() is StopReason.MEMORY else Exit.OK


def _supervise(
    call: Invocation, queues: list[str], options: "WorkerOptions", supervision: "SupervisorOptions", log: str
) -> Exit:
    from qcore.worker.pool import run_pool

    code = run_pool(
        queues,
        manager=call.manager,
        connection=call.flags.connection,
        options=options,
        supervision=supervision,
        observer=lambda: observer_of(call, log),
        say=observer_of(call, log).trouble,
    )
    return Exit(code)


def _pauses(text: str | None) -> "Backoff | None":
    if text is None:
        return None
    pauses = tuple(seconds("--backoff", part) or 0.0 for part in parts_of(text))
    if not pauses:
        raise WrongUsage("--backoff names no time", hint="write --backoff 5,30,2m")
    return pauses if len(pauses) > 1 else pauses[0]


def is_first_start() -> bool:
    """Whether somebody started this process, and no supervisor that serves already."""
    return _CHILD not in os.environ and _HEIR not in os.environ


def serve(call: Invocation, log: str, begin: Callable[[], Exit]) -> Exit:
    """Begin to serve; where that fails in a supervisor that a reload made, go on over the children of the one before.

    The code was tried, and may have changed once more since: then no children would be worse than the old ones.
    """
    try:
        return begin()
    except (Exception, SystemExit) as error:
        if _HEIR not in os.environ:
            raise
        from qcore.worker.pool import outlive

        with contextlib.suppress(Exception):
            call.close()  # a supervisor forks: no child may inherit a connection
        is_told = outlive(Verdict(error).message.partition("\n")[0], observer_of(call, log).trouble)
        if not is_told:
            raise
    return Exit.OK


def reach(call: Invocation, connections: Iterable[str]) -> None:
    """See that the stores answer: at the start a silent store is a wrong setting, later it is an outage.

    What a store has to say of how workers will wait, it says here once, before there are several of them.
    """
    if _CHILD in os.environ:
        return  # it waits for its store, as any worker does
    for name in sorted(set(connections)):
        with contextlib.nullcontext() if is_first_start() else contextlib.suppress(ConnectionFailed):
            store = call.manager.connection(name)
            store.ping()
            store.wait((), 0.0)


def _note_unused(call: Invocation, queues: list[str]) -> None:
    """Say of which queues nobody has heard: a worker that stops at once may have been given a wrong name."""
    for name in queues:
        connection = call.connection_of(name)
        if name != connection.queue and not call.manager.connection(connection.name).counts([name]):
            output.note(call, f"note: queue {name!r} has had no jobs here")
