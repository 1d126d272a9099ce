"""The lists of `qctl top`, each as columns and the rows that a look makes. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from qctl import format as fmt
from qctl.screens.rows import Cell, Column, Row
from qctl.screens.top.events import EVENTS
from qctl.screens.top.panel import ID, Look, Panel
from qctl.screens.trends import clears_in_s

if TYPE_CHECKING:
    from qcore.monitor.snapshots import JobSnapshot, QueueSnapshot, RunningSnapshot, WorkerSnapshot

SPARK = 12
_LAGS_S = 60.0
"""Seconds after which a queue that waits is said to lag."""
_SILENT_S = 15.0
_QUEUE_STATES = {"run": ("●", "*", "green"), "paused": ("‖", "=", "yellow"), "lag": ("!", "!", "red")}
_STATES = {"running": ("●", "*", "green"), "paused": ("‖", "=", "yellow"), "stopping": ("◌", "o", "red")}


def queue_rows(look: Look) -> list[Row]:
    """Queues, with how they move."""
    return [_queue(queue, look) for queue in look.glance.stats.queues]


def worker_rows(look: Look) -> list[Row]:
    """Workers: as a tree of host, supervisor, process and job, or one below the other."""
    workers = look.glance.workers
    if not look.tree:
        return [_worker(one, look, depth=0) for one in workers]
    rows: list[Row] = []
    far = {job.id: job for job in look.glance.jobs}
    hosts: defaultdict[str, defaultdict[str, list[WorkerSnapshot]]] = defaultdict(lambda: defaultdict(list))
    for one in workers:
        hosts[one.host][one.supervisor].append(one)
    for host, supervisors in sorted(hosts.items()):
        every = [one for group in supervisors.values() for one in group]
        rows.append(_group(f"host {host}", host, every, depth=0, style="bold"))
        for supervisor, group in sorted(supervisors.items()):
            rows.append(_group(supervisor, f"supervisor {_short(supervisor)}", group, depth=1))
            for one in () if look.folded else group:
                rows.append(_worker(one, look, depth=2))
                rows += [_running(job, one, far.get(job.id), look, depth=3) for job in one.running]
    return rows


def running_rows(look: Look) -> list[Row]:
    """Jobs that run, or are in a worker's hands."""
    begun = {job.id: (job, worker) for worker in look.glance.workers for job in worker.running}
    rows = []
    for job in look.glance.jobs:
        found = begun.get(job.id)
        runtime_s = found[0].runtime_s if found else None
        rows.append(
            Row(
                job.id,
                {
                    "job": Cell(job.name, "cyan" if found else "dim"),
                    "queue": Cell(job.queue),
                    "worker": Cell(_short(job.worker or "")),
                    "runtime": Cell("" if runtime_s is None else fmt.duration(runtime_s), order=runtime_s),
                    "progress": _progress(job, ascii_only=look.ascii_only),
                    "tries": Cell(str(job.attempts + 1), order=job.attempts),
                    "id": Cell(job.id),
                },
            )
        )
    return rows


def failed_rows(look: Look) -> list[Row]:
    """Jobs that failed, with what they failed of; or of each trouble the newest, by whose id it is known."""
    same = Counter(trouble_of(job) for job in look.glance.jobs)
    jobs: Iterable[JobSnapshot] = look.glance.jobs
    if look.grouped:
        jobs = {trouble_of(job): job for job in sorted(jobs, key=_ended_s)}.values()
    return [
        Row(
            job.id,
            {
                "when": _age(job, look),
                "job": Cell(job.name),
                "queue": Cell(job.queue),
                "tries": Cell(str(job.attempts), order=job.attempts),
                "same": _times(same[trouble_of(job)]),
                "error": Cell(job.error or "", "red"),
                "id": Cell(job.id),
            },
        )
        for job in jobs
    ]


def trouble_of(job: JobSnapshot) -> str:
    """What is the same for jobs that failed of one and the same trouble."""
    return job.fingerprint or job.id


def _ended_s(job: JobSnapshot) -> float:
    return 0.0 if job.ended_at is None else job.ended_at.timestamp()


def _times(number: int) -> Cell:
    return Cell("" if number < 2 else f"x{number:,}", "yellow", number)


def delayed_rows(look: Look) -> list[Row]:
    """Jobs that are due later."""
    now_s = look.glance.at_s
    return [
        Row(
            job.id,
            {
                "due": Cell(
                    f"in {fmt.duration(max(0.0, job.due_at.timestamp() - now_s))}", order=-job.due_at.timestamp()
                ),
                "job": Cell(job.name),
                "queue": Cell(job.queue),
                "priority": Cell(str(job.priority), order=job.priority),
                "tags": Cell(" ".join(job.tags), "dim"),
                "id": Cell(job.id),
            },
        )
        for job in look.glance.jobs
    ]


