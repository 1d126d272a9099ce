"""Batches. `python job_batching.py`, with `QCTL_URL` for another store (and a `QCTL_KEY`, which signs the lambdas)."""

from __future__ import annotations

from pipeline import ProcessDataJob
from running import work

from qcore import JobBatch, QueueManager, batch


def main() -> None:
    """Run one batch that goes well, and one of which more fails than may."""
    QueueManager.configure(app="pipeline")
    chunk1, chunk2, chunk3 = ["a", "b"], ["c"], [None]
    batch_id = (
        batch([ProcessDataJob(chunk1), ProcessDataJob(chunk2), ProcessDataJob(chunk3)])
        .name("Data Processing Batch")
        .allow_failures(1)
        .then(lambda: print("  Batch completed successfully"))
        .catch(lambda e: print(f"  Batch failed: {e}"))
        .finally_(lambda: print("  Batch finished"))
        .dispatch()
    )
    tell(batch_id)
    work("default")
    tell(batch_id)

    batch_id = (
        batch([ProcessDataJob(chunk3), ProcessDataJob(chunk3)])
        .allow_failures(1)
        .then(lambda: print("  Batch completed successfully"))
        .catch(lambda e: print(f"  Batch failed: {e}"))
        .finally_(lambda: print("  Batch finished"))
        .dispatch()
    )
    work("default")
    tell(batch_id)


def tell(batch_id: str) -> None:
    """Say how far a batch is."""
    found = JobBatch.find(batch_id)
    print(f"Progress: {found.progress()}%")
    print(f"Pending: {found.pending_jobs}")
    print(f"Failed: {found.failed_jobs}")
    print(f"Processed: {found.processed_jobs}")
    if found.cancelled():
        print("Batch was cancelled")
    elif found.finished():
        print("Batch completed")


if __name__ == "__main__":
    main()
