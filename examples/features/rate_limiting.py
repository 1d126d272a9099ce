"""Rate limits, of a job and of a queue. `python rate_limiting.py`, with `QCTL_URL` for another store."""

from __future__ import annotations

from running import work
from shop import EmailJob, SendEmailJob

from qcore import QueueManager
from qcore.monitor import Monitor


def main() -> None:
    """Dispatch more than may run, and show what waits."""
    manager = QueueManager.configure(app="shop")
    print("of a job:")
    for recipient in ("ada", "ada", "ada", "bob"):
        EmailJob.dispatch(recipient)
    work("default")
    print(f"  waiting: {manager.get_stats('default').delayed}")
    for limit in Monitor(manager).limits().limits:
        print(f"  {limit.key}: {limit.left} of {limit.max_attempts} left")

    print("of a queue:")
    QueueManager.rate_limit("emails", max_jobs=2, per_seconds=3600)
    for number in range(4):
        SendEmailJob.dispatch(f"user{number}@example.com", "News", "…")
    work("emails")
    stats = manager.get_stats("emails")
    print(f"  done {stats.completed}, waiting {stats.pending + stats.delayed}")
    QueueManager.rate_limit("emails", None)


if __name__ == "__main__":
    main()
