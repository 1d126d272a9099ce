"""Failed jobs counted by what they have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qctl import format as fmt
from qctl import output
from qctl.commands.bulk import FAILED
from qctl.commands.job_items import ERROR, ago
from qctl.commands.selecting import limit_note
from qctl.exits import WrongUsage
from qctl.output import Column

if TYPE_CHECKING:
    from collections.abc import Callable

    from qcore.filters import Filter
    from qcore.monitor.snapshots import JobSnapshot
    from qctl.context import Invocation

BY = ("exception", "fingerprint", "job", "queue")
"""What failed jobs can be counted by."""


def show_groups(call: Invocation, chosen: Filter, by: str, limit: int) -> bool:
    """Show how many failed jobs of each kind match, the most frequent first; whether there are any.

    Raises:
        WrongUsage: they cannot be counted by that.
    """
    key = _key(by)
    selection = call.monitor.select(chosen, views=FAILED, connection=call.flags.connection, bounded=True)
    groups: dict[str, dict[str, Any]] = {}
    for found in selection:
        _count(groups, key(found.job), found.job)
    items = sorted(groups.values(), key=lambda group: -group["count"])
    report = output.Report(
        schema="qctl.failed.groups/1",
        data={"by": by, "groups": items[:limit], "scanned_limit": selection.scanned_limit},
        items=items[:limit],
        item_schema="qctl.failed.group/1",
        columns=(
            Column(by.upper(), "value"),
            Column("JOBS", "count", human=fmt.count, right=True),
            Column("NEWEST", "newest_at", human=ago),
            ERROR,
        ),
        name="value",
        empty="no failed jobs" + (" that match" if chosen else ""),
        backend=call.backend(),
        warnings=limit_note(selection.scanned_limit),
    )
    output.show(call, report)
    return bool(items)


def _key(by: str) -> Callable[[JobSnapshot], str]:
    from qcore.filters import exception_of

    keys: dict[str, Callable[[JobSnapshot], str]] = {
        "exception": lambda job: exception_of(job) or "",
        "fingerprint": lambda job: job.fingerprint or "",
        "job": lambda job: job.job,
        "queue": lambda job: job.queue,
    }
    if by not in keys:
        raise WrongUsage(f"--group-by: {by!r} is none of {', '.join(BY)}")
    return keys[by]


def _count(groups: dict[str, dict[str, Any]], value: str, job: JobSnapshot) -> None:
    """Count a job; the first of its group is the newest."""
    group = groups.setdefault(
        value,
        {"value": value, "count": 0, "newest_at": job.ended_at, "newest_id": job.id, "error": job.error},
    )
    group["count"] += 1
