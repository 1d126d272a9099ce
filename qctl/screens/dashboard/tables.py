"""The rows of the dashboard's lists that `qctl top` has not. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from qctl import format as fmt
from qctl.screens.dashboard.sight import Sight
from qctl.screens.rows import Cell, Row
from qctl.screens.top.events import GLYPHS
from qctl.screens.top.panel import Look
from qctl.screens.top.panels import count_cell, failed_rows, progress_bar, queue_rows

if TYPE_CHECKING:
    from qcore.monitor.measured import MeasuredSnapshot, TimesSnapshot
    from qcore.monitor.snapshots import FlowSnapshot, JobSnapshot, WorkerSnapshot

TREND = 16
_VERDICTS = {"ok": ("●", "*", "green"), "degraded": ("!", "!", "yellow"), "critical": ("✗", "x", "red")}
_ENDED = frozenset({"completed", "cancelled"})


def sight_of(look: Look) -> Sight:
    """What a page was read for."""
    assert isinstance(look.glance, Sight)  # noqa: S101  the dashboard reads nothing else
    return look.glance


def workload_rows(look: Look) -> list[Row]:
    """Queues as Horizon's workload: jobs, processes, wait; how they move, and when they are empty."""
    rows = []
    for queue, row in zip(look.glance.stats.queues, queue_rows(look), strict=True):
        jobs = queue.pending + queue.retrying + queue.delayed + queue.processing
        rows.append(row._replace(cells={**row.cells, "jobs": count_cell(jobs)}))
    return rows


def supervisor_rows(look: Look) -> list[Row]:
    """Supervisors, each with what is under it."""
    groups: dict[str, list[WorkerSnapshot]] = {}
    for one in look.glance.workers:
        groups.setdefault(one.supervisor, []).append(one)
    return [_supervisor(name, group, look) for name, group in sorted(groups.items())]


def _supervisor(name: str, group: list[WorkerSnapshot], look: Look) -> Row:
    queues = dict.fromkeys(queue for one in group for queue in one.queues)
    states = sorted({one.state for one in group})
    places, running = sum(one.places for one in group), sum(len(one.running) for one in group)
    glyph = ("*" if look.ascii_only else "●") if states == ["running"] else "!"
    busy = sum(one.busy_percent for one in group) / len(group)
    return Row(
        name,
        {
            "supervisor": Cell(name.rpartition(":")[2]),
            "host": Cell(group[0].host),
            "state": Cell(f"{glyph} {', '.join(states)}", "green" if states == ["running"] else "yellow"),
            "queues": Cell(", ".join(queues)),
            "processes": count_cell(len(group)),
            "busy": Cell(f"{running}/{places}", order=running),
            "share": Cell(f"{busy:.0f}%", order=busy),
            "rss": Cell(fmt.size(sum(one.rss_bytes for one in group)), order=sum(one.rss_bytes for one in group)),
            "jobs": count_cell(sum(one.jobs for one in group)),
            "failures": count_cell(sum(one.failures for one in group), "red"),
        },
    )


def job_rows(look: Look) -> list[Row]:
    """Jobs of a state, whichever: columns choose what is shown of them."""
    return [_job(job, look) for job in look.glance.jobs]


def _job(job: JobSnapshot, look: Look) -> Row:
    runtime = Cell("" if job.runtime_s is None else fmt.duration(job.runtime_s), order=job.runtime_s or 0.0)
    return Row(
        job.id,
        {
            "job": Cell(job.name),
            "queue": Cell(job.queue),
            "queued": _since(job.created_at, look),
            "due": _since(job.due_at, look),
            "ended": _since(job.ended_at, look),
            "runtime": runtime,
            "tries": Cell(str(job.attempts), order=job.attempts),
            "priority": Cell(str(job.priority), order=job.priority),
            "tags": Cell(" ".join(job.tags), "dim"),
            "error": Cell(job.error or "", "red"),
            "id": Cell(job.id),
        },
    )


def failed_job_rows(look: Look) -> list[Row]:
    """Failed jobs, as `qctl top` lists them, with runtime and tags."""
    more = {job.id: _job(job, look).cells for job in look.glance.jobs}
    return [row._replace(cells={**more[row.key], **row.cells}) for row in failed_rows(look)]


def flow_rows(look: Look) -> list[Row]:
    """Batches, chains or graphs, and how far each is."""
    return [_flow(flow, look) for flow in sight_of(look).flows]


def _flow(flow: FlowSnapshot, look: Look) -> Row:
    glyph, ascii_glyph, style = GLYPHS.get(flow.state, ("·", ".", ""))
    took_s = (flow.finished_at - flow.created_at).total_seconds() if flow.finished_at else None
    return Row(
        flow.id,
        {
            "name": Cell(flow.name or flow.kind),
            "kind": Cell(flow.kind),
            "state": Cell(f"{ascii_glyph if look.ascii_only else glyph} {flow.state}", style),
            "progress": Cell(progress_bar(flow.progress, ascii_only=look.ascii_only), "green", flow.progress),
            "total": count_cell(flow.total),
            "pending": count_cell(flow.pending),
            "processed": count_cell(flow.processed, "green"),
            "failed": count_cell(flow.failed, "red"),
            "cancelled": count_cell(flow.cancelled),
            "created": _since(flow.created_at, look),
            "took": Cell("" if took_s is None else fmt.duration(took_s), order=took_s or 0.0),
            "open": Cell("open" if flow.open else "", "yellow"),
            "id": Cell(flow.id),
        },
        style="dim" if flow.state in _ENDED else "",
    )


