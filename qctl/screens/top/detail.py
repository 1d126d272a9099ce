"""One job, as a page to read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text

from qctl import format as fmt

if TYPE_CHECKING:
    from qcore.monitor.snapshots import JobSnapshot

_LABEL = 11


def page_of(job: JobSnapshot, now: datetime) -> Text:
    """All that is known of a job: facts, arguments, result, and the error of each attempt."""
    text = Text()
    for label, value in _facts(job, now):
        text.append(f"{label:<{_LABEL}}", style="dim").append(f"{fmt.printable(value)}\n")
    if job.arguments is not None:
        text.append("\nArguments\n", style="bold").append(f"{fmt.printable_lines(job.arguments)}\n")
    if job.result is not None:
        text.append("\nResult\n", style="bold")
        text.append(f"{fmt.printable_lines(json.dumps(job.result, indent=2, default=str))}\n")
    for failure in reversed(job.failures):
        text.append(f"\nAttempt {failure.attempt}", style="bold")
        text.append(f"  {fmt.age(failure.at, now)}\n", style="dim")
        text.append(f"{fmt.printable(f'{failure.kind}: {failure.text}')}\n", style="red")
        if failure.traceback:
            text.append(f"{fmt.printable_lines(failure.traceback)}\n", style="dim")
    return text


def _facts(job: JobSnapshot, now: datetime) -> Iterator[tuple[str, str]]:
    yield "id", job.id
    yield "job", job.job
    yield "queue", f"{job.queue} on {job.connection}"
    yield "state", job.state.value + (", delayed" if job.delayed else "")
    yield "priority", str(job.priority)
    yield "attempts", f"{job.attempts}" + (f", {job.crashes} crashes" if job.crashes else "")
    for label, at in (
        ("created", job.created_at), ("due", job.due_at), ("reserved", job.reserved_at), ("ended", job.ended_at)
    ):  # fmt: skip
        if at is not None:
            yield label, f"{fmt.rfc3339(at)}  ({fmt.age(at, now)})"
    if job.runtime_s is not None:
        yield "runtime", fmt.duration(job.runtime_s)
    if job.worker:
        yield "worker", job.worker
    if job.tags:
        yield "tags", ", ".join(job.tags)
    if job.progress is not None:
        yield "progress", f"{job.progress} %  {job.progress_note or ''}".rstrip()
