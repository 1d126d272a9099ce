"""`qctl health`."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from qctl import format as fmt
from qctl import live, output
from qctl.commands import health_items
from qctl.commands.choosing import require_queues, require_writable
from qctl.commands.values import seconds, split
from qctl.context import Invocation
from qctl.exits import Exit, NotFound, WrongUsage

if TYPE_CHECKING:
    from qcore.monitor.health import Check, Observed, Thresholds

EXAMPLES = (
    "qctl health",
    "qctl health --check workers --check wait --max-wait emails=30s",
    "qctl health --nagios",
    "qctl health --watch 5s",
    "qctl health --fix",
)
EXITS = (
    Exit.USAGE,
    Exit.NOT_FOUND,
    Exit.UNREACHABLE,
    Exit.CONFIGURATION,
    Exit.CONFLICT,
    Exit.DEGRADED,
    Exit.CRITICAL,
)
BARE = live.EVERY


def run(
    ctx: typer.Context,
    check: Annotated[
        list[str] | None, typer.Option("--check", metavar="NAME", help="Only this one; may be repeated.")
    ] = None,
    max_wait: Annotated[
        list[str] | None,
        typer.Option(
            "--max-wait", metavar="[QUEUE=]TIME", help="How long a job may have been due, 5m; may be repeated."
        ),
    ] = None,
    max_failed: Annotated[
        int, typer.Option("--max-failed", min=0, metavar="N", help="Jobs that may fail in an hour.")
    ] = 10,
    watch: Annotated[
        str | None, typer.Option("--watch", "-w", metavar="TIME", help="Look again and again, every 2s.")
    ] = None,
    nagios: Annotated[bool, typer.Option("--nagios", help="One line with figures; exit 0, 1, 2 or 3.")] = False,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what is safe to mend, and look again.")] = False,
) -> int:
    """Check whether all is well.

    Each check is a line: ok, degraded or critical, with what was found and what to do about it. Nothing is changed,
    unless by --fix: that updates older tables, and gives back the jobs of workers that fell silent and forgets these.
    When the store cannot be reached the exit code is 4, and what can be checked without it is told all the same.
    """
    call = Invocation.of(ctx)
    if fix:
        _require_one_look(call, watch, nagios=nagios)
    if nagios:
        return _nagios(call, check, max_wait, max_failed)
    names, thresholds = _asked(call, check, max_wait, max_failed)
    every_s = seconds("--watch", watch)
    if every_s is not None:
        live.watch(call, every_s, lambda: (health_items.report_of(call, _check(call, names, thresholds)), False))
    checks = _check(call, names, thresholds, fix=fix)
    output.show(call, health_items.report_of(call, checks))
    return health_items.exit_code_of(checks)


def _asked(
    call: Invocation, check: list[str] | None, max_wait: list[str] | None, max_failed: int
) -> "tuple[Sequence[str], Thresholds]":
    from qcore.monitor.health import CHECKS, Thresholds

    names = split(check)
    for name in names:
        if name not in CHECKS:
            raise WrongUsage(f"there is no check {name!r}", hint=f"checks are: {', '.join(CHECKS)}")
    waits: dict[str, float] = {}
    for word in max_wait or ():
        queue, _, time = word.rpartition("=")
        waits[queue] = seconds("--max-wait", time) or 0.0
    _require_known(call, [queue for queue in waits if queue])
    general_s = waits.pop("", Thresholds().max_wait_s)
    return names, Thresholds(max_wait_s=general_s, max_wait_of=waits, max_failed=max_failed)


def _require_known(call: Invocation, queues: Sequence[str]) -> None:
    """See to it that there are such queues; where the store cannot say, the checks tell why."""
    from qcore.errors import QueueError

    try:
        for queue in queues:
            facts = call.manager.look_at(call.connection_of(queue).name).facts()
            if facts.revision == facts.wanted_revision:  # else it would be asked, and make its tables
                require_queues(call, [queue])
    except NotFound:
        raise
    except QueueError:
        return


def _require_one_look(call: Invocation, watch: str | None, *, nagios: bool) -> None:
    """See to it that mending makes sense here, and is allowed."""
    if watch is not None or nagios:
        other = "--nagios" if nagios else "--watch"
        raise WrongUsage(f"--fix and {other} exclude each other", hint="mend first, then look")
    require_writable(call)


def _check(call: Invocation, names: Sequence[str], thresholds: "Thresholds", *, fix: bool = False) -> "list[Check]":
    from qcore.monitor.health import checks_of
    from qcore.monitor.observing import observe

    def look(connection: str) -> "tuple[Observed, list[Check]]":
        seen = observe(call.manager, connection, max_failed=thresholds.max_failed)
        # one that was not asked for is told all the same where it is why the others could not be made
        found = checks_of(seen, thresholds)
        return seen, [one for one in found if not names or one.name in names or health_items.is_unreachable(one)]

    def checked(connection: str) -> "list[Check]":
        seen, found = look(connection)
        return _mended(call, seen, found, lambda: look(connection)[1]) if fix else found

    return [one for connection in call.connections_in_use() for one in checked(connection)]


def _mended(
    call: Invocation, seen: "Observed", found: "list[Check]", again: "Callable[[], list[Check]]"
) -> "list[Check]":
    """Mend what is not well, and say of each check what was done."""
    from msgspec.structs import replace

    from qcore.monitor.mending import mend

    done = mend(call.manager, seen, found)
    return [replace(one, fixed=done.get(one.name, "")) for one in again()] if done else found


def _nagios(call: Invocation, check: list[str] | None, max_wait: list[str] | None, max_failed: int) -> int:
    """Say it as plugins of Nagios do; whatever keeps it from checking is UNKNOWN."""
    from qcore.errors import QueueError

    try:
        checks = _check(call, *_asked(call, check, max_wait, max_failed))
    except QueueError as error:
        output.write(f"QCTL UNKNOWN - {fmt.printable(error.message)}\n")
        return health_items.NAGIOS_UNKNOWN
    output.write(fmt.printable(health_items.nagios_line(checks)) + "\n")
    return health_items.nagios_code(checks)
