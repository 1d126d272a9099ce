"""What a supervisor looks for in its living children: jobs past their time, too much memory, no more polling."""

from __future__ import annotations

import time

from qcore.worker.children import Child

SILENT_S = 30.0
"""A child with a free slot that has not polled for so long has lost its way, and is replaced."""

SERVES_WITHIN_S = 30.0
"""A child that does not serve so long after it was made hangs, and is replaced."""
_SOON_S = 0.25
"""One that is to be ended so soon after another heeds its timeout no more than that: it would end the next process."""


def verdict(child: Child, *, memory_hard_mb: float | None, rss_mb: float | None) -> tuple[str, dict[str, str]] | None:
    """Say whether a child must be ended now.

    Args:
        child: to judge by its slots.
        memory_hard_mb: what a job may make its process grow to.
        rss_mb: what it has now, where that was measured.

    Returns:
        What to tell the operator, and the jobs that are charged for it with the reason; None lets it live.
    """
    now = time.monotonic()
    running = child.slots.running()
    if now > child.ends_by:
        return "it did not stop in time", {}
    if not (child.slots.serves or child.is_leaving) and now - child.began_at > SERVES_WITHIN_S:
        return f"it did not begin to serve within {SERVES_WITHIN_S:.0f} s", {}
    late = [job for job in running if job.ends_hard_at and now > job.ends_hard_at]
    if late:
        guilty = [job for job in running if job.ends_hard_at and now > job.ends_hard_at - _SOON_S]
        reasons = {
            job.id: f"JobTimeout: the attempt did not end within {now - job.began_at:.1f} s, and its process was ended"
            for job in guilty
        }
        return f"{late[0].job} {late[0].id} did not heed its timeout", reasons
    if memory_hard_mb is not None and rss_mb is not None and rss_mb > memory_hard_mb and running:
        text = f"the process outgrew its memory: {rss_mb:.0f} MB of {memory_hard_mb:.0f}"
        return text, {job.id: f"WorkerCrashed: {text}" for job in running}
    if len(running) >= child.slots.count:
        child.full_at = now
    elif _is_silent(child, now, is_busy=bool(running)):
        return f"it has not polled for {SILENT_S:.0f} s", {}
    if running:
        child.busy_at = now
    return None


def _is_silent(child: Child, now: float, *, is_busy: bool) -> bool:
    """Whether a child has lost its way; a job that gives no thread its turn is judged by its timeout alone.

    When such a job has ended, the child polls again, but not at that very moment.
    """
    if not child.slots.serves or child.is_leaving or now - max(child.slots.polled_at, child.full_at) <= SILENT_S:
        return False
    if is_busy:
        return child.slots.turned_unpolled_s > SILENT_S
    return now - child.busy_at > SILENT_S
