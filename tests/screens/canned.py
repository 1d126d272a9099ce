"""Looks made up for the tests of screens: the same at every run, on every machine."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from qcore.errors import ConnectionFailed
from qcore.monitor.alerts import Incident
from qcore.monitor.glance import Glance, HostSnapshot
from qcore.monitor.happenings import Happenings
from qcore.monitor.queue_actions import ActionResult
from qcore.monitor.snapshots import (
    BackendSnapshot,
    FailureSnapshot,
    JobSnapshot,
    QueueSnapshot,
    RunningSnapshot,
    StatsSnapshot,
    TotalsSnapshot,
    WorkerSnapshot,
)
from qcore.monitor.tail import Happening, JobEvent
from qcore.states import JobState

AT = datetime(2026, 11, 24, 10, 20, 31, tzinfo=UTC)
HOST = HostSnapshot(
    name="web-1", cores_percent=(42.0, 87.0), load=1.25, memory_used_bytes=3 * 2**30, memory_bytes=8 * 2**30
)


def queue(name: str, **more: Any) -> QueueSnapshot:
    fields: dict[str, Any] = {
        "pending": 0, "delayed": 0, "processing": 0, "retrying": 0, "completed": 0, "failed": 0, "cancelled": 0,
        "oldest_pending_s": None, "paused": False, "paused_until": None, "pause_reason": None, "max_jobs": None,
        "workers": 0,
    }  # fmt: skip
    return QueueSnapshot(name=name, connection="default", driver="database", **{**fields, **more})


def worker(number: int, host: str = "web-1", **more: Any) -> WorkerSnapshot:
    fields: dict[str, Any] = {
        "state": "running", "queues": ("high", "emails"), "running": (), "places": 1, "jobs": 1000 * number,
        "failures": number, "busy_percent": 10.0 * number, "cpu_percent": 5.0 * number, "rss_bytes": 50_000_000,
        "started_at": AT - timedelta(hours=3), "uptime_s": 10_800.0, "heartbeat_age_s": 0.4,
    }  # fmt: skip
    return WorkerSnapshot(
        id=f"{host}:{4000 + number}:{number:08x}",
        supervisor=f"{host}:4000:{sum(map(ord, host)):08x}",
        host=host,
        pid=4000 + number,
        connection="default",
        **{**fields, **more},
    )


def job(number: int, name: str = "SendEmail", state: JobState = JobState.FAILED, **more: Any) -> JobSnapshot:
    fields: dict[str, Any] = {
        "queue": "emails", "delayed": False, "priority": 0, "attempts": 3, "crashes": 0,
        "created_at": AT - timedelta(minutes=10), "due_at": AT - timedelta(minutes=9), "reserved_at": None,
        "ended_at": AT - timedelta(seconds=30 * number), "runtime_s": 0.031, "worker": "web-1:4001:00000001",
        "tags": (), "error": "TimeoutError: smtp.example.com did not answer",
    }  # fmt: skip
    return JobSnapshot(
        id=f"0199{number:04x}-7f1e-7cc3-98c4-dc0c0c07398f",
        job=f"shop.mail:{name}",
        name=name,
        connection="default",
        state=state,
        **{**fields, **more},
    )


def running(number: int, name: str, runtime_s: float) -> RunningSnapshot:
    return RunningSnapshot(
        id=job(number).id, job=f"shop.mail:{name}", name=name, queue="emails", attempt=1, runtime_s=runtime_s
    )


def glance(
    queues: tuple[QueueSnapshot, ...], workers: tuple[WorkerSnapshot, ...] = (), *, after_s: float = 0.0, **more: Any
) -> Glance:
    totals = {name: sum(getattr(one, name) for one in queues) for name in TotalsSnapshot.__struct_fields__}
    return Glance(
        at_s=AT.timestamp() + after_s,
        stats=StatsSnapshot(
            generated_at=AT + timedelta(seconds=after_s),
            backend=BackendSnapshot(connection="default", driver="database", url="sqlite:///queue.db", latency_ms=1.2),
            totals=TotalsSnapshot(**totals),
            queues=queues,
        ),
        workers=workers,
        host=HOST,
        **more,
    )


WORKERS = (
    worker(1, running=(running(1, "SendEmail", 0.4),)),
    worker(2, running=(running(2, "Report", 95.0),)),
    worker(3, state="paused"),
    worker(4, "db-1", running=(running(3, "Import", 12.5),), places=4),
    worker(5, "db-1", heartbeat_age_s=31.0),
)


def busy(after_s: float = 0.0, done: int = 0, **more: Any) -> Glance:
    queues = (
        queue("high", pending=12, processing=4, completed=90_000 + 10 * done, oldest_pending_s=0.2, workers=3),
        queue("emails", pending=1180 - done, delayed=40, processing=9, retrying=3, failed=3, oldest_pending_s=12.4,
              completed=20_000 + 20 * done, workers=5),
        queue("reports", pending=12, paused=True, pause_reason="month end", oldest_pending_s=184.0),
        queue("low", pending=900, processing=1, failed=12, completed=70, oldest_pending_s=3840.0, workers=1,
              max_jobs=1000),
    )  # fmt: skip
    return glance(queues, WORKERS, after_s=after_s, **more)


def failing(after_s: float = 0.0, **more: Any) -> Glance:
    """Most goes wrong: jobs fail, queues lag, a worker is silent."""
    queues = (
        queue("high", pending=4_012, processing=1, failed=870, completed=90_000, oldest_pending_s=1_900.0, workers=1),
        queue("emails", pending=48_310, retrying=2_300, failed=11_020, completed=20_000, oldest_pending_s=7_260.0),
        queue("reports", pending=12, paused=True, pause_reason="the printer burns", oldest_pending_s=184.0),
    )
    return glance(queues, (worker(5, "db-1", heartbeat_age_s=41.0),), after_s=after_s, **more)


def several(count: int = 12, **more: Any) -> list[Glance]:
    """Looks a second apart, while work goes on."""
    return [busy(after_s=float(n), done=n * (1 + n % 3), **more) for n in range(count)]


FAILED = tuple(
    job(n, name, failures=(FailureSnapshot(attempt=3, kind="TimeoutError", text="smtp.example.com did not answer",
        traceback="Traceback (most recent call last):\n  smtp.connect()", at=AT, worker="w"),))
    for n, name in enumerate(["SendEmail", "SendEmail", "Report", "Import"], 1)
)  # fmt: skip
TRACEBACK = """\
Traceback (most recent call last):
  File "/srv/shop/mail.py", line 31, in handle
    server = smtp.connect(self.host, timeout=5)
             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/smtp.py", line 88, in connect
    raise TimeoutError(f"{host} did not answer")
