"""Workers as a supervisor tells of them."""

from __future__ import annotations

from typing import Any

from fakes.clock import NOON_US
from qcore.ids import new_id
from qcore.records import WorkerRecord


def worker_record(supervisor: str | None = None, **fields: Any) -> WorkerRecord:
    """A worker to report, its own supervisor unless one is named; `fields` are any others of a `WorkerRecord`."""
    worker_id = fields.pop("id", None) or f"worker-{new_id()}"
    return WorkerRecord(
        **{
            "id": worker_id,
            "supervisor": supervisor or worker_id,
            "host": "host",
            "pid": 4711,
            "queues": ("default",),
            "started_us": NOON_US,
            "state": "running",
            **fields,
        }
    )


def team(supervisor: str, size: int) -> list[WorkerRecord]:
    """So many workers under one supervisor, sorted by id."""
    return [worker_record(supervisor, id=f"{supervisor}-{number}") for number in range(size)]
