"""What is measured of jobs and queues. `python metrics.py`, with `QCTL_URL` for another store."""

from __future__ import annotations

from running import work
from shop import SendEmailJob

from qcore import JobMetrics, QueueManager


def main() -> None:
    """Run jobs that go well and one that does not, and show what was measured."""
    QueueManager.configure(app="shop")
    for recipient in ("ada@example.com", "bob@example.com", "eve@example.com", "nowhere"):
        SendEmailJob.dispatch(recipient, "News", "…")
    print("a worker ran:")
    work("emails")
    SendEmailJob.dispatch("ada@example.com", "Later", "…")

    metrics = JobMetrics.get_job_metrics("SendEmailJob")
    print(f"Average execution time: {metrics.avg_execution_time:.0f} s")
    print(f"Success rate: {metrics.success_rate}")

    queue_stats = JobMetrics.get_queue_stats("emails")
    print(f"Jobs in queue: {queue_stats.pending}")
    print(f"Failed jobs: {queue_stats.failed}")


if __name__ == "__main__":
    main()
