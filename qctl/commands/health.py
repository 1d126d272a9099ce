"""`qctl health`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from qctl import format as fmt
from qctl import live, output
from qctl.commands import health_items
from qctl.commands.values import seconds, split
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

if TYPE_CHECKING:
    from qcore.monitor.health import Check, Thresholds

EXAMPLES = (
    "qctl health",
    "qctl health --check workers --check wait --max-wait emails=30s",
    "qctl health --nagios",
    "qctl health --watch 5s",
)
EXITS = (Exit.USAGE, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.DEGRADED, Exit.CRITICAL)
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
) -> int:
    """Check whether all is well.

    Each check is a line: ok, degraded or critical, with what was found and what to do about it. Nothing is changed.
    When the store cannot be reached the exit code is 4, and what can be checked without it is told all the same.
    """
    call = Invocation.of(ctx)
    if nagios:
        return _nagios(call, check, max_wait, max_failed)
    names, thresholds = _asked(check, max_wait, max_failed)
    every_s = seconds("--watch", watch)
    if every_s is not None:
        live.watch(call, every_s, lambda: (health_items.report_of(call, _check(call, names, thresholds)), False))
    checks = _check(call, names, thresholds)
    output.show(call, health_items.report_of(call, checks))
    return health_items.exit_code_of(checks)


def _asked(check: list[str] | None, max_wait: list[str] | None, max_failed: int) -> "tuple[Sequence[str], Thresholds]":
    from qcore.monitor.health import CHECKS, Thresholds

    names = split(check)
    for name in names:
        if name not in CHECKS:
            raise WrongUsage(f"there is no check {name!r}", hint=f"checks are: {', '.join(CHECKS)}")
    waits: dict[str, float] = {}
    for word in max_wait or ():
        queue, _, time = word.rpartition("=")
        waits[queue] = seconds("--max-wait", time) or 0.0
    general_s = waits.pop("", Thresholds().max_wait_s)
    return names, Thresholds(max_wait_s=general_s, max_wait_of=waits, max_failed=max_failed)


def _check(call: Invocation, names: Sequence[str], thresholds: "Thresholds") -> "list[Check]":
    from qcore.monitor.health import checks_of
    from qcore.monitor.observing import observe

    found = (
        one
        for connection in call.connections_in_use()
        for one in checks_of(observe(call.manager, connection, max_failed=thresholds.max_failed), thresholds)
    )
    # one that was not asked for is told all the same where it is why the others could not be made
    return [one for one in found if not names or one.name in names or health_items.is_unreachable(one)]


def _nagios(call: Invocation, check: list[str] | None, max_wait: list[str] | None, max_failed: int) -> int:
    """Say it as plugins of Nagios do; whatever keeps it from checking is UNKNOWN."""
    from qcore.errors import QueueError

    try:
        checks = _check(call, *_asked(check, max_wait, max_failed))
    except QueueError as error:
        output.write(f"QCTL UNKNOWN - {fmt.printable(error.message)}\n")
        return health_items.NAGIOS_UNKNOWN
    output.write(fmt.printable(health_items.nagios_line(checks)) + "\n")
    return health_items.nagios_code(checks)
