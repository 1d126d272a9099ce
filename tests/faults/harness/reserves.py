"""A hook (`FAULTS_HOOKS=harness.reserves`): the books tell when a worker asks its store for jobs.

The entry `reserves` is made before it asks. An exchange that asks for none, and only sends ends, makes none.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.ledger import Ledger


def install() -> None:
    """Note each time that jobs are asked for."""
    from qcore.worker.lane import Lane

    exchange = Lane._exchange

    def noted(lane: Lane, want: int, queues: Sequence[str]) -> None:
        if want:
            Ledger.here().note("reserves")
        exchange(lane, want, queues)

    Lane._exchange = noted  # type: ignore[method-assign]  # the same from outside
