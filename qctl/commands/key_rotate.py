"""`qctl key:rotate`."""

from typing import TYPE_CHECKING, Any

import typer

from qctl import format as fmt
from qctl import live, output
from qctl.commands.choosing import require_writable
from qctl.context import Invocation
from qctl.exits import Exit
from qctl.output import Column

if TYPE_CHECKING:
    from qcore.monitor.rotation import RotationResult

EXAMPLES = ("qctl key:rotate", "qctl key:rotate --connection reports --json")
EXITS = (Exit.FAILED, Exit.USAGE, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)
_SHOWN = 10
_COLUMNS = (
    Column("CONNECTION", "connection"),
    Column("OLD KEY", "matched", right=True),
    Column("SEALED ANEW", "changed", right=True),
    Column("LEFT", "failed", human=lambda left: str(len(left)), right=True),
)


def run(ctx: typer.Context) -> Exit:
    """Seal what is stored anew, under the key in force.

    Signs, and encrypts what was encrypted: jobs that wait, jobs that failed, what batches, chains and graphs keep for
    later, and what steps and jobs returned, of each connection in use. Set QCTL_KEY to the new key and
    QCTL_PREVIOUS_KEYS to the old one, everywhere, before. It may be interrupted, and run again: a job that runs keeps
    its payload, and exit code 1 says that some were left.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    results = [_rotated(call, rotation) for rotation in call.actions.rotations()]
    items = [_item(result) for result in results]
    left = [one for result in results for one in result.failed]
    warnings = [f"{job_id}: {reason}" for job_id, reason in left[:_SHOWN]]
    if len(left) > _SHOWN:
        warnings.append(f"and {len(left) - _SHOWN:,} more")
    report = output.Report(
        schema="qctl.key_rotate/1",
        data={"connections": items},
        items=items,
        item_schema="qctl.key_rotate.connection/1",
        columns=_COLUMNS,
        name="connection",
        backend=call.backend(),
        warnings=warnings,
    )
    output.show(call, report)
    return Exit.FAILED if left else Exit.OK


def _rotated(call: Invocation, rotation: Any) -> "RotationResult":
    total = rotation.size()
    with live.progress(call, f"looking at {fmt.plural(total, 'job')}", total) as tell:
        result: RotationResult = rotation.run(tell)
    return result


def _item(result: "RotationResult") -> dict[str, Any]:
    return {
        "connection": result.connection,
        "matched": result.matched,
        "changed": result.changed,
        "failed": [{"id": job_id, "reason": reason} for job_id, reason in result.failed],
    }
