"""Pages of the dashboard made up for tests: the same at every run, on every machine."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from canned import AT, EVENTS, FAILED, busy, failing, job, jobs_of, queue

from qcore.monitor.happenings import Happenings
from qcore.monitor.health import Check, Verdict
from qcore.monitor.measured import MeasuredSnapshot, MetricsSnapshot, TimesSnapshot
from qcore.monitor.snapshots import (
    FlowSnapshot,
    JobSnapshot,
    LimitSnapshot,
    LockSnapshot,
    StepSnapshot,
    TagSnapshot,
    TotalsSnapshot,
)
from qcore.states import JobState
from qctl.screens.dashboard.sight import Sight

_STEPS = 60
_WAVE = [max(0, 40 + ((n * 37) % 23) - abs(n - 30)) for n in range(_STEPS)]


def times(avg_s: float) -> TimesSnapshot:
    return TimesSnapshot(
        avg_s=avg_s, min_s=avg_s / 4, max_s=avg_s * 9, p50_s=avg_s * 0.8, p95_s=avg_s * 3, p99_s=avg_s * 6
    )


def measured(name: str, processed: int, avg_s: float = 0.1, failed: int = 0) -> MeasuredSnapshot:
    return MeasuredSnapshot(
        name=name, processed=processed, failed=failed, retried=failed * 2, released=0, cancelled=0,
        success_rate=processed / (processed + failed), throughput_per_min=(processed + failed) / 60,
        runtime=times(avg_s), wait=times(avg_s * 2), memory=None, trend=tuple(_WAVE),
        runtime_trend=tuple(avg_s * (1 + (n % 7) / 3) for n in range(_STEPS)),
        wait_trend=tuple(avg_s * (n / 20) for n in range(_STEPS)),
    )  # fmt: skip


def metrics(since_s: float = 3600.0, failed: int = 13) -> MetricsSnapshot:
    jobs = (
        measured("shop.mail:SendEmail", 2000, 0.08, 12),
        measured("shop.reports:Report", 120, 4.2),
        measured("shop:Import", 31, 63.0, 1),
    )
    queues = (measured("emails", 2000, 0.08, 12), measured("low", 31, 63.0, 1), measured("reports", 120, 4.2))
    return MetricsSnapshot(
        generated_at=AT, connection="default", driver="database", since_s=since_s, step_s=60.0,
        totals=measured("", 2151, 0.5, failed), jobs=jobs, queues=queues,
    )  # fmt: skip


def flow(number: int, kind: str, name: str, state: str, **more: Any) -> FlowSnapshot:
    fields: dict[str, Any] = {
        "total": 100, "pending": 40, "processed": 57, "failed": 3, "cancelled": 0, "progress": 60, "open": False,
        "created_at": AT - timedelta(minutes=7 * number), "finished_at": None, "cancelled_at": None, "parent": None,
    }  # fmt: skip
    return FlowSnapshot(
        id=f"0198{number:04x}-7f1e-7cc3-98c4-dc0c0c07398f", kind=kind, name=name, connection="default", state=state,
        **{**fields, **more},
    )  # fmt: skip


def step(name: str, state: str, **more: Any) -> StepSnapshot:
    fields = {"runtime_s": 0.4, "error": None, "after": (), "is_flow": False, "progress": None}
    return StepSnapshot(id=name, name=name, job=f"shop:{name.title()}", state=state, **{**fields, **more})


BATCHES = (
    flow(1, "batch", "import customers", "processing", open=True),
    flow(2, "batch", "nightly reports", "completed", progress=100, pending=0, failed=0, processed=100,
         finished_at=AT - timedelta(minutes=2)),
    flow(3, "batch", "newsletter", "failed", progress=100, pending=0, failed=3, processed=97),
    flow(4, "batch", "thumbnails", "cancelled", progress=31, cancelled=69, pending=0, failed=0, processed=31),
)  # fmt: skip
CHAINS = (
    flow(5, "chain", "order 1042", "processing", total=3, pending=2, processed=1, failed=0, progress=33),
    flow(6, "graph", "release", "processing", total=5, pending=3, processed=2, failed=0, progress=40,
         steps=(step("build", "completed"), step("test", "processing", after=("build",), runtime_s=None),
                step("ship", "pending", after=("test",), runtime_s=None))),
)  # fmt: skip
LIMITS = (
    LimitSnapshot(key="queue:emails", connection="default", strategy="sliding_window", max_attempts=100,
                  per_seconds=60.0, used=41, left=59, opens_in_s=0.0),
    LimitSnapshot(key="api:acme", connection="default", strategy="token_bucket", max_attempts=10,
                  per_seconds=1.0, used=10, left=0, opens_in_s=0.4),
)  # fmt: skip
LOCKS = (
    LockSnapshot(key="shop:Import:user-7", kind="unique", owner=job(3).id, connection="default",
                 taken_at=AT, held_s=12.5, ends_at=None, ends_in_s=None),
    LockSnapshot(key="shop:Report:2026-11", kind="exclusive", owner=job(2).id, connection="default",
                 taken_at=AT, held_s=95.0, ends_at=None, ends_in_s=300.0),
)  # fmt: skip
TAGS = (
    TagSnapshot(tag="customer:42", monitored=True, totals=TotalsSnapshot(pending=3, completed=120, failed=1)),
    TagSnapshot(tag="daily", monitored=False, totals=TotalsSnapshot(delayed=1, completed=30)),
)
CHECKS = (
    Check(name="store", verdict=Verdict.OK, found="answers in 1.2 ms", connection="default"),
    Check(name="wait", verdict=Verdict.CRITICAL, found="queue low: the oldest job has been due for 1 h 04 m",
          remedy="start more workers for low: qctl work --queue low", connection="default"),
    Check(name="failed", verdict=Verdict.DEGRADED, found="12 jobs failed in the last hour, above 10",
          remedy="qctl failed --since 1h shows them", connection="default"),
)  # fmt: skip
_STATES = {
    "pending": JobState.PENDING, "retrying": JobState.RETRYING, "completed": JobState.COMPLETED,
    "silenced": JobState.COMPLETED, "cancelled": JobState.CANCELLED,
}  # fmt: skip


def jobs(view: str) -> tuple[JobSnapshot, ...]:
    if view not in _STATES:
        return tuple(msgspec.structs.replace(one, tags=("customer:42",)) for one in jobs_of(view))
    ended = None if view in {"pending", "retrying"} else AT - timedelta(seconds=9)
    error = FAILED[0].error if view == "retrying" else None
    return tuple(
        job(
            n,
            name,
            _STATES[view],
            ended_at=ended,
            error=error,
            attempts=1,
            tags=("daily",),
            due_at=AT + timedelta(seconds=n),
        )
        for n, name in enumerate(["SendEmail", "Report", "Import"], 1)
    )


class CannedPages:
    """Gives what a page asks for.

    Args:
        broken: is raised instead, once it is set.
        empty: a store in which nothing was ever done.
        failing: one in which most goes wrong.
    """

    def __init__(self, broken: Exception | None = None, *, empty: bool = False, failing: bool = False) -> None:
        self.broken, self.empty, self.failing = broken, empty, failing
        self.asked: list[str] = []

    def forget(self) -> None:
        """Nothing is kept."""

    def look(self, view: str, words: str = "") -> Sight:
        self.asked.append(view)
        if self.broken is not None:
            raise self.broken
        if self.empty:
            glance = busy()
            stats = msgspec.structs.replace(glance.stats, queues=(), totals=TotalsSnapshot())
            return Sight(**(msgspec.structs.asdict(glance) | {"view": view, "stats": stats, "workers": ()}))
        more = {
            "overview": {"lately": metrics(300.0), "measured": metrics(), "failed_in_week": 12},
            "metrics": {"measured": metrics()},
            "batches": {"flows": BATCHES},
            "chains": {"flows": CHAINS},
            "limits": {"limits": LIMITS},
            "locks": {"locks": LOCKS},
            "tags": {"tags": TAGS},
            "health": {"checks": CHECKS},
            "events": {"happenings": Happenings(EVENTS)},
        }.get(view, {"jobs": jobs(view)})
        if self.failing and view == "overview":
            more = {"lately": metrics(300.0, failed=900), "measured": metrics(failed=9000), "failed_in_week": 12_040}
        glance = failing() if self.failing else busy()
        return Sight(**(msgspec.structs.asdict(glance) | {"view": view} | more))


__all__ = ["BATCHES", "CHAINS", "CannedPages", "queue"]
