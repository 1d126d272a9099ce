"""What a page of the dashboard shows at one moment, and where that is read: only what the open page needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from qcore.filters import parse
from qcore.flows import FlowKind
from qcore.monitor.flows import FlowMonitor
from qcore.monitor.glance import Glance, Glancer
from qcore.monitor.happenings import EVENTS_VIEW
from qcore.monitor.health import Check, checks_of
from qcore.monitor.keeping import Kept
from qcore.monitor.measured import MetricsSnapshot
from qcore.monitor.metrics import HOUR_S, Metrics
from qcore.monitor.monitor import VIEWS, Monitor
from qcore.monitor.observing import observe
from qcore.monitor.snapshots import FlowSnapshot, JobSnapshot, LimitSnapshot, LockSnapshot, TagSnapshot
from qcore.monitor.tags import Tags
from qctl.screens.rows import MOST

if TYPE_CHECKING:
    from qcore.manager import QueueManager

RANGES = {"1h": HOUR_S, "6h": 6 * HOUR_S, "24h": 24 * HOUR_S, "7d": 168 * HOUR_S, "30d": 720 * HOUR_S}
"""How far the charts look back."""
_GLANCED = (*VIEWS, EVENTS_VIEW)
"""Pages of which a glance tells all."""
_ALSO = {"workers": "processing"}
"""Pages that can tell more of jobs of a state."""
_WEEK_S = RANGES["7d"]
_LATELY_S = 300.0
_WEEK_KEPT_S = 60.0
"""Seconds for which the count of a week is good enough."""


class Sight(Glance, frozen=True, kw_only=True):
    """One moment of one page; what other pages show is empty."""

    lately: MetricsSnapshot | None = None
    """Of the last five minutes."""
    measured: MetricsSnapshot | None = None
    """Over the range that is shown."""
    failed_in_week: int | None = None
    flows: tuple[FlowSnapshot, ...] = ()
    limits: tuple[LimitSnapshot, ...] = ()
    locks: tuple[LockSnapshot, ...] = ()
    tags: tuple[TagSnapshot, ...] = ()
    checks: tuple[Check, ...] = ()


class PageSource:
    """Reads one page after the other of one connection.

    Args:
        manager: whose.
        connection: which; the default if None.
    """

    def __init__(self, manager: QueueManager, connection: str | None = None) -> None:
        self._manager, self._connection = manager, connection
        self._glancer = Glancer(manager, connection)
        self._monitor, self._metrics = Monitor(manager), Metrics(manager)
        self._flows, self._tags = FlowMonitor(manager, connection), Tags(manager, connection)
        self._week, self._counted, self._silenced = Kept(_WEEK_KEPT_S), Kept(), Kept()
        self.since_s = HOUR_S
        """How far the charts look back."""
        self._readers: dict[str, Callable[[], dict[str, Any]]] = {
            "overview": self._overview,
            "metrics": lambda: {"measured": self._measured(self.since_s)},
            "batches": lambda: {"flows": self._flows.page([FlowKind.BATCH], limit=MOST).flows},
            "chains": lambda: {"flows": self._flows.page([FlowKind.CHAIN, FlowKind.GRAPH], limit=MOST).flows},
            "limits": lambda: {"limits": self._monitor.limits(limit=MOST, connection=connection).limits},
            "locks": lambda: {"locks": self._monitor.locks(limit=MOST, connection=connection).locks},
            "tags": lambda: {"tags": self._counted.read(self._tags.count).tags[:MOST]},
            "health": self._health,
            "silenced": lambda: {"jobs": self._silenced.read(lambda: self._selected("silenced:true"))},
        }

    def look(self, view: str, words: str = "") -> Sight:
        """Read the title line, and what one page shows; of many jobs those that hold one of these words.

        Raises:
            ConnectionFailed: the store does not answer.
        """
        glance = self._glancer.look(view if view in _GLANCED else _ALSO.get(view, ""), words=words)
        more = self._readers[view]() if view in self._readers else {}
        return Sight(**(msgspec.structs.asdict(glance) | {"view": view} | more))

    def forget(self) -> None:
        """Let the next look read everything anew."""
        self._glancer.forget()
        for kept in (self._week, self._counted, self._silenced):
            kept.forget()

    def _overview(self) -> dict[str, Any]:
        return {
            "lately": self._measured(_LATELY_S),
            "measured": self._measured(HOUR_S),
            "failed_in_week": self._week.read(lambda: self._measured(_WEEK_S).totals.failed),
        }

    def _measured(self, since_s: float) -> MetricsSnapshot:
        return self._metrics.of(self._connection, since_s=since_s)

    def _health(self) -> dict[str, Any]:
        return {"checks": checks_of(observe(self._manager, self._connection))}

    def _selected(self, where: str) -> tuple[JobSnapshot, ...]:
        chosen = self._monitor.select(parse(where), views=["completed"], connection=self._connection, bounded=True)
        return chosen.page(MOST).jobs
