"""One batch, chain or graph as a screen: how far it is, and its steps or what failed of it, each a key away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from textual.containers import Vertical
from textual.widgets import Static

from qcore.errors import JobNotFound
from qctl.screens.dialogs import keys_page
from qctl.screens.flow import parts
from qctl.screens.grid import Grid
from qctl.screens.keys import FLOW_KEYS, Key, bindings_of, footer
from qctl.screens.whole import Whole

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from qcore.monitor.snapshots import FlowSnapshot, JobSnapshot

_SHOWN = 50
"""Failed jobs that are read."""


class FlowDoors(NamedTuple):
    """What the page can reach.

    Args:
        find: reads it anew.
        find_job: reads a job of it; None where these are not known.
        open_job: shows one.
        open_flow: shows one that is nested in it, or that it is part of.
        act: does one of `retry` and `kill` to it; None where nothing may be done.
        copy_line: copies the command of the last action.
    """

    find: Callable[[str], FlowSnapshot]
    find_job: Callable[[str], JobSnapshot] | None = None
    open_job: Callable[[str], object] | None = None
    open_flow: Callable[[str], object] | None = None
    act: Callable[[str, FlowSnapshot], object] | None = None
    copy_line: Callable[[], object] | None = None


class FlowPage(Whole):
    """Shows one batch, chain or graph, and lets it be acted on.

    Args:
        flow: as it was read.
        doors: what it can reach.
        more: as any page takes it.
    """

    BINDINGS: ClassVar[list[Any]] = bindings_of(FLOW_KEYS)

    def __init__(self, flow: FlowSnapshot, doors: FlowDoors, **more: Any) -> None:
        super().__init__(**more)
        self.flow, self._doors = flow, doors
        self._failed: dict[str, JobSnapshot] = {}

    def compose(self) -> ComposeResult:
        with Vertical(classes="whole"):
            yield Static(classes="whole--bar", id="title")
            yield Static(id="flow-head")
            yield Grid(parts.COLUMNS, id="steps", ascii_only=self._ascii)
            yield Static(classes="whole--bar", id="flow-keys")

    def on_mount(self) -> None:
        self._grid.focus()

    @property
    def _grid(self) -> Grid:
        return self.query_one("#steps", Grid)

    def _find(self) -> tuple[FlowSnapshot, dict[str, JobSnapshot]]:
        flow = self._doors.find(self.flow.id)
        wanted = () if flow.steps else flow.failed_ids[:_SHOWN]
        return flow, {one: job for one in wanted if (job := self._failed.get(one) or self._job(one)) is not None}

    def _job(self, job_id: str) -> JobSnapshot | None:
        try:
            return self._doors.find_job(job_id) if self._doors.find_job else None
        except JobNotFound:
            return None  # it was dropped

    def _keep(self, found: tuple[FlowSnapshot, dict[str, JobSnapshot]]) -> None:
        self.flow, self._failed = found

    def _draw(self) -> None:
        if not self.query("#steps"):
            return  # it comes, or goes
        flow = self.flow
        self._put("#title", self._with_trouble(parts.title(flow, ascii_only=self._ascii)))
        self._put("#flow-head", parts.head(flow, self._now, ascii_only=self._ascii))
        self._grid.empty = "No job of it has failed" if not flow.steps else ""
        self._grid.show(parts.rows(flow, list(self._failed.values()), ascii_only=self._ascii))
        self._put("#flow-keys", footer(self.keys_here(), self.size.width, ascii_only=self._ascii))

    def keys_here(self) -> Sequence[Key]:
        """Those that mean something on it now."""
        return [one for one in FLOW_KEYS if self._means_something(one.action.partition("(")[0])]

    # -- keys ----------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let keys be there where they mean something."""
        del parameters
        return self._means_something(action)

    def _means_something(self, action: str) -> bool:
        may_act = self._doors.act is not None
        return {
            "retry": may_act and self.flow.failed > 0,
            "kill": may_act and self.flow.finished_at is None and self.flow.cancelled_at is None,
            "parent": self.flow.parent is not None,
        }.get(action, True)

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self._grid.move(by)

    def action_move_page(self, by: int) -> None:
        """Move the cursor by a page."""
        self._grid.move(by * self._grid.page())

    def action_move_to(self, place: int) -> None:
        """Move the cursor to a row."""
        self._grid.go_to(place)

    def on_grid_opened(self, message: Grid.Opened) -> None:
        message.stop()
        self.action_open()

    def action_open(self) -> None:
        """Open the step or job under the cursor."""
        key = self._grid.key
        if key is None:
            return
        is_flow = key in set(parts.flows_in(self.flow.steps))
        door = self._doors.open_flow if is_flow else self._doors.open_job
        if door is not None:
            door(key)

    def action_parent(self) -> None:
        """Open what it is part of."""
        if self.flow.parent is not None and self._doors.open_flow is not None:
            self._doors.open_flow(self.flow.parent)

    def action_retry(self) -> None:
        """Let it go on from what failed."""
        self._act("retry")

    def action_kill(self) -> None:
        """Cancel what has not begun of it."""
        self._act("kill")

    def _act(self, what: str) -> None:
        if self._doors.act is not None:
            self._doors.act(what, self.flow)

    def action_copy(self) -> None:
        """Copy the id under the cursor, else its own."""
        self.app.copy_to_clipboard(self._grid.key or self.flow.id)
        self.notify("copied")

    def action_copy_command(self) -> None:
        """Copy the command of the last action."""
        if self._doors.copy_line is not None:
            self._doors.copy_line()

    def action_help(self) -> None:
        """Show every key."""
        self.app.push_screen(keys_page(self.keys_here(), is_acting=self._doors.act is not None))