TimeoutError: smtp.example.com did not answer
"""
HOSTILE = "\x1b[31mred\x1b]0;title\x07 \u202egnp.exe"
"""What a terminal must never be sent."""


WHOLE = msgspec.structs.replace(
    FAILED[0],
    failures=tuple(
        FailureSnapshot(
            attempt=n,
            kind="TimeoutError",
            text="smtp.example.com did not answer",
            traceback=TRACEBACK,
            at=AT - timedelta(seconds=30 + 60 * (3 - n)),
            worker="web-1:4001:00000001",
        )
        for n in (1, 2, 3)
    ),
    reserved_at=AT - timedelta(seconds=35),
    tags=("customer:42", "daily"),
    flow="01980001-7f1e-7cc3-98c4-dc0c0c07398f",
    payload={
        "args": [1042, "ada@example.com"],
        "kwargs": {"password": "•••", "urgent": True, "weight": 1.5, "note": None},
        "options": {"max_tries": 3, "backoff": [1, 10]},
    },
    progress=40,
    progress_note="2 of 5 addresses",
)
"""A job of which everything is known."""


EVENTS = tuple(
    JobEvent(
        at=AT - timedelta(seconds=9 - n), what=what, job=job(n, name, ended_at=ended), attempt=attempt, error=error
    )
    for n, (name, what, attempt, ended, error) in enumerate(
        (
            ("SendEmail", Happening.DISPATCHED, 0, None, None),
            ("SendEmail", Happening.STARTED, 1, None, None),
            ("Report", Happening.COMPLETED, 1, AT - timedelta(seconds=7), None),
            ("Import", Happening.RETRYING, 1, None, "ConnectionError: the other side hung up"),
            ("SendEmail", Happening.FAILED, 3, AT - timedelta(seconds=5), FAILED[0].error),
            ("Digest", Happening.CANCELLED, 0, None, None),
        )
    )
)

ALERTS = (Incident(key="alert:wait:60:low", queue="low", kind="wait", threshold=60, since=AT - timedelta(minutes=12)),)


class Canned:
    """A source that gives looks one after the other, and the last again and again.

    Args:
        glances: at least one; an exception is raised in its turn.
    """

    def __init__(self, glances: list[Glance | Exception]) -> None:
        self._left = list(glances)
        self.asked: list[str] = []
        self.all_given = threading.Event()
        self._last = glances[-1]

    def forget(self) -> None:
        """Nothing is kept."""

    def look(self, view: str, words: str = "") -> Glance | None:
        self.asked.append(view)
        found = self._left.pop(0) if len(self._left) > 1 else self._left[0]
        if found is self._last:
            self.all_given.set()
        if isinstance(found, Exception):
            raise found
        happenings = Happenings(EVENTS, incidents=ALERTS) if view == "events" else Happenings()
        return msgspec.structs.replace(found, view=view, jobs=jobs_of(view), happenings=happenings) if view else found

    def is_shown_by(self, app: Any) -> bool:
        """Whether an app has drawn the last look, or said what was raised in its place."""
        if isinstance(self._last, Exception):
            return bool(app._trouble)
        return app._shown is not None and bool(app._shown.at_s == self._last.at_s)


def jobs_of(view: str) -> tuple[JobSnapshot, ...]:
    if view == "failed":
        return FAILED
    if view == "processing":
        return tuple(
            job(n, name, JobState.PROCESSING, ended_at=None, error=None, progress=progress, attempts=0)
            for n, name, progress in ((1, "SendEmail", None), (2, "Report", 40), (3, "Import", 95))
        )
    if view == "delayed":
        return (job(9, "Digest", JobState.PENDING, delayed=True, due_at=AT + timedelta(hours=2), tags=("daily",)),)
    return ()


SILENT = ConnectionFailed('connection "default" (redis://db): connection refused', hint="is the server running?")


class Previewed:
    """Actions that find so many jobs, and otherwise do nothing.

    Args:
        matched: how many.
    """

    def __init__(self, matched: int = 1190) -> None:
        self.matched = matched

    def preview(self, *_: Any) -> ActionResult:
        return ActionResult(matched=self.matched, changed=0, sample=FAILED[:3])
