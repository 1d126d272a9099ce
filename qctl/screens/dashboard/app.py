"""`qctl dashboard` as an app: going from page to page, opening, and acting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text

from qctl import format as fmt
from qctl.exits import Verdict
from qctl.screens import dialogs
from qctl.screens.aside import aside, tell
from qctl.screens.dashboard.acting import PageDeeds
from qctl.screens.dashboard.base import Paged
from qctl.screens.dashboard.going import GoTo
from qctl.screens.dashboard.keys import DASHBOARD_KEYS
from qctl.screens.dashboard.pages import PAGES, page_of
from qctl.screens.dashboard.sight import RANGES
from qctl.screens.flow.page import FlowDoors, FlowPage
from qctl.screens.job.page import Doors
from qctl.screens.jumping import Place, is_id
from qctl.screens.keys import INTERRUPT, QUIT, bindings_of
from qctl.screens.rows import Row

if TYPE_CHECKING:
    from qcore.monitor.snapshots import FlowSnapshot
    from qctl.screens.top.panel import Panel

_FLOWS = frozenset({"batches", "chains"})
_CANCELLED = frozenset({"pending", "delayed", "retrying", "running"})


class DashboardApp(Paged, inherit_bindings=False):
    """Horizon's pages, and more."""

    BINDINGS: ClassVar[list[Any]] = [*bindings_of(DASHBOARD_KEYS), INTERRUPT, QUIT]

    # -- from page to page ---------------------------------------------------------------------------------------

    def action_page(self, name: str) -> None:
        """Show a page, with the list that was last seen of it."""
        self.action_panel(self._seen[name].name)

    def action_panel(self, name: str) -> None:
        """Show a list of a page."""
        super().action_panel(name)
        self._seen[self._page.name] = self._panel

    def action_next_panel(self) -> None:
        """Show the next page."""
        self.action_page(PAGES[(PAGES.index(self._page) + 1) % len(PAGES)].name)

    def action_view(self, step: int) -> None:
        """Show the next list of the page."""
        panels = self._page.panels
        self.action_panel(panels[(panels.index(self._panel) + step) % len(panels)].name)

    def action_go(self) -> None:
        """Ask for the letter of a page."""
        self.push_screen(GoTo(), lambda name: self.action_page(name) if name else None)

    def action_range(self) -> None:
        """Let charts look back further, or as little as at first."""
        names = list(RANGES)
        self.look_back(names[(names.index(self._range) + 1) % len(names)])

    def _title_of(self, panel: Panel) -> str:
        page = page_of(panel).title
        return page if panel.title == page else f"{page}: {panel.title}"

    # -- opening -------------------------------------------------------------------------------------------------

    def action_open(self) -> None:
        """Open what is under the cursor."""
        row, name = self._list.row, self._panel.name
        openers: dict[str, Callable[[Row], None]] = {
            "overview": lambda row: self._open_queue_named(row.key),
            "queues": lambda row: self._open_queue_named(row.key),
            "batches": lambda row: self.open_flow(row.key),
            "chains": lambda row: self.open_flow(row.key),
            "health": self._open_check,
            "supervisors": lambda _: self.action_panel("workers"),
            "tags": lambda row: self._show_first(_of_tag(row), row.key),
            "locks": lambda row: self.open_job(row.cells["id"].text),
        }
        if row is not None and name in openers:
            openers[name](row)
        elif row is not None and (name == "workers" or "job" in row.cells):
            super().action_open()

    def open_flow(self, flow_id: str) -> None:
        """Read a batch, chain or graph, and show it in front of what is shown."""
        aside(partial(self._read_flow, flow_id))

    def _doors(self, doors: Doors) -> Doors:
        return doors._replace(find_flow=self._find_flow, open_flow=self.open_flow if self._find_flow else None)

    def _open_check(self, row: Row) -> None:
        said = (row.cells[name].text for name in ("verdict", "found", "remedy"))
        text = Text("\n\n".join(fmt.printable_lines(one) for one in said if one))
        self.push_screen(dialogs.Page(row.cells["check"].text, text))

    def _open_queue_named(self, name: str) -> None:
        """Show jobs of a queue: those that failed, else those that wait, else those that ended."""
        found = next((one for one in self._shown.stats.queues if one.name == name), None) if self._shown else None
        if found is None:
            self.notify(f"there is no queue {name!r}", severity="warning")
            return
        counts = {"failed": found.failed, "pending": found.pending, "running": found.processing}
        counts |= {"retrying": found.retrying, "delayed": found.delayed, "completed": 1}
        self._show_first(counts, name)

    def _show_first(self, counts: Mapping[str, int], words: str) -> None:
        """Show the first list of which there is something, filtered by these words."""
        self._list_with(next((name for name, count in counts.items() if count), "completed"), words)

    # -- going by names --------------------------------------------------------------------------------------------

    def _places(self) -> dict[str, Place]:
        pages: dict[str, Place] = {page.name: partial(self._list_with, page.panels[0].name) for page in PAGES}
        flows: dict[str, Place] = {kind: partial(self._jump_to_flow, kind) for kind in ("batch", "chain", "graph")}
        jobs: dict[str, Place] = {"jobs": self._jump_to_jobs, "tag": partial(self._list_with, "tags")}
        return {**pages, **super()._places(), **flows, **jobs, "worker": partial(self._list_with, "workers")}

    def _jump_to_flow(self, kind: str, words: str) -> None:
        if is_id(words):
            self.open_flow(words)
        else:
            self._list_with("batches" if kind == "batch" else "chains", words)

    def _jump_to_jobs(self, words: str) -> None:
        """Show jobs of a state, such as `jobs failed smtp`; without one those that were seen last."""
        state, _, rest = words.partition(" ")
        states = [panel for page in PAGES if page.name in {"jobs", "failed"} for panel in page.panels]
        found = next((one for one in states if state and one.title.lower().startswith(state.lower())), None)
        self._list_with(*((found.name, rest.strip()) if found else (self._seen["jobs"].name, words)))

    def _read_flow(self, flow_id: str) -> None:
        if self._find_flow is None:
            return
        try:
            flow = self._find_flow(flow_id)
        except Exception as error:  # noqa: BLE001  it may be forgotten, or the store may be silent
            tell(self, self._warn, Verdict(error).message)
            return
        tell(self, self._show_flow, flow)

    def _show_flow(self, flow: FlowSnapshot) -> None:
        assert self._find_flow is not None  # noqa: S101  it was read
        doors = FlowDoors(
            find=self._find_flow,
            find_job=self._find_job,
            open_job=self.open_job,
            open_flow=self.open_flow,
            act=self._act_on_flow if self._deeds is not None else None,
            copy_line=self.action_copy_command,
        )
        self.push_screen(FlowPage(flow, doors, ascii_only=self._ascii, clock=self._clock))

    def _act_on_flow(self, what: str, flow: FlowSnapshot) -> None:
        """Do something to the one batch, chain or graph that is open."""
        if self._trouble:
            self.notify("the store does not answer", severity="warning")
        elif isinstance(self._deeds, PageDeeds):
            make = {"retry": self._deeds.retry_flows, "kill": self._deeds.cancel_flows}[what]
            self._do(make("batches" if flow.kind == "batch" else "chains", [flow.id], [f"{flow.name}  {flow.id}"]))

    # -- acting --------------------------------------------------------------------------------------------------

    def action_retry(self) -> None:
        """Put the failed jobs back, or those of a batch or chain."""
        deeds, name = self._deeds, self._panel.name
        if name not in _FLOWS:
            super().action_retry()
        elif isinstance(deeds, PageDeeds) and (ids := self._list.chosen()):
            self._do(deeds.retry_flows(name, ids, self._names(ids)))

    def action_kill(self) -> None:
        """Cancel jobs, batches or chains; stop workers, after asking how."""
        deeds, name, ids = self._deeds, self._panel.name, self._list.chosen()
        if name in _FLOWS and isinstance(deeds, PageDeeds) and ids:
            self._do(deeds.cancel_flows(name, ids, self._names(ids)))
        elif name in _CANCELLED and deeds is not None:
            self._on_chosen(deeds.cancel, deeds.cancel_matching)
        elif name == "workers":
            super().action_kill()

    def action_forget(self) -> None:
        """Drop the failed jobs; free the locks."""
        deeds, ids = self._deeds, self._list.chosen()
        if self._panel.name == "locks" and isinstance(deeds, PageDeeds) and ids:
            self._do(deeds.free(ids))
        else:
            super().action_forget()

    def action_watch(self) -> None:
        """Keep an eye on the tags, or no longer."""
        deeds, row = self._deeds, self._list.row
        if self._panel.name == "tags" and isinstance(deeds, PageDeeds) and row is not None:
            self._do(deeds.watch_tags(self._list.chosen(), is_on=not row.cells["watched"].text))

    def _names(self, ids: list[str]) -> list[str]:
        rows = {row.key: row for row in self._list.rows}
        return [f"{rows[one].cells['name'].text}  {one}" for one in ids[:3] if one in rows]


def _of_tag(row: Row) -> dict[str, int]:
    """How many jobs of a tag are in which list."""
    names = ("failed", "pending", "processing", "retrying", "delayed", "completed", "cancelled")
    return {"running" if name == "processing" else name: row.cells[name].order for name in names}
