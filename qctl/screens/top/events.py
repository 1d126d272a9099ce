"""What happens to jobs, as it happens: a list of `qctl top` and a page of the dashboard. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qcore.monitor.happenings import EVENTS_VIEW
from qctl import format as fmt
from qctl.screens.rows import Cell, Column, Row
from qctl.screens.top.panel import ID, Look, Panel

if TYPE_CHECKING:
    from qcore.monitor.alerts import Incident
    from qcore.monitor.tail import JobEvent

ALERT = "alert "
"""How the keys of rows begin that are alerts."""
GLYPHS = {
    "completed": ("✔", "+", "green"), "failed": ("✘", "x", "red"), "cancelled": ("○", "-", "dim"),
    "processing": ("▶", ">", "cyan"), "retrying": ("↻", "~", "yellow"), "pending": ("·", ".", ""),
}  # fmt: skip
"""Of states: a sign, the same in ASCII, and its style."""
_LEADS_TO = {"dispatched": "pending", "started": "processing"}
"""The states that are called otherwise than what leads to them."""


def event_rows(look: Look) -> list[Row]:
    """What happened to jobs, the newest last; alerts after all of it, until somebody says that they know."""
    happened = look.glance.happenings
    return [*(_event(one, look) for one in happened.events), *(_incident(one, look) for one in happened.incidents)]


def _incident(incident: Incident, look: Look) -> Row:
    key = f"{ALERT}{incident.key} {incident.since.timestamp()}"
    is_seen = key in look.seen
    at_s = incident.since.timestamp()
    lasts = fmt.duration(max(0.0, look.glance.at_s - at_s))
    return Row(
        key,
        {
            "at": Cell(f"{incident.since.astimezone():%H:%M:%S}", "dim", at_s if is_seen else math.inf),
            "event": Cell("! alert", "dim" if is_seen else "bold red"),
            "job": Cell(f"queue {incident.queue}" if incident.queue else "a queue"),
            "queue": Cell(incident.queue),
            "runtime": Cell(lasts, order=look.glance.at_s - at_s),
            "error": Cell(incident.text, "dim" if is_seen else "red"),
        },
    )


def _event(event: JobEvent, look: Look) -> Row:
    job, what = event.job, event.what.value
    glyph, ascii_glyph, style = GLYPHS[_LEADS_TO.get(what, what)]
    runtime_s = job.runtime_s if event.at == job.ended_at else None
    return Row(
        f"{job.id} {what} {event.at.timestamp()}",
        {
            "at": Cell(f"{event.at.astimezone():%H:%M:%S}", "dim", event.at.timestamp()),
            "event": Cell(f"{ascii_glyph if look.ascii_only else glyph} {what}", style),
            "job": Cell(job.name),
            "queue": Cell(job.queue),
            "tries": Cell(str(event.attempt or ""), order=event.attempt),
            "runtime": Cell("" if runtime_s is None else fmt.duration(runtime_s), order=runtime_s or 0.0),
            "worker": Cell((job.worker or "").rpartition(":")[0] if event.attempt else "", "dim"),
            "error": Cell(event.error or "", "red"),
            "id": Cell(job.id),
        },
    )


EVENTS = Panel(
    "events",
    "Events",
    (
        Column("at", "TIME", 8),
        Column("event", "EVENT", 12),
        Column("job", "JOB", 18, grows=True),
        Column("queue", "QUEUE", 12, keep=6),
        Column("tries", "TRY", 4, right=True, keep=5),
        Column("runtime", "RUNTIME", 9, right=True, keep=7),
        Column("worker", "WORKER", 18, keep=3),
        Column("error", "ERROR", 20, grows=True, keep=8),
        ID._replace(keep=2),
    ),
    event_rows,
    "at",
    True,
    "Nothing happened in the last ten minutes",
    EVENTS_VIEW,
)
