"""The protocol in plain Python: what any store must agree with, without a thought for cost."""

from __future__ import annotations

from dataclasses import dataclass, field

LATER = 10**9
"""Longer than any number of events."""
ENDED = ("completed", "failed", "cancelled")


@dataclass
class ModelJob:
    """A job."""

    id: str
    queue: str
    priority: int
    due: int
    state: str = "waiting"
    attempts: int = 0
    token: str | None = None
    outcome: str | None = None
    cancel_requested: bool = False
    lock: str | None = None


@dataclass
class Model:
    """A store. Its clock counts events; a job is due now, or long after."""

    jobs: dict[str, ModelJob] = field(default_factory=dict)
    locks: dict[str, str] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    totals: dict[tuple[str, str], int] = field(default_factory=dict)
    queues: set[str] = field(default_factory=set)
    now: int = 0

    def push(self, job_id: str, queue: str, priority: int, *, delayed: bool) -> None:
        self.queues.add(queue)
        if job_id not in self.jobs:
            self.jobs[job_id] = ModelJob(job_id, queue, priority, self._due("late" if delayed else "none"))

    def push_unique(self, job_id: str, queue: str, key: str, *, replaces: bool, delayed: bool) -> bool:
        """Whether it was stored."""
        holder = self.jobs.get(self.locks.get(key, ""))
        if holder is not None and not (replaces and holder.state == "waiting"):
            return False
        if holder is not None:
            self._end(holder, "cancelled")
        self.push(job_id, queue, 0, delayed=delayed)
        self.jobs[job_id].lock = key
        self.locks[key] = job_id
        return True

    def next_ids(self, queues: list[str], limit: int) -> list[str]:
        """Whom a reserve must give, in order."""
        found: list[str] = []
        for queue in queues:
            ready = [job for job in self._in("waiting", queue) if job.due <= self.now and queue not in self.paused]
            ready.sort(key=lambda job: (-job.priority, job.due, job.id))
            found += [job.id for job in ready]
        return found[:limit]

    def lease(self, job_id: str, token: str) -> None:
        job = self.jobs[job_id]
        job.state, job.token, job.outcome = "processing", token, None

    def settle(self, job_id: str, token: str, outcome: str, *, attempts: int, delay: str = "none") -> bool:
        """Whether the store accepts it; `delay` is none, hour or keep (handed back)."""
        job = self.jobs.get(job_id)
        if job is None or job.token != token:
            return False
        if job.state != "processing":
            return job.outcome == outcome
        job.attempts, job.outcome = attempts, outcome
        if outcome == "released":
            job.state = "waiting"
            job.due = job.due if delay == "keep" else self._due(delay)
        else:
            self._end(job, outcome)
        return True

    def retry(self, job_id: str) -> bool:
        job = self.jobs.get(job_id)
        if job is None or job.state != "failed":
            return False
        self.jobs[job_id] = ModelJob(job.id, job.queue, job.priority, self._due("none"), lock=job.lock)
        if job.lock is not None:
            self.locks.setdefault(job.lock, job_id)
        return True

    def forget(self, job_id: str) -> bool:
        job = self.jobs.get(job_id)
        if job is None or job.state != "failed":
            return False
        del self.jobs[job_id]
        return True

    def cancel(self, job_id: str) -> bool:
        """Whether it ended here and now."""
        job = self.jobs.get(job_id)
        if job is None or job.state in ENDED:
            return False
        if job.state == "processing":
            job.cancel_requested = True
            return False
        self._end(job, "cancelled")
        return True

    def clear(self, queue: str) -> int:
        waiting = self._in("waiting", queue)
        for job in waiting:
            del self.jobs[job.id]
            self._free(job)
        return len(waiting)

    def let_time_pass(self) -> None:
        """Every delayed job becomes due, in the order in which it was to."""
        self.now += LATER + 1

    def reclaim(self, started: set[str]) -> set[str]:
        """Give back every lease; those that had begun are charged."""
        leased = [job for job in self.jobs.values() if job.state == "processing"]
        for job in leased:
            job.state, job.token = "waiting", None
            job.attempts += job.id in started
        return {job.id for job in leased}

    def view(self, job: ModelJob) -> str:
        """Which list shows the job."""
        if job.state != "waiting":
            return job.state
        if job.attempts:
            return "retrying"
        return "pending" if job.due <= self.now else "delayed"

    def counts(self) -> dict[str, dict[str, int]]:
        """For each queue the numbers that a reader must tell."""
        views = ("pending", "delayed", "processing", "retrying", "failed")
        found = {queue: dict.fromkeys(views, 0) for queue in self.queues}
        for job in self.jobs.values():
            if (view := self.view(job)) in views:
                found[job.queue][view] += 1
        for queue, numbers in found.items():
            numbers |= {end: self.totals.get((queue, end), 0) for end in ("completed", "cancelled")}
        return found

    def _in(self, state: str, queue: str) -> list[ModelJob]:
        return [job for job in self.jobs.values() if job.state == state and job.queue == queue]

    def _end(self, job: ModelJob, outcome: str) -> None:
        job.state = outcome
        self._free(job)
        self.totals[job.queue, outcome] = self.totals.get((job.queue, outcome), 0) + 1

    def _free(self, job: ModelJob) -> None:
        if job.lock is not None and self.locks.get(job.lock) == job.id:
            del self.locks[job.lock]

    def _due(self, delay: str) -> int:
        self.now += 1
        return self.now + (LATER if delay == "late" else 0)
