"""A hook (`FAULTS_HOOKS=harness.beats`): the books tell when a supervisor has leases of its children renewed.

The entry `renewed` is made before the children hear of it.
"""

from __future__ import annotations

from typing import Any

from harness.ledger import Ledger


def install() -> None:
    """Note each time that leases were renewed."""
    from qcore.worker.slots import ChildSlots

    keep = ChildSlots.keep

    def noted(slots: ChildSlots, *arguments: Any) -> None:
        Ledger.here().note("renewed")
        keep(slots, *arguments)

    ChildSlots.keep = noted  # type: ignore[method-assign]  # the same from outside
