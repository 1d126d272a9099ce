"""Jobs that write rows in a transaction of their own."""

from __future__ import annotations

from sqlalchemy import text
from worker_jobs import HEARD

from qcore import ChainableJob, Job

WRITE = text("INSERT INTO written (job_id) VALUES (:job_id)")


class Writes(Job):
    """One row, and its own end; `trouble` says what goes wrong, and where."""

    backoff = 0.001

    def __init__(self, trouble: str = "") -> None:
        self.trouble = trouble

    def handle(self) -> str:
        HEARD.append((self.trouble, self.attempts))
        if self.trouble == "wish before":
            self.release(1)
        with self.transaction() as session:
            session.execute(WRITE, {"job_id": self.job_id})
            if self.trouble == "inside" and self.attempts == 1:
                raise ValueError("taken back")
            if self.trouble == "dispatches":
                Writes().dispatch(session=session)
            if self.trouble == "nested":
                with self.transaction() as inner:
                    inner.execute(WRITE, {"job_id": "inner"})
        self.go_on()
        if self.trouble == "twice":
            with self.transaction():
                pass
        return "not kept"

    def go_on(self) -> None:
        """Whatever comes after the block."""
        if self.trouble == "after":
            raise ValueError("too late")
        if self.trouble == "fail after":
            self.fail("too late")
        if self.trouble == "release after":
            self.release(5)
        if self.trouble == "delete after":
            self.delete()


class AsyncWrites(Writes):
    async def handle(self) -> str:  # type: ignore[override]  # a worker takes either
        return super().handle()


class Appends(ChainableJob):
    """Ends, and then wants another step."""

    def _handle(self) -> None:
        with self.transaction():
            pass
        self.chain_append(Writes())
