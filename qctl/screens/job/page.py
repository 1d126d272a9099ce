"""One job as a screen: its fields beside what happened, what it was given, and what went wrong; renewed as it moves."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from rich.style import Style
from rich.text import Text
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from qcore.errors import JobNotFound
from qcore.filters import state_of
from qctl import format as fmt
from qctl.exits import Verdict
from qctl.screens.dialogs import keys_page
from qctl.screens.job import facts
from qctl.screens.job.facts import FACTS, PARTS, Part, Told
from qctl.screens.keys import JOB_KEYS, bindings_of, footer

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


class JobPage(Screen[None]):
    """Shows one job, and lets it be acted on.

    Args:
        job: as it was read.
        doors: what it can reach.
        every_s: seconds between two readings.
        ascii_only: draw with ASCII alone.
        clock: tells ages.
    """

    BINDINGS: ClassVar[list[Any]] = bindings_of(JOB_KEYS)

    def __init__(
        self,
        job: JobSnapshot,
        doors: Doors,
        *,
        every_s: float = 1.0,
        ascii_only: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.job, self._doors, self._every_s = job, doors, every_s
        self._ascii, self._clock = ascii_only, clock
        self._flow: FlowSnapshot | None = None
        self._part = facts.EXCEPTION if job.failures else FACTS
        self._trouble = ""
        self._is_reading = False
        self._drawn: dict[str, Text] = {}

    def compose(self) -> ComposeResult:
        with Vertical(id="job", classes="ascii" if self._ascii else ""):
            yield Static(id="job-title")
            yield Static(id="job-tabs")
            with Horizontal():
                with VerticalScroll(id="job-facts", can_focus=False):
                    yield Static(id="job-fields")
                with VerticalScroll(id="job-part"):
                    yield Static(id="job-text")
            yield Static(id="job-keys")

    def on_mount(self) -> None:
        self.query_one("#job-part").focus()
        self._draw()
        self.reread()
        self.set_interval(self._every_s, self.reread)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    # -- what comes ----------------------------------------------------------------------------------------------

    def reread(self) -> None:
        """Read the job anew, beside the screen: a slow store keeps nobody from pressing a key."""
        if not self._is_reading:
            self._is_reading = True
            self.run_worker(self._read, thread=True, group="job", exit_on_error=False)

    def _read(self) -> None:
        try:
            job, trouble = self._doors.find(self.job.id), ""
            is_news = self._flow is None or state_of(job) != state_of(self.job)
            flow = self._flow if not is_news else self._found_flow(job)
        except JobNotFound:
            job, flow, trouble = self.job, self._flow, "it is not stored any more; this is what it was"
        except Exception as error:  # noqa: BLE001  the page stays, whatever a store does
            job, flow, trouble = self.job, self._flow, Verdict(error).message
        self.app.call_from_thread(self._show, job, flow, trouble)

    def _found_flow(self, job: JobSnapshot) -> FlowSnapshot | None:
        return self._doors.find_flow(job.flow) if job.flow and self._doors.find_flow else None

    def _show(self, job: JobSnapshot, flow: FlowSnapshot | None, trouble: str) -> None:
        self.job, self._flow, self._trouble = job, flow, trouble
        self._is_reading = False
        if self.is_attached:
            self._draw()

    # -- drawing -------------------------------------------------------------------------------------------------

    @property
    def _is_wide(self) -> bool:
        return self.size.width >= _WIDE

    @property
    def _parts(self) -> Sequence[Part]:
        return PARTS if self._is_wide else (FACTS, *PARTS)

    def _draw(self) -> None:
        if not self.query("#job-text"):
            return  # it comes, or goes
        now = datetime.fromtimestamp(self._clock(), UTC)
        told = Told(self.job, now, self._flow, self._ascii, _FIELDS if self._is_wide else self.size.width - 3)
        if self._part not in self._parts:
            self._part = self._parts[0]
        self.query_one("#job-facts").display = self._is_wide
        head = facts.title(told)
        if self._trouble:
            head.append(f"  {fmt.printable(self._trouble)}", style="bold red")
        self._put("#job-title", head)
        self._put("#job-tabs", self._tabs())
        self._put("#job-fields", facts.facts(told) if self._is_wide else Text(""))
        self._put("#job-text", self._part.draw(told))
        self._put("#job-keys", footer(self._keys(), self.size.width, ascii_only=self._ascii))

    def _put(self, name: str, text: Text) -> None:
        """Draw what changed."""
        if self._drawn.get(name) != text:
            self._drawn[name] = text
            self.query_one(name, Static).update(text)

    def _tabs(self) -> Text:
        text = Text()
        for number, part in enumerate(self._parts, 1):
            style = Style.parse("bold reverse" if part is self._part else "none")
            text.append(f" {number} {part.title} ", style + Style(meta={"@click": f"screen.part({number})"}))
        text.truncate(self.size.width)
        return text

    def _keys(self) -> list[Any]:
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
        self.app.push_screen(keys_page(self._keys(), is_acting=self._doors.act is not None))

    def action_leave(self) -> None:
        """Go back to the list."""
        self.dismiss(None)
