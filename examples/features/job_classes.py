"""Jobs dispatched in every way, unique, encrypted. `python job_classes.py`, with `QCTL_URL` for another store."""

from __future__ import annotations

from running import work
from shop import SENT, ProcessSensitiveDataJob, ProcessUserDataJob, SendEmailJob

from qcore import JobRecord, QueueManager


def main() -> None:
    """Dispatch and run them."""
    QueueManager.configure(app="shop").install()
    print("dispatched:")
    SendEmailJob.dispatch("ada@example.com", "Welcome", "Hello!")
    later = SendEmailJob("ada@example.com", "Later", "…").on_queue("high-priority").delay_until(60).with_priority(10)
    later_id = later.dispatch()
    wants_emails = unsubscribed = False
    print(f"  if wanted: {SendEmailJob.dispatch_if(wants_emails, 'ada@example.com', 'News', '…')}")
    SendEmailJob.dispatch_unless(unsubscribed, "bob@example.com", "News", "…")
    SendEmailJob.dispatch("nowhere", "Welcome", "Hello!")
    SendEmailJob.dispatch_now("ada@example.com", "At once", "Hello!")
    print(f"  {SENT[-1]}")
    print("a worker ran:")
    work("high-priority", "emails")
    record = JobRecord.find(str(later_id))
    print(f"  {record.state} on {record.queue}, due in {round((record.due_at - record.created_at).total_seconds())} s")

    print("unique:")
    first, second = ProcessUserDataJob.dispatch(7), ProcessUserDataJob.dispatch(7)
    print(f"  the second of user 7: {second}, of user 8: {ProcessUserDataJob.dispatch(8) is not None}")
    work("default")
    third = ProcessUserDataJob.dispatch(7)
    print(f"  the first is {JobRecord.find(str(first)).state}, and another may come: {third is not None}")
    work("default")

    print("encrypted:")
    job_id = ProcessSensitiveDataJob.dispatch("a secret of the shop")
    stored = QueueManager.current().connection().find(str(job_id))
    print(f"  the store holds it in the clear: {b'secret' in stored.payload}")
    work("default")


if __name__ == "__main__":
    main()
