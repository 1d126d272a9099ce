"""Middleware around a job. `python job_middleware.py`, with `QCTL_URL` for another store; the log goes to stderr."""

from __future__ import annotations

from running import work
from shop import CloseBooksJob, ProcessDataJob

from qcore import QueueManager


def main() -> None:
    """Run a job whose middleware tells of it, and some whose middleware decides whether and when they run."""
    manager = QueueManager.configure(app="shop")
    ProcessDataJob.dispatch()
    print("a worker ran:")
    work("default")
    for month in ("January", "February"):
        CloseBooksJob.dispatch(month)
    print("tried again, and then throttled:")
    work("default")
    stats = manager.get_stats("default")
    print(f"  waiting: {stats.delayed + stats.retrying}")


if __name__ == "__main__":
    main()
