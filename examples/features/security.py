"""A job that hides its data and asks for a permission. `python security.py`, with `QCTL_URL` for another store."""

from __future__ import annotations

from running import work
from shop import ProcessPaymentJob

from qcore import QueueManager
from qcore.monitor import Monitor


def main() -> None:
    """Run it with the permission and without."""
    manager = QueueManager.configure(app="shop")
    monitor = Monitor(manager)
    payment = {"card": "4242 4242", "amount": "10 EUR"}
    with QueueManager.acting_as("ada", ["process_payments"]):
        job_id = ProcessPaymentJob.dispatch(payment)
    print(f"shown as: {monitor.job(str(job_id)).arguments}")
    stored = manager.connection().find(str(job_id))
    print(f"the store holds the card in the clear: {b'4242' in stored.payload}")
    print("a worker that may:")
    work("default", grants=("process_payments",))
    with QueueManager.acting_as("ada", ["process_payments"]):
        refused = ProcessPaymentJob.dispatch(payment)
    print("a worker that may not:")
    work("default")
    failed = monitor.job(str(refused))
    print(f"  {failed.state}: {(failed.error or '').partition(':')[0]}")


if __name__ == "__main__":
    main()
