"""Where the code of a worker is at this moment, as a page: it is asked, and what it tells is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from qcore.monitor.stacks import Answer
from qctl import format as fmt
from qctl.screens.dialogs import keys_page
from qctl.screens.keys import STACK_KEYS, Key, bindings_of, footer
from qctl.screens.whole import Whole

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from qcore.monitor.snapshots import WorkerSnapshot
    from qcore.monitor.stacks import Asked

_HEADS = ("Thread ", "Task ")
"""How the lines begin that name what is told of."""


class StackPage(Whole):
    """Shows the stacks of one worker; asks again when told to.

    Args:
        worker: as it was seen.
        asked: makes what asks it.
        line: the command that does the same.
        more: as any page takes it.
    """

    BINDINGS: ClassVar[list[Any]] = bindings_of(STACK_KEYS)

    def __init__(self, worker: WorkerSnapshot, asked: Callable[[], Asked], *, line: str = "", **more: Any) -> None:
        super().__init__(**more)
        self._worker, self._make, self._line = worker, asked, line
        self._asked: Asked | None = None
        self._answer = Answer()
        self._wants = True
        """It is to be asked with the next reading."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="whole ascii" if self._ascii else "whole"):
            yield Static(classes="whole--line", id="title")
            with VerticalScroll(id="stack"):
                yield Static(id="text")
            yield Static(classes="whole--bar", id="stack-keys")

    def on_mount(self) -> None:
        self.query_one("#stack").focus()

    def _find(self) -> Answer:
        asked = self._asked = self._asked or self._make()
        if self._wants:
            asked.ask()
            self._wants = False
        return asked.look()

    def _keep(self, found: Answer) -> None:
        stack = found.stack or self._answer.stack  # a worker tells for a while; what it told stays here
        self._answer = found._replace(stack=stack, running=found.running or self._answer.running)

    def _draw(self) -> None:
        if not self.query("#text"):
            return  # it comes, or goes
        self._put("#title", self._with_trouble(self._title()))
        self._put("#text", self._told())
        self._put("#stack-keys", footer(self.keys_here(), self.size.width, ascii_only=self._ascii))

    def _title(self) -> Text:
        worker = self._worker
        text = Text(fmt.printable(f" {worker.id.rpartition(':')[2]} on {worker.host}, pid {worker.pid}"), style="bold")
        for job in self._answer.running:
            text.append(fmt.printable(f"  {job.name} {fmt.duration(job.runtime_s)}"), style="cyan")
        if self._answer.is_gone:
            text.append("  it has ended", style="bold red")
        return text

    def _told(self) -> Text:
        if self._answer.stack is None:
            return Text(
                "It ended before it told." if self._answer.is_gone else f"{self._line}\n\nIt tells within seconds"
            )
        text = Text(f"At {self._answer.stack.at.astimezone():%H:%M:%S} by its clock\n\n", style="dim")
        for line in fmt.printable_lines(self._answer.stack.text).splitlines():
            text.append(line + "\n", style="bold" if line.startswith(_HEADS) else "")
        return text

    def keys_here(self) -> Sequence[Key]:
        """All of them mean something, always."""
        return STACK_KEYS

    def action_scroll(self, lines: int) -> None:
        """Scroll by so many lines."""
        self.query_one("#stack", VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_ask(self) -> None:
        """Ask it again."""
        self._wants = True
        self.reread()

    def action_copy(self) -> None:
        """Copy what it told."""
        if self._answer.stack is not None:
            self.app.copy_to_clipboard(self._answer.stack.text)
            self.notify("copied")

    async def action_copy_command(self) -> None:
        """Copy the command that asks it."""
        await self.app.run_action("copy_command")

    def action_help(self) -> None:
        """Show every key."""
        self.app.push_screen(keys_page(STACK_KEYS, is_acting=True))
