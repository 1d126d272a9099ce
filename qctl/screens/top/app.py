"""`qctl top` as an app: the lists, and the keys on them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import SystemCommand

from qctl import format as fmt
from qctl.exits import Exit, Verdict
from qctl.screens.aside import aside, tell
from qctl.screens.dialogs import Choose, keys_page
from qctl.screens.grid import Grid
from qctl.screens.job.page import Doors, JobPage
from qctl.screens.jumping import Place, is_id
from qctl.screens.keys import INTERRUPT, KEYS, QUIT, Key, bindings_of, keys_for
from qctl.screens.top.events import ALERT
from qctl.screens.top.operating import Operating
from qctl.screens.whole import Whole

if TYPE_CHECKING:
    from textual.dom import DOMNode
    from textual.screen import Screen

    from qcore.monitor.snapshots import JobSnapshot
    from qctl.screens.top.panel import Panel


_MIME = {"csv": "text/csv", "json": "application/json"}


class TopApp(Operating):
    """The htop of queues."""

    BINDINGS: ClassVar[list[Any]] = [*bindings_of(KEYS), INTERRUPT, QUIT]

    def action_open(self) -> None:
        """Open what is under the cursor: the jobs of a queue, or a job."""
        key = self._list.key
        if key is None:
            return
        if self._panel.name == "queues":
            self._open_queue_named(key)
        elif job_id := self._job_at(key):
            self.open_job(job_id)

    def _open_queue_named(self, name: str) -> None:
        """Show the jobs of a queue: those that failed, else those that run."""
        self._list_with("failed" if self._has_failed(name) else "running", name)

    def _places(self) -> dict[str, Place]:
        ours = {"queue": self._open_queue_named, "job": self._jump_to_job, "help": lambda _: self.action_help()}
        return {**super()._places(), **ours}

    def _jump_to_job(self, words: str) -> None:
        if is_id(words):
            self.open_job(words)
        else:
            self.notify("write the whole id of a job", severity="warning")

    def _job_at(self, key: str) -> str:
        """The id of the job that a row is of; nothing where it is of none."""
        if self._panel.name == "events":
            return "" if key.startswith(ALERT) else key.partition(" ")[0]
        return self._running_job(key) if self._panel.name == "workers" else key

    def open_job(self, job_id: str) -> None:
        """Read one job, and show it in front of what is shown."""
        if self._find_job is not None:
            aside(partial(self._read_job, job_id))

    def _running_job(self, key: str) -> str:
        """The job of a line of the workers: the one that it is, or the first that its worker runs; else nothing."""
        worker_id, _, job_id = key.partition(" ")
        if worker_id == "host" or job_id:
            return job_id if worker_id != "host" else ""
        every = self._shown.workers if self._shown else ()
        return next((one.running[0].id for one in every if one.id == key and one.running), "")

    def on_grid_opened(self, _: Grid.Opened) -> None:
        self.action_open()

    def _has_failed(self, queue: str) -> bool:
        return any(one.failed for one in self._shown.stats.queues if one.name == queue) if self._shown else False

    def _read_job(self, job_id: str) -> None:
        assert self._find_job is not None  # noqa: S101  asked for only then
        try:
            job = self._find_job(job_id)
        except Exception as error:  # noqa: BLE001  it may have ended, or the store may be silent
            tell(self, self._warn, Verdict(error).message)
            return
        tell(self, self._show_job, job)

    def _show_job(self, job: JobSnapshot) -> None:
        assert self._find_job is not None  # noqa: S101  it was read
        doors = Doors(
            find=self._find_job,
            act=self._act_on_job if self._deeds is not None else None,
            copy_line=self.action_copy_command,
        )
        self.push_screen(JobPage(job, self._doors(doors), ascii_only=self._ascii, clock=self._clock))

    def _doors(self, doors: Doors) -> Doors:
        """What else the page of a job can reach."""
        return doors

    def action_menu(self) -> None:
        """Ask what to do with what is tagged, or under the cursor."""
        keys = [one for one in keys_for(self._panel.name, read_only=False, keys=self.keys) if one.acts and one.panels]
        if not keys or self._list.key is None:
            self._warn("nothing can be done here")
            return

        def chosen(action: str | None) -> None:
            if action is not None:
                self.call_later(self._press, action, self)

        self.push_screen(
            Choose("What should be done?", [(one.action, f"{one.shown}  {one.help}") for one in keys]), chosen
        )

    def action_copy(self) -> None:
        """Copy what is under the cursor."""
        row = self._list.row
        if row is not None:
            self.copy_to_clipboard(row.cells["id"].text if "id" in row.cells else row.key)
            self.notify("copied")

    def action_copy_command(self) -> None:
        """Copy the command of the last action."""
        if self._last_line:
            self.copy_to_clipboard(self._last_line)
            self.notify(f"copied: {fmt.printable(self._last_line)[:100]}")

    # -- everything by its name ------------------------------------------------------------------------------------

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What the palette has: lists and keys, or of a page that stands in front its own."""
        if isinstance(screen, Whole):
            yield from self._commands_of(screen.keys_here(), screen)
        else:
            for panel in self.panels:
                yield SystemCommand(
                    self._title_of(panel), f"Show {panel.title}", partial(self.action_panel, panel.name)
                )
            yield from self._commands_of(keys_for(self._panel.name, read_only=not self._may_act, keys=self.keys), self)
        yield from super().get_system_commands(screen)

    def _commands_of(self, keys: Sequence[Key], whose: DOMNode) -> Iterable[SystemCommand]:
        for key in keys:
            if key.help and _is_named(key.action):
                title = key.label or key.help.partition(",")[0][:40]
                yield SystemCommand(title, key.help, partial(self._press, key.action, whose))

    async def _press(self, action: str, whose: DOMNode) -> None:
        await self.run_action(action, default_namespace=whose)

    def _title_of(self, panel: Panel) -> str:
        """A list as the palette calls it."""
        return panel.title

    def action_theme(self) -> None:
        """Show the next theme."""
        names = sorted(self.available_themes)
        self.theme = names[(names.index(self.theme) + 1) % len(names)]
        self.notify(self.theme)

    def action_export(self, form: str) -> None:
        """Write the rows to a file, as CSV or JSON."""
        name = f"qctl-{self._panel.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}.{form}"
        table = [
            {
                column.title: row.cells[column.key].text if column.key in row.cells else ""
                for column in self._panel.columns
            }
            for row in self._list.rows
        ]
        text = _as_json(table) if form == "json" else _as_csv([one.title for one in self._panel.columns], table)
        if self.is_web:  # the file is for whoever looks on, not for the host that serves
            self.deliver_text(io.StringIO(text, newline=""), save_filename=name, mime_type=_MIME[form])
            return
        try:
            Path(name).write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            self.notify(f"{name}: {error.strerror}", severity="error")
            return
        self.notify(f"wrote {fmt.plural(len(self._list.rows), 'row')} to {name}")

    def action_help(self) -> None:
        """Show every key."""
        keys = keys_for(self._panel.name, read_only=self._deeds is None, keys=self.keys)
        self.push_screen(keys_page(keys, is_acting=self._deeds is not None))

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
            is_page = isinstance(self.screen, Whole)
            everywhere = {"command_palette", "leave", "copy_command", *(("jump",) if is_page else ())}
            return action in everywhere or action not in self._by_action
        if action in self._by_action and self.query_one("#words").display:
            return False
        key = self._by_action.get(action)
        return not (key is not None and key.acts and not self._may_act)

    @cached_property
    def _by_action(self) -> dict[str, Key]:
        return {one.action.partition("(")[0]: one for one in self.keys}


def _is_named(action: str) -> bool:
    """Whether it is found by its name: not what moves by steps, nor the palette itself."""
    return action != "command_palette" and ("(" not in action or action.startswith("export"))


def _as_csv(titles: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, titles)
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _as_json(rows: Sequence[Mapping[str, str]]) -> str:
    return json.dumps(
        [{title.lower(): text for title, text in row.items()} for row in rows], indent=1, ensure_ascii=False
    )
