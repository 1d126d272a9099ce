"""Chains. `python job_chaining.py`, with `QCTL_URL` for another store (and a `QCTL_KEY`, which signs the lambdas)."""

from __future__ import annotations

from pipeline import ExtractDataJob, LoadDataJob, NotifyCompletionJob, TransformDataJob
from running import work

from qcore import ChainMonitor, QueueManager, chain


def main() -> None:
    """Run a chain that goes well, and one that is taken up again where it broke."""
    QueueManager.configure(app="pipeline")
    for is_closed in (False, True):
        LoadDataJob.closed = is_closed
        chain_id = (
            chain([ExtractDataJob(), TransformDataJob(), LoadDataJob(), NotifyCompletionJob()])
            .name("ETL Pipeline")
            .catch(lambda e: print(f"  Chain failed: {e}"))
            .dispatch()
        )
        tell(chain_id)
        work("default")
        tell(chain_id)
    LoadDataJob.closed = False
    ChainMonitor(chain_id).retry()
    work("default")
    tell(chain_id)


def tell(chain_id: str) -> None:
    """Say how far a chain is."""
    monitor = ChainMonitor(chain_id)
    status = monitor.get_status()
    print(f"Current step: {status.current_step}")
    print(f"Progress: {status.progress}%")
    print(f"{status.name}: {status.state}")


if __name__ == "__main__":
    main()
