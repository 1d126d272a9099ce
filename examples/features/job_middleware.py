"""Middleware around a job. `python job_middleware.py`, with `QCTL_URL` for another store; the log goes to stderr."""

from __future__ import annotations

from running import work
from shop import ProcessDataJob

from qcore import QueueManager


def main() -> None:
    """Run a job whose middleware tells of it."""
    QueueManager.configure(app="shop")
    ProcessDataJob.dispatch()
    print("a worker ran:")
    work("default")


if __name__ == "__main__":
    main()
