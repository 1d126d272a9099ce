"""What the scripts have in common: a worker that runs what there is, in this process, and what the jobs did."""

from __future__ import annotations

import shop

from qcore import Worker
from qcore.worker import WorkerOptions


def work(*queues: str, grants: tuple[str, ...] = ()) -> None:
    """Run what is due on these queues, and show what the jobs did, in order."""
    shop.SENT.clear()
    Worker(list(queues), options=WorkerOptions(stop_when_empty=True, grants=grants)).run()
    for line in sorted(shop.SENT):
        print(f"  {line}")
