"""One job as a screen: its fields beside what happened, what it was given, and what went wrong; renewed as it moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from rich.style import Style
from rich.text import Text
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from qcore.filters import state_of
from qctl.screens.dialogs import keys_page
from qctl.screens.job import facts
from qctl.screens.job.facts import FACTS, PARTS, Part, Told
from qctl.screens.keys import JOB_KEYS, Key, bindings_of, footer
from qctl.screens.whole import Whole

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from qcore.monitor.snapshots import FlowSnapshot, JobSnapshot

_WIDE = 110
"""Columns from which on its fields stand beside the rest."""
_FIELDS = 48
"""Columns that its fields have there."""
_ACTS = {
    "retry": frozenset({"failed"}),
    "forget": frozenset({"failed"}),
    "kill": frozenset({"pending", "delayed", "retrying", "processing"}),
}
"""In which states a key means something."""


class Doors(NamedTuple):
    """What a job's page can reach.

    Args:
        find: reads the job anew.
        find_flow: reads its batch, chain or graph; None where these are not known.
        open_flow: shows that.
        act: does one of `retry`, `forget` and `kill` to it; None where nothing may be done.
        copy_line: copies the command of the last action.
    """

    find: Callable[[str], JobSnapshot]
    find_flow: Callable[[str], FlowSnapshot] | None = None
    open_flow: Callable[[str], object] | None = None
    act: Callable[[str, JobSnapshot], object] | None = None
    copy_line: Callable[[], object] | None = None


class JobPage(Whole):
    """Shows one job, and lets it be acted on.

    Args:
        job: as it was read.
        doors: what it can reach.
        more: as any page takes it.
    """

    BINDINGS: ClassVar[list[Any]] = bindings_of(JOB_KEYS)

    def __init__(self, job: JobSnapshot, doors: Doors, **more: Any) -> None:
        super().__init__(**more)
        self.job, self._doors = job, doors
        self._flow: FlowSnapshot | None = None
        self._part = facts.EXCEPTION if job.failures else FACTS

    def compose(self) -> ComposeResult:
        with Vertical(classes="whole ascii" if self._ascii else "whole"):
            yield Static(classes="whole--line", id="title")
            yield Static(classes="whole--bar", id="parts")
            with Horizontal():
                with VerticalScroll(id="job-facts", can_focus=False):
                    yield Static(id="fields")
                with VerticalScroll(id="job-part"):
                    yield Static(id="text")
            yield Static(classes="whole--bar", id="job-keys")

    def on_mount(self) -> None:
        self.query_one("#job-part").focus()

    def _find(self) -> tuple[JobSnapshot, FlowSnapshot | None]:
        job = self._doors.find(self.job.id)
        is_known = self._flow is not None and state_of(job) == state_of(self.job)
        return job, self._flow if is_known else self._found_flow(job)

    def _found_flow(self, job: JobSnapshot) -> FlowSnapshot | None:
        return self._doors.find_flow(job.flow) if job.flow and self._doors.find_flow else None

    def _keep(self, found: tuple[JobSnapshot, FlowSnapshot | None]) -> None:
        self.job, self._flow = found

    # -- drawing -------------------------------------------------------------------------------------------------

    @property
    def _is_wide(self) -> bool:
        return self.size.width >= _WIDE

    @property
    def _parts(self) -> Sequence[Part]:
        return PARTS if self._is_wide else (FACTS, *PARTS)

    def _draw(self) -> None:
        if not self.query("#text"):
            return  # it comes, or goes
        told = Told(self.job, self._now, self._flow, self._ascii, _FIELDS if self._is_wide else self.size.width - 3)
        if self._part not in self._parts:
            self._part = self._parts[0]
        self.query_one("#job-facts").display = self._is_wide
        self._put("#title", self._with_trouble(facts.title(told)))
        self._put("#parts", self._tabs())
        self._put("#fields", facts.facts(told) if self._is_wide else Text(""))
        self._put("#text", self._part.draw(told))
        self._put("#job-keys", footer(self.keys_here(), self.size.width, ascii_only=self._ascii))

    def _tabs(self) -> Text:
        text = Text()
        for number, part in enumerate(self._parts, 1):
            style = Style.parse("bold reverse" if part is self._part else "none")
            text.append(f" {number} {part.title} ", style + Style(meta={"@click": f"screen.part({number})"}))
        text.truncate(self.size.width)
        return text

    def keys_here(self) -> Sequence[Key]:
        """Those that mean something on it now."""
        return [one for one in JOB_KEYS if self._means_something(one.action.partition("(")[0])]

    # -- keys ----------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let keys be there where they mean something."""
        del parameters
        return self._means_something(action)

    def _means_something(self, action: str) -> bool:
        if action in _ACTS:
            return self._doors.act is not None and state_of(self.job) in _ACTS[action]
        return action != "flow" or (self.job.flow is not None and self._doors.open_flow is not None)

    def action_part(self, number: int) -> None:
        """Show a part by its number."""
        if number <= len(self._parts):
            self._part = self._parts[number - 1]
            self.query_one("#job-part", VerticalScroll).scroll_home(animate=False)
            self._draw()

    def action_next_part(self, step: int) -> None:
        """Show the next part."""
        self.action_part((self._parts.index(self._part) + step) % len(self._parts) + 1)

    def action_scroll(self, lines: int) -> None:
        """Scroll by so many lines."""
        self.query_one("#job-part", VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_retry(self) -> None:
        """Put it back."""
        self._act("retry")

    def action_forget(self) -> None:
        """Drop it."""
        self._act("forget")

    def action_kill(self) -> None:
        """Cancel it."""
        self._act("kill")

    def _act(self, what: str) -> None:
        if self._doors.act is not None:
            self._doors.act(what, self.job)

    def action_flow(self) -> None:
        """Show the batch, chain or graph that it belongs to."""
        if self.job.flow is not None and self._doors.open_flow is not None:
            self._doors.open_flow(self.job.flow)

    def action_copy(self) -> None:
        """Copy its id."""
        self.app.copy_to_clipboard(self.job.id)
        self.notify("copied")

    def action_copy_command(self) -> None:
        """Copy the command of the last action."""
        if self._doors.copy_line is not None:
            self._doors.copy_line()

    def action_help(self) -> None:
        """Show every key."""
        self.app.push_screen(keys_page(self.keys_here(), is_acting=self._doors.act is not None))
