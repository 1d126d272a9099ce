"""Whose turn it is among the queues of a worker."""

from __future__ import annotations

import random
from collections.abc import Sequence

from qcore.manager.definitions import defined


def in_turn(queues: Sequence[str], *, fair: bool) -> Sequence[str]:
    """Return queues in the order to serve them.

    Args:
        queues: most wanted first.
        fair: draw the order by `priority_weight`, so that each gets its share.
    """
    if not fair or len(queues) == 1:
        return queues
    return sorted(queues, key=lambda queue: random.random() ** (1 / _weight(queue)), reverse=True)  # noqa: S311


def _weight(queue: str) -> float:
    definition = defined.get(queue)
    return float(max(1, (definition.priority_weight if definition else None) or 1))
