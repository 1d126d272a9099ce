"""`qctl locks`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qctl import format as fmt
from qctl import output
from qctl.commands.choosing import require_writable
from qctl.context import Invocation
from qctl.exits import Exit, NotFound, WrongUsage
from qctl.output import Column

if TYPE_CHECKING:
    from qcore.monitor.snapshots import LockSnapshot

EXAMPLES = (
    "qctl locks",
    "qctl locks --release 'shop:Import:user-7'",
    "qctl locks --json | jq '.data.locks[].owner'",
)
EXITS = (Exit.FAILED, Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)
COLUMNS = (
    Column("KEY", "key"),
    Column("KIND", "kind"),
    Column("JOB", "owner", whole=True),
    Column("HELD", "held_s", human=fmt.duration, right=True),
    Column("ENDS IN", "ends_in_s", human=fmt.duration, right=True),
)


def run(
    ctx: typer.Context,
    release: Annotated[
        list[str] | None, typer.Option("--release", metavar="KEY", help="Free this one; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, metavar="N", help="How many at the most.")] = 50,
    cursor: Annotated[
        str | None, typer.Option("--cursor", metavar="CURSOR", help="Where the page before ended.")
    ] = None,
) -> Exit:
    """List the locks of jobs, or free some.

    A unique one is held until its job ends, one until_start until that starts, an exclusive one while it runs. Each
    is freed with its job, whatever becomes of it; --release is for one that holds up more than it should.
    """
    call = Invocation.of(ctx)
    if release:
        if cursor:
            raise WrongUsage("--release and --cursor exclude each other")
        require_writable(call)
        return _release(call, release)
    page = call.monitor.locks(cursor=cursor, limit=limit, connection=call.flags.connection)
    items = [_item_of(lock) for lock in page.locks]
    report = output.Report(
        schema="qctl.locks/1",
        data={"locks": items},
        items=items,
        item_schema="qctl.lock/1",
        columns=COLUMNS,
        name="key",
        empty="no locks",
        backend=call.backend(),
        next_cursor=page.next_cursor,
    )
    output.show(call, report)
    return Exit.OK


def _release(call: Invocation, keys: list[str]) -> Exit:
    freed = [key for key in dict.fromkeys(keys) if call.actions.release_lock(key).changed]
    missing = [key for key in dict.fromkeys(keys) if key not in freed]
    if not freed:
        raise NotFound(f"no lock {missing[0]!r}", hint="qctl locks lists what there is")
    report = output.Report(
        schema="qctl.locks.release/1",
        data={"released": freed, "missing": missing},
        text="\n".join(f"released {key}" for key in freed),
        backend=call.backend(),
        warnings=[f"no lock {key!r}" for key in missing],
    )
    output.show(call, report)
    return Exit.FAILED if missing else Exit.OK


def _item_of(lock: "LockSnapshot") -> dict[str, Any]:
    return {
        "key": lock.key,
        "kind": lock.kind,
        "owner": lock.owner,
        "connection": lock.connection,
        "taken_at": lock.taken_at,
        "held_s": lock.held_s,
        "ends_at": lock.ends_at,
        "ends_in_s": lock.ends_in_s,
    }
