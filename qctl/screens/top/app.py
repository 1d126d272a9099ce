"""`qctl top` as an app: the lists, and the keys on them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import Binding

from qctl import format as fmt
from qctl.exits import Exit, Verdict
from qctl.screens.dialogs import Page
from qctl.screens.grid import Grid
from qctl.screens.keys import KEYS, Key, keys_for
from qctl.screens.top.detail import page_of
from qctl.screens.top.operating import Operating

INTERRUPT = Binding("ctrl+c", "interrupt", "Interrupt", show=False, priority=True)
"""Wherever somebody is, also where they type, and where it would copy."""


def bindings_of(keys: Sequence[Key]) -> list[Any]:
    """The keys as Textual wants them."""
    found = [
        Binding(key, one.action, one.help or one.shown, show=False, priority=key == "tab")
        for one in keys
        for key in one.keys.split(",")
    ]
    return [*found, INTERRUPT]


class TopApp(Operating):
    """The htop of queues."""

    BINDINGS: ClassVar[list[Any]] = bindings_of(KEYS)

    def action_open(self) -> None:
        """Open what is under the cursor: the jobs of a queue, or a job."""
        key = self._list.key
        if key is None:
            return
        if self._panel.name == "queues":
            self._orders["running"].filter = ""
            self.action_panel("failed" if self._has_failed(key) else "running")
            self._order.filter = key
            self._draw()
        elif self._find_job is not None:
            job_id = key.rpartition(" ")[2] if self._panel.name == "workers" else key
            if self._panel.name != "workers" or (" " in key and not key.startswith("host ")):
                self.run_worker(partial(self._read_job, job_id), thread=True, group="reading", exit_on_error=False)

    def on_grid_opened(self, _: Grid.Opened) -> None:
        self.action_open()

    def _has_failed(self, queue: str) -> bool:
        return any(one.failed for one in self._queues() if one.name == queue)

    def _read_job(self, job_id: str) -> None:
        assert self._find_job is not None  # noqa: S101  asked for only then
        try:
            job = self._find_job(job_id)
        except Exception as error:  # noqa: BLE001  it may have ended, or the store may be silent
            self.call_from_thread(self.notify, fmt.printable(Verdict(error).message), severity="warning")
            return
        page = Page(f"{job.name} {job.id}", page_of(job, datetime.now(UTC)))
        self.call_from_thread(self.push_screen, page)

    def action_copy(self) -> None:
        """Copy what is under the cursor."""
        if self._list.key is not None:
            self.copy_to_clipboard(self._list.key)
            self.notify("copied")

    def action_copy_command(self) -> None:
        """Copy the command of the last action."""
        if self._last_line:
            self.copy_to_clipboard(self._last_line)
            self.notify(f"copied: {fmt.printable(self._last_line)[:100]}")

    def action_theme(self) -> None:
        """Show the next theme."""
        names = sorted(self.available_themes)
        self.theme = names[(names.index(self.theme) + 1) % len(names)]
        self.notify(self.theme)

    def action_export(self) -> None:
        """Write the rows to a file."""
        name = f"qctl-{self._panel.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}.csv"
        text = io.StringIO(newline="")
        table = csv.writer(text)
        table.writerow([column.title for column in self._panel.columns])
        for row in self._list.rows:
            table.writerow([row.cells[c.key].text if c.key in row.cells else "" for c in self._panel.columns])
        if self.is_web:  # the file is for whoever looks on, not for the host that serves
            text.seek(0)
            self.deliver_text(text, save_filename=name, mime_type="text/csv")
            return
        try:
            Path(name).write_text(text.getvalue(), encoding="utf-8", newline="")
        except OSError as error:
            self.notify(f"{name}: {error.strerror}", severity="error")
            return
        self.notify(f"wrote {fmt.plural(len(self._list.rows), 'row')} to {name}")

    def action_help(self) -> None:
        """Show every key."""
        text = Text()
        for key in keys_for(self._panel.name, read_only=self._deeds is None, keys=self.keys):
            if key.help:
                text.append(f" {key.shown:>5}  ", style="bold").append(f"{key.help}\n")
        text.append("\n Each action shows the qctl command that does the same; Y copies it.\n", style="dim")
        self.push_screen(Page("Keys", text))

    def action_leave(self) -> None:
        """Quit."""
        self.exit()

    def action_interrupt(self) -> None:
        """End as whatever Ctrl-C ends; in a browser it copies, and ends nothing."""
        if self.is_web:
            self.screen.action_copy_text()
        else:
            self.exit(return_code=Exit.INTERRUPTED)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let keys of the lists be letters while somebody types, and those that act be away where none may."""
        del parameters
        if len(self.screen_stack) > 1 or self.screen_stack[:1] == []:
            return action in {"command_palette", "leave"} or action not in self._by_action
        if action in self._by_action and self.query_one("#words").display:
            return action == "leave" and False
        key = self._by_action.get(action)
        return not (key is not None and key.acts and self._deeds is None)

    @cached_property
    def _by_action(self) -> dict[str, Key]:
        return {one.action.partition("(")[0]: one for one in self.keys}