PANELS = (
    Panel(
        "queues",
        "Queues",
        (
            Column("queue", "QUEUE", 12, grows=True),
            Column("state", "STATE", 8),
            Column("pending", "PEND", 9, right=True),
            Column("delayed", "DELAY", 7, right=True, keep=5),
            Column("running", "RUN", 6, right=True),
            Column("failed", "FAIL", 6, right=True),
            Column("wait", "WAIT", 9, right=True),
            Column("rate", "OUT/s", 8, right=True),
            Column("into", "IN/s", 8, right=True, keep=3),
            Column("clears", "CLEARS", 9, right=True, keep=4),
            Column("history", "TREND", SPARK, keep=6),
            Column("workers", "WRK", 4, right=True, keep=2),
        ),
        queue_rows,
        "wait",
        True,
        "No queues yet. Dispatch a job: qctl dispatch MODULE:Class",
    ),
    Panel(
        "workers",
        "Workers",
        (
            Column("worker", "WORKER", 28, grows=True),
            Column("pid", "PID", 8, right=True),
            Column("state", "STATE", 9),
            Column("queues", "QUEUES", 16, keep=2),
            Column("job", "JOB", 18, keep=6),
            Column("time", "TIME", 9, right=True, keep=5),
            Column("busy", "BUSY", 5, right=True, keep=7),
            Column("cpu", "CPU", 5, right=True),
            Column("rss", "RSS", 7, right=True),
            Column("jobs", "JOBS", 9, right=True, keep=8),
            Column("pace", "/MIN", 5, right=True, keep=4),
            Column("failures", "FAIL", 6, right=True, keep=4),
            Column("beat", "BEAT", 6, right=True, keep=3),
        ),
        worker_rows,
        "worker",
        False,
        "No workers: qctl work starts one",
        also="processing",
    ),
    Panel(
        "running",
        "Running",
        (
            Column("job", "JOB", 20, grows=True),
            Column("queue", "QUEUE", 12),
            Column("worker", "WORKER", 9, keep=4),
            Column("runtime", "TIME", 9, right=True),
            Column("progress", "PROGRESS", 16),
            Column("tries", "TRY", 4, right=True, keep=3),
            ID,
        ),
        running_rows,
        "runtime",
        True,
        "Nothing runs",
        "processing",
    ),
    Panel(
        "failed",
        "Failed",
        (
            Column("when", "WHEN", 13),
            Column("job", "JOB", 18),
            Column("queue", "QUEUE", 10, keep=5),
            Column("tries", "TRIES", 6, right=True, keep=3),
            Column("same", "SAME", 5, right=True, keep=4),
            Column("error", "ERROR", 20, grows=True),
            ID,
        ),
        failed_rows,
        "when",
        True,
        "No failed jobs",
        "failed",
    ),
    Panel(
        "delayed",
        "Delayed",
        (
            Column("due", "DUE", 13),
            Column("job", "JOB", 18, grows=True),
            Column("queue", "QUEUE", 12),
            Column("priority", "PRIO", 5, right=True, keep=4),
            Column("tags", "TAGS", 14, keep=3),
            ID,
        ),
        delayed_rows,
        "due",
        True,
        "Nothing is delayed",
        "delayed",
    ),
    EVENTS,
)
"""In the order of their keys."""


def _queue(queue: QueueSnapshot, look: Look) -> Row:
    trend = look.trends.of(queue.name)
    wait_s = queue.oldest_pending_s
    clears_s = clears_in_s(queue, trend)
    lags = wait_s is not None and wait_s > _LAGS_S
    state = "paused" if queue.paused else "lag" if lags else "run"
    glyph, ascii_glyph, style = _QUEUE_STATES[state]
    history = [round(one * 100) for one in trend.out]
    measured = None if queue.throughput_per_min is None else queue.throughput_per_min / 60
    out_per_s = trend.out_per_s if trend.out else measured
    is_new = out_per_s is None  # it was looked at once, and by nobody else
    return Row(
        queue.name,
        {
            "queue": Cell(queue.name),
            "state": Cell(f"{ascii_glyph if look.ascii_only else glyph} {state}", style),
            "pending": count_cell(queue.pending + queue.retrying),
            "delayed": count_cell(queue.delayed),
            "running": count_cell(queue.processing, "cyan"),
            "failed": count_cell(queue.failed, "red"),
            "wait": Cell("" if wait_s is None else fmt.duration(wait_s), "red" if lags else "", order=wait_s or 0.0),
            "rate": _rate(out_per_s),
            "into": _rate(trend.in_per_s if trend.into else None),
            "clears": Cell("") if is_new else _clears(clears_s, ascii_only=look.ascii_only),
            "history": Cell(fmt.sparkline(history[-SPARK:], SPARK, ascii_only=look.ascii_only), "green"),
            "workers": count_cell(queue.workers),
        },
    )


