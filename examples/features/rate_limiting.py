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
    for recipient in [*["ada"] * 12, "bob"]:
        EmailJob.dispatch(recipient)
    work("default")
    print(f"  waiting: {manager.get_stats('default').delayed}")
    tell_limits(manager)

    print("of a queue:")
    QueueManager.rate_limit("emails", max_jobs=1000, per_seconds=3600)
    SendEmailJob.dispatch("ada@example.com", "News", "…")
    work("emails")
    tell_limits(manager)
    QueueManager.rate_limit("emails", max_jobs=2, per_seconds=60)
    for number in range(4):
        SendEmailJob.dispatch(f"user{number}@example.com", "News", "…")
    work("emails")
    stats = manager.get_stats("emails")
    print(f"  done {stats.completed}, waiting {stats.pending + stats.delayed}")
    QueueManager.rate_limit("emails", None)
    print("of a queue no more:")
    work("emails")


def tell_limits(manager: QueueManager) -> None:
    """Say what is left of each limit."""
    for limit in Monitor(manager).limits().limits:
        print(f"  {limit.key}: {limit.left} of {limit.max_attempts} left")


if __name__ == "__main__":
    main()
