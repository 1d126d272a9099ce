"""A job as commands show it: one item, with the same fields wherever jobs are listed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from qcore.states import JobState
from qctl import format as fmt
from qctl.output import Column, Item

if TYPE_CHECKING:
    from qcore.monitor.snapshots import FailureSnapshot, JobSnapshot

_STYLES = {"failed": "red", "retrying": "yellow", "processing": "cyan", "completed": "green", "cancelled": "dim"}


def item_of(job: JobSnapshot) -> dict[str, Any]:
    """What every list tells of a job."""
    return {
        "id": job.id,
        "job": job.job,
        "name": job.name,
        "queue": job.queue,
        "connection": job.connection,
        "state": "delayed" if job.delayed and job.state is JobState.PENDING else job.state.value,
        "priority": job.priority,
        "attempts": job.attempts,
        "crashes": job.crashes,
        "created_at": job.created_at,
        "due_at": job.due_at,
        "reserved_at": job.reserved_at,
        "ended_at": job.ended_at,
        "runtime_s": job.runtime_s,
        "worker": job.worker,
        "tags": list(job.tags),
        "arguments": job.arguments,
        "progress": job.progress,
        "progress_note": job.progress_note,
        "error": job.error,
        "fingerprint": job.fingerprint,
        "flow": job.flow,
    }


def whole_item_of(job: JobSnapshot) -> dict[str, Any]:
    """What `show` tells: the item, its payload, its result, and every attempt that failed."""
    return {
        **item_of(job),
        "payload": job.payload,
        "result": job.result,
        "failures": [failure_item_of(failure) for failure in job.failures],
    }


def failure_item_of(failure: FailureSnapshot) -> dict[str, Any]:
    """One failed attempt."""
    return {
        "attempt": failure.attempt,
        "kind": failure.kind,
        "text": failure.text,
        "traceback": failure.traceback,
        "at": failure.at,
        "worker": failure.worker,
    }


def ago(at: datetime) -> str:
    """How long ago an instant of an item was."""
    return fmt.age(at, datetime.now(UTC))


def style_of(state: str) -> str:
    """The colour of a state; the word beside it says the same."""
    return _STYLES.get(state, "")


ID = Column("ID", "id", whole=True)
NAME = Column("JOB", "name")
QUEUE = Column("QUEUE", "queue")
STATE = Column("STATE", "state", style=style_of)
TRIES = Column("TRIES", "attempts", right=True)
CREATED = Column("CREATED", "created_at", human=ago)
ENDED = Column("FAILED", "ended_at", human=ago)
ERROR = Column("ERROR", "error", style=lambda _: "red")

JOB_COLUMNS = (ID, STATE, NAME, QUEUE, TRIES, CREATED)
FAILED_COLUMNS = (ID, NAME, QUEUE, TRIES, ENDED, ERROR)


def described(item: Item) -> list[tuple[str, str]]:
    """The fields of a job for a page: label and text, those without a value left out."""
    times = {"created_at": "created", "due_at": "due", "reserved_at": "reserved", "ended_at": "ended"}
    lines = [("id", item["id"]), ("job", item["job"]), ("queue", f"{item['queue']} on {item['connection']}")]
    lines += [("state", item["state"]), ("tries", str(item["attempts"]))]
    lines += [(label, f"{fmt.rfc3339(item[key])}  ({ago(item[key])})") for key, label in times.items() if item[key]]
    if item["runtime_s"] is not None:
        lines.append(("runtime", fmt.duration(item["runtime_s"])))
    if item["progress"] is not None:
        lines.append(("progress", f"{item['progress']} % {item['progress_note'] or ''}".rstrip()))
    lines += [
        (key, str(item[key])) for key in ("priority", "crashes", "worker", "flow", "arguments", "result") if item[key]
    ]
    if item["tags"]:
        lines.append(("tags", ", ".join(item["tags"])))
    return lines
