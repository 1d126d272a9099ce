"""Dispatching many jobs at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qcore import dispatcher
from qcore.jobs.job import Job


def dispatch_many(jobs: Iterable[Job], *, session: Any = None) -> list[str]:
    """Dispatch jobs in one round trip and one atomic step for each 1,000 of a connection.

    Args:
        jobs: any number, of any classes.
        session: an SQLAlchemy session on the jobs' own database, in whose transaction they are stored.

    Returns:
        Their ids, in order; None for a `ShouldBeUnique` job of which another one is there.

    Raises:
        QueueError: as `dispatch` raises; its `stored_ids`, and its message, name what was stored before.
    """
    return list(dispatcher.current().dispatch(list(jobs), session=session))  # type: ignore[arg-type]  # None: unique