def _worker(worker: WorkerSnapshot, look: Look, *, depth: int) -> Row:
    glyph, ascii_glyph, style = _STATES.get(worker.state, ("?", "?", ""))
    longest = max(worker.running, key=lambda one: one.runtime_s, default=None)
    is_silent = worker.heartbeat_age_s > _SILENT_S
    state = "silent" if is_silent else worker.state
    mark = ("x" if look.ascii_only else "✗") if is_silent else ascii_glyph if look.ascii_only else glyph
    shows_job = longest is not None and not look.tree
    return Row(
        worker.id,
        {
            "worker": Cell(_short(worker.id)),
            "pid": Cell(str(worker.pid), order=worker.pid),
            "state": Cell(f"{mark} {state}", "red" if is_silent else style),
            "queues": Cell(",".join(worker.queues)),
            "job": Cell(longest.name if shows_job and longest else f"{len(worker.running)} of {worker.places}", "cyan"),
            "time": Cell(
                fmt.duration(longest.runtime_s) if longest else "", order=longest.runtime_s if longest else 0.0
            ),
            "busy": Cell(f"{worker.busy_percent:.0f}%", order=worker.busy_percent),
            "cpu": Cell(f"{worker.cpu_percent:.0f}%", order=worker.cpu_percent),
            "rss": Cell(fmt.size(worker.rss_bytes), order=worker.rss_bytes),
            "jobs": count_cell(worker.jobs),
            "pace": _pace(worker.jobs_per_min),
            "failures": count_cell(worker.failures, "red"),
            "beat": Cell(fmt.duration(worker.heartbeat_age_s), order=worker.heartbeat_age_s),
        },
        depth,
    )


def _group(key: str, title: str, workers: Sequence[WorkerSnapshot], *, depth: int, style: str = "") -> Row:
    """A host or supervisor, with the sums of what is below it."""
    busy = sum(one.busy_percent for one in workers) / len(workers)
    running = sum(len(one.running) for one in workers)
    cpu, rss = sum(one.cpu_percent for one in workers), sum(one.rss_bytes for one in workers)
    return Row(
        key,
        {
            "worker": Cell(title),
            "job": Cell(f"{running} of {sum(one.places for one in workers)}", "cyan"),
            "busy": Cell(f"{busy:.0f}%", order=busy),
            "cpu": Cell(f"{cpu:.0f}%", order=cpu),
            "rss": Cell(fmt.size(rss), order=rss),
            "pace": _pace(sum(one.jobs_per_min for one in workers)),
            "jobs": count_cell(sum(one.jobs for one in workers)),
            "failures": count_cell(sum(one.failures for one in workers), "red"),
        },
        depth,
        style,
    )


def _running(
    job: RunningSnapshot, worker: WorkerSnapshot, stored: JobSnapshot | None, look: Look, *, depth: int
) -> Row:
    """A job in a worker's hands: how far it is, where it says so, or which try it is."""
    told = stored is not None and stored.progress is not None
    how = Cell(progress_bar(stored.progress or 0, ascii_only=look.ascii_only), "green") if told and stored else None
    return Row(
        f"{worker.id} {job.id}",
        {
            "worker": Cell(job.name, "cyan"),
            "queues": Cell(job.queue),
            "job": how or Cell(f"try {job.attempt}", "dim"),
            "time": Cell(fmt.duration(job.runtime_s), order=job.runtime_s),
        },
        depth,
    )


def _pace(per_min: float) -> Cell:
    return Cell(f"{per_min:.1f}" if per_min < 100 else f"{per_min:,.0f}", "" if per_min else "dim", per_min)


def _progress(job: JobSnapshot, *, ascii_only: bool) -> Cell:
    if job.progress is None:
        return Cell("", order=-1)
    note = f" {job.progress_note}" if job.progress_note else ""
    return Cell(f"{progress_bar(job.progress, ascii_only=ascii_only)}{note}", "green", job.progress)


def progress_bar(percent: int, *, ascii_only: bool) -> str:
    """How far something is, in 15 characters."""
    full, empty = ("#", "-") if ascii_only else ("█", "░")
    done = percent // 10
    return f"{full * done}{empty * (10 - done)} {percent:3d}%"


def _age(job: JobSnapshot, look: Look) -> Cell:
    if job.ended_at is None:
        return Cell("", order=0.0)
    ended_s = job.ended_at.timestamp()
    return Cell(f"{fmt.duration(max(0.0, look.glance.at_s - ended_s))} ago", order=ended_s)


def count_cell(number: int, style: str = "") -> Cell:
    """A number; dim where it is 0."""
    return Cell(f"{number:,}", style if number else "dim", number)


def _rate(per_s: float | None) -> Cell:
    """Jobs a second; nothing where it is not known yet."""
    if per_s is None:
        return Cell("")
    return Cell(fmt.rate(per_s).removesuffix("/s").strip() if per_s else "0", order=per_s)


def _clears(seconds: float | None, *, ascii_only: bool) -> Cell:
    if seconds is None:
        return Cell("never" if ascii_only else "∞", order=-1.0)
    return Cell(fmt.duration(seconds) if seconds else "", order=seconds)


def _short(worker: str) -> str:
    return worker.rpartition(":")[2]