def measured_job_rows(look: Look) -> list[Row]:
    """What was measured of jobs, by class."""
    measured = sight_of(look).measured
    return [_measured(one, look) for one in measured.jobs] if measured else []


def measured_queue_rows(look: Look) -> list[Row]:
    """What was measured of jobs, by queue."""
    measured = sight_of(look).measured
    return [_measured(one, look) for one in measured.queues] if measured else []


def _measured(one: MeasuredSnapshot, look: Look) -> Row:
    rate = one.success_rate
    return Row(
        one.name,
        {
            "name": Cell(one.name),
            "processed": count_cell(one.processed, "green"),
            "failed": count_cell(one.failed, "red"),
            "retried": count_cell(one.retried, "yellow"),
            "success": Cell("" if rate is None else f"{rate:.1%}", order=-1.0 if rate is None else rate),
            "rate": Cell(f"{one.throughput_per_min:.1f}", order=one.throughput_per_min),
            "p50": _time(one.runtime, "p50_s"),
            "p95": _time(one.runtime, "p95_s"),
            "wait": _time(one.wait, "p95_s"),
            "memory": Cell(
                fmt.size(one.memory.avg_bytes) if one.memory else "", order=one.memory and one.memory.avg_bytes
            ),
            "trend": Cell(fmt.sparkline(one.trend, TREND, ascii_only=look.ascii_only), "green"),
        },
    )


def limit_rows(look: Look) -> list[Row]:
    """Limits by which jobs start."""
    return [
        Row(
            one.key,
            {
                "key": Cell(one.key),
                "strategy": Cell(one.strategy),
                "most": count_cell(one.max_attempts),
                "per": Cell(fmt.duration(one.per_seconds), order=one.per_seconds),
                "used": count_cell(one.used, "cyan"),
                "left": Cell(f"{one.left:,}", "" if one.left else "red", one.left),
                "opens": Cell(fmt.duration(one.opens_in_s) if one.opens_in_s else "now", order=one.opens_in_s),
            },
        )
        for one in sight_of(look).limits
    ]


def lock_rows(look: Look) -> list[Row]:
    """Locks that jobs hold."""
    return [
        Row(
            one.key,
            {
                "key": Cell(one.key),
                "kind": Cell(one.kind),
                "held": Cell(fmt.duration(one.held_s), order=one.held_s),
                "ends": Cell("" if one.ends_in_s is None else fmt.duration(one.ends_in_s), order=one.ends_in_s or 0.0),
                "id": Cell(one.owner),
            },
        )
        for one in sight_of(look).locks
    ]


def tag_rows(look: Look) -> list[Row]:
    """Tags, with their jobs by state."""
    names = ("pending", "delayed", "processing", "retrying", "completed", "failed", "cancelled")
    styles = {"failed": "red", "processing": "cyan", "completed": "green"}
    return [
        Row(
            one.tag,
            {
                "tag": Cell(one.tag),
                "watched": Cell("monitored" if one.monitored else "", "yellow"),
                **{name: count_cell(getattr(one.totals, name), styles.get(name, "")) for name in names},
            },
        )
        for one in sight_of(look).tags
    ]


def check_rows(look: Look) -> list[Row]:
    """Whether all is well."""
    order = list(_VERDICTS)
    rows = []
    for one in sight_of(look).checks:
        glyph, ascii_glyph, style = _VERDICTS[one.verdict.value]
        mark = ascii_glyph if look.ascii_only else glyph
        verdict = Cell(f"{mark} {one.verdict.value}", style, order.index(one.verdict.value))
        cells = {
            "check": Cell(one.name),
            "verdict": verdict,
            "found": Cell(one.found),
            "remedy": Cell(one.remedy, "dim"),
        }
        rows.append(Row(f"{one.connection} {one.name}", cells))
    return rows


def is_well(checks: Iterable[Row]) -> bool:
    """Whether no check has anything to say."""
    return all(row.cells["verdict"].order == 0 for row in checks)


def _since(at: datetime | None, look: Look) -> Cell:
    if at is None:
        return Cell("", order=0.0)
    passed_s = look.glance.at_s - at.timestamp()
    words = f"{fmt.duration(passed_s)} ago" if passed_s >= 0 else f"in {fmt.duration(-passed_s)}"
    return Cell(words, order=at.timestamp())


def _time(times: TimesSnapshot | None, name: str) -> Cell:
    value = None if times is None else getattr(times, name)
    return Cell("" if value is None else fmt.duration(value), order=value or 0.0)
