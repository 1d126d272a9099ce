"""A hook (`FAULTS_HOOKS=harness.reclaims`): the books tell which jobs were taken back since their lease had run out."""

from __future__ import annotations

from harness.ledger import Ledger


def install() -> None:
    """Note each of them, as `reclaimed`, where the supervisors look."""
    from qcore.drivers import Store
    from qcore.worker import errands

    def reclaim_all(store: Store) -> None:
        for _ in range(errands._RECLAIMS):
            taken = store.reclaim()
            for job_id in taken:
                Ledger.here().note("reclaimed", job_id)
            if len(taken) < errands.MAX_RECLAIM:
                return

    errands.reclaim_all = reclaim_all
