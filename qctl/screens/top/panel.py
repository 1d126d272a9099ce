"""What a list of a screen is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from qctl.screens.rows import Column, Row

if TYPE_CHECKING:
    from qcore.monitor.glance import Glance
    from qctl.screens.trends import Trends

ID = Column("id", "ID", 36, keep=1)


class Look(NamedTuple):
    """What panels make their rows of."""

    glance: Glance
    trends: Trends
    ascii_only: bool = False
    tree: bool = True
    folded: bool = False
    """Supervisors without their processes."""
    grouped: bool = False
    """One row for all that failed of one and the same trouble."""
    seen: frozenset[str] = frozenset()
    """Rows of alerts of which somebody said that they know."""


class Panel(NamedTuple):
    """One list."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Callable[[Look], list[Row]]
    sort: str
    falling: bool
    empty: str
    view: str = ""
    """The state of the jobs that it lists."""
    also: str = ""
    """A state whose jobs it can tell more of, once they are read."""
