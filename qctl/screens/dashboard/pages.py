"""The pages of the dashboard, and the lists of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from qctl.screens.dashboard import tables
from qctl.screens.rows import Column, Row
from qctl.screens.top.events import EVENTS
from qctl.screens.top.panel import ID, Look, Panel
from qctl.screens.top.panels import PANELS, SPARK

_TOPS = {panel.name: panel for panel in PANELS}
_JOB, _QUEUE = Column("job", "JOB", 18, grows=True), Column("queue", "QUEUE", 12)
_QUEUED = Column("queued", "QUEUED", 13, keep=8)
_TRIES = Column("tries", "TRIES", 6, right=True, keep=3)
_TAGS = Column("tags", "TAGS", 16, keep=2)
_RUNTIME = Column("runtime", "RUNTIME", 9, right=True)
_ENDED = Column("ended", "ENDED", 13)
_ERROR = Column("error", "ERROR", 20, grows=True)


class Page(NamedTuple):
    """One page.

    Args:
        key: that opens it; empty where all digits are taken.
        letter: that opens it after `g`.
        title: in the tabs.
        panels: its lists; `[` and `]` go through them.
    """

    key: str
    letter: str
    title: str
    panels: Sequence[Panel]

    @property
    def name(self) -> str:
        """As the palette and the tests call it."""
        return self.title.lower()


def _jobs(view: str, title: str, columns: Sequence[Column], sort: str, empty: str) -> Panel:
    return Panel(view, title, columns, tables.job_rows, sort, True, empty, view)


def _top(name: str, view: str, title: str) -> Panel:
    return _TOPS[name]._replace(view=view, title=title)


def _flows(view: str, title: str, empty: str) -> Panel:
    columns = (
        Column("name", "NAME", 16, grows=True),
        *((Column("kind", "KIND", 6, keep=5),) if view == "chains" else ()),
        Column("state", "STATE", 12),
        Column("progress", "PROGRESS", 15),
        Column("total", "TOTAL", 7, right=True),
        Column("pending", "PEND", 6, right=True, keep=6),
        Column("processed", "DONE", 6, right=True, keep=7),
        Column("failed", "FAIL", 5, right=True),
        Column("cancelled", "CANC", 5, right=True, keep=3),
        Column("created", "CREATED", 13, keep=8),
        Column("took", "TOOK", 9, right=True, keep=4),
        Column("open", "OPEN", 4, keep=2),
        ID,
    )
    return Panel(view, title, columns, tables.flow_rows, "created", True, empty, view)


def _measured(by: str, rows: Callable[[Look], list[Row]]) -> Panel:
    columns = (
        Column("name", by.upper(), 18, grows=True),
        Column("processed", "DONE", 8, right=True),
        Column("failed", "FAIL", 6, right=True),
        Column("retried", "RETRY", 6, right=True, keep=4),
        Column("success", "WELL", 7, right=True, keep=5),
        Column("rate", "/MIN", 7, right=True),
        Column("p50", "P50", 8, right=True, keep=7),
        Column("p95", "P95", 8, right=True),
        Column("wait", "WAIT95", 8, right=True),
        Column("memory", "MEM", 8, right=True, keep=3),
        Column("trend", "TREND", tables.TREND, keep=6),
    )
    return Panel(f"metrics-{by}", f"By {by}", columns, rows, "processed", True, "Nothing ended in this time", "metrics")


OVERVIEW = Panel(
    "overview",
    "Workload",
    (
        Column("queue", "QUEUE", 12, grows=True),
        Column("state", "STATE", 8),
        Column("jobs", "JOBS", 9, right=True),
        Column("workers", "PROC", 5, right=True),
        Column("wait", "WAIT", 9, right=True),
        Column("rate", "OUT/s", 8, right=True, keep=4),
        Column("history", "TREND", SPARK, keep=6),
        Column("clears", "CLEARS", 9, right=True, keep=5),
    ),
    tables.workload_rows,
    "wait",
    True,
    "No queues yet. Dispatch a job: qctl dispatch MODULE:Class",
    "overview",
)
_SUPERVISOR_COLUMNS = (
    Column("supervisor", "SUPERVISOR", 10),
    Column("host", "HOST", 12, keep=6),
    Column("state", "STATE", 10),
    Column("queues", "QUEUES", 16, grows=True),
    Column("processes", "PROC", 5, right=True),
    Column("busy", "BUSY", 8, right=True),
    Column("share", "SHARE", 6, right=True, keep=3),
    Column("rss", "RSS", 8, right=True, keep=5),
    Column("jobs", "JOBS", 9, right=True, keep=7),
    Column("failures", "FAIL", 6, right=True, keep=4),
)
SUPERVISORS = Panel(
    "supervisors",
    "Supervisors",
    _SUPERVISOR_COLUMNS,
    tables.supervisor_rows,
    "supervisor",
    False,
    "No workers: qctl work starts one, qctl supervise keeps some",
    "supervisors",
)
BELOW = SUPERVISORS._replace(view="overview")
"""What stands below the workload of the overview."""
_FAILED = Panel(
    "failed",
    "Failed",
    (
        Column("when", "FAILED", 13),
        Column("job", "JOB", 16),
        Column("queue", "QUEUE", 10, keep=6),
        _RUNTIME._replace(keep=5),
        _TRIES,
        Column("same", "SAME", 5, right=True, keep=4),
        _ERROR,
        _TAGS,
        ID,
    ),
    tables.failed_job_rows,
    "when",
    True,
    "No failed jobs",
    "failed",
)
_WAITING = (_JOB, _QUEUE, _QUEUED, Column("priority", "PRIO", 5, right=True, keep=3), _TAGS, ID)
_RETRYING = (_JOB, _QUEUE, Column("due", "NEXT", 13), _TRIES, _ERROR, ID)
_DONE = (_JOB, _QUEUE, _QUEUED, _ENDED, _RUNTIME, _TRIES, _TAGS, ID)
_STATES = (
    _jobs("pending", "Pending", _WAITING, "queued", "Nothing waits"),
    _top("delayed", "delayed", "Delayed"),
    _top("running", "processing", "Processing"),
    _jobs("retrying", "Retrying", _RETRYING, "due", "Nothing waits for another try")._replace(falling=False),
    _jobs("completed", "Completed", _DONE, "ended", "Nothing completed of late"),
    _jobs("silenced", "Silenced", _DONE, "ended", "Nothing silenced completed of late"),
    _jobs("cancelled", "Cancelled", (_JOB, _QUEUE, _QUEUED, _ENDED, _TRIES, _TAGS, ID), "ended", "None was cancelled"),
)
_LIMITS = (
    Panel(
        "limits",
        "Limits",
        (
            Column("key", "LIMIT", 20, grows=True),
            Column("strategy", "STRATEGY", 15, keep=4),
            Column("most", "MAX", 8, right=True),
            Column("per", "IN", 9, right=True),
            Column("used", "USED", 8, right=True),
            Column("left", "LEFT", 8, right=True),
            Column("opens", "OPENS IN", 9, right=True),
        ),
        tables.limit_rows,
        "left",
        False,
        "No limits: qctl limits --set QUEUE=1000/1h sets one",
        "limits",
    ),
    Panel(
        "locks",
        "Locks",
        (
            Column("key", "KEY", 24, grows=True),
            Column("kind", "KIND", 12),
            Column("held", "HELD", 9, right=True),
            Column("ends", "ENDS IN", 9, right=True, keep=8),
            Column("id", "JOB", 36, keep=5),
        ),
        tables.lock_rows,
        "held",
        True,
        "No job holds a lock",
        "locks",
    ),
)
_TAG_PANEL = Panel(
    "tags",
    "Tags",
    (
        Column("tag", "TAG", 16, grows=True),
        Column("watched", "", 9),
        Column("pending", "PEND", 7, right=True),
        Column("delayed", "DELAY", 7, right=True, keep=4),
        Column("processing", "RUN", 6, right=True),
        Column("retrying", "RETRY", 6, right=True, keep=5),
        Column("completed", "DONE", 8, right=True),
        Column("failed", "FAIL", 6, right=True),
        Column("cancelled", "CANC", 6, right=True, keep=3),
    ),
    tables.tag_rows,
    "watched",
    True,
    "No job has a tag",
    "tags",
)
_HEALTH = Panel(
    "health",
    "Health",
    (
        Column("verdict", "VERDICT", 10),
        Column("check", "CHECK", 12),
        Column("found", "FOUND", 30, grows=True),
        Column("remedy", "REMEDY", 40, keep=4),
    ),
    tables.check_rows,
    "verdict",
    True,
    "No check was made",
    "health",
)
PAGES = (
    Page("1", "o", "Overview", (OVERVIEW,)),
    Page("2", "q", "Queues", (_top("queues", "queues", "Queues"),)),
    Page("3", "j", "Jobs", _STATES),
    Page("4", "f", "Failed", (_FAILED,)),
    Page("5", "b", "Batches", (_flows("batches", "Batches", "No batches"),)),
    Page("6", "c", "Chains", (_flows("chains", "Chains and graphs", "No chains, and no graphs"),)),
    Page(
        "7",
        "m",
        "Metrics",
        (_measured("job", tables.measured_job_rows), _measured("queue", tables.measured_queue_rows)),
    ),
    Page("8", "w", "Workers", (_top("workers", "workers", "Workers"), SUPERVISORS)),
    Page("9", "l", "Limits", _LIMITS),
    Page("0", "h", "Health", (_HEALTH,)),
    Page("", "t", "Tags", (_TAG_PANEL,)),
    Page("", "e", "Events", (EVENTS,)),
)
"""In the order of the tabs."""


def page_of(panel: Panel) -> Page:
    """The page on which a list stands."""
    return next(page for page in PAGES if any(one.name == panel.name for one in page.panels))
