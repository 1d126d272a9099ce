"""What `qctl top` is made of: what comes, and how it is drawn."""

from __future__ import annotations

import asyncio
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import App
from textual.containers import Vertical
from textual.widgets import Input, Static

from qcore.monitor.happenings import EVENTS_VIEW
from qctl import format as fmt
from qctl.screens.ending import end_without_terminal
from qctl.screens.feed import Feed, GlanceArrived, Source, SourceEnded, StoreSilent
from qctl.screens.grid import Grid
from qctl.screens.keys import KEYS, Key, footer, keys_for
from qctl.screens.rows import MOST, Row, in_order, matching
from qctl.screens.top.acting import Deeds
from qctl.screens.top.header import Mood, lines
from qctl.screens.top.panel import Look, Panel
from qctl.screens.top.panels import PANELS
from qctl.screens.trends import Trends

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.notifications import SeverityLevel
    from textual.screen import Screen

    from qcore.monitor.glance import Glance
    from qcore.monitor.snapshots import JobSnapshot

_LEAST = (60, 15)
_SLOW_S = 1.5
"""Seconds that a store may take to answer."""
_TALL = 36
"""Rows from which on the workers stand below the queues."""


class Order:
    """How one list is shown."""

    def __init__(self, panel: Panel) -> None:
        self.sort, self.falling, self.filter = panel.sort, panel.falling, ""
        self.hidden: set[str] = set()
        """Columns that are not to be seen, by their keys."""


class Base(App[None]):
    """The htop of queues.

    Args:
        source: gives looks.
        deeds: what may be done; None with a recording or --read-only.
        find_job: reads one job whole; None with a recording.
        every_s: seconds between two looks.
        ascii_only: draw with ASCII alone.
        profile: of the configuration.
        clock: tells ages; the test's own where it has one.
    """

    CSS_PATH = "../theme.tcss"
    ENABLE_COMMAND_PALETTE = True
    TITLE = "qctl top"
    panels: ClassVar[Sequence[Panel]] = PANELS
    """The lists that it shows; the first one first."""
    keys: ClassVar[Sequence[Key]] = KEYS

    def __init__(
        self,
        source: Source,
        *,
        deeds: Deeds | None = None,
        find_job: Callable[[str], JobSnapshot] | None = None,
        every_s: float = 1.0,
        ascii_only: bool = False,
        profile: str = "default",
        replayed: bool = False,
        theme: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._deeds, self._find_job, self._ascii, self._profile = deeds, find_job, ascii_only, profile
        self._feed = Feed(source, self.post_message, every_s, is_paced=replayed)
        self._clock, self._replayed, self._wanted_theme = clock, replayed, theme
        self._trends = Trends()
        self._glance: Glance | None = None
        self._shown: Glance | None = None
        self._trouble = ""
        self._again_at = 0.0
        """When a store that is silent is asked again."""
        self._is_slow = False
        self._drawn: dict[str, Text] = {}
        self._panel = self.panels[0]
        self._orders = {panel.name: Order(panel) for panel in self.panels}
        self._is_frozen = self._is_flat = self._is_folded = self._is_grouped = self._is_maximised = False
        self._follows = True
        self._tagged_beyond = 0
        """Jobs that are tagged as all that match, also those that are not shown; 0 where rows alone are."""
        self._acknowledged: set[str] = set()
        """Rows of alerts of which somebody said that they know."""
        self._found = self._last_line = ""
        self._input_for = ""
        self.crash: BaseException | None = None
        """What ended it, where it should not have ended."""

    # -- life ----------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        with Vertical(id="all"):
            yield Static(id="meters")
            yield Static(id="trouble")
            yield Static(id="tabs")
            yield Grid(self._panel.columns, id="list", ascii_only=self._ascii)
            yield Static(id="below-title")
            yield Grid(self.panels[1].columns, id="below", ascii_only=self._ascii)
            yield Static(id="about")
            yield Input(id="words", placeholder="")
            yield Static(id="keys")
        yield Static(id="small")

    def on_mount(self) -> None:
        if self._wanted_theme:
            self.theme = self._wanted_theme
        self.query_one("#words").display = False
        self.query_one("#trouble").display = False
        self._heed_signals()
        self._list.focus()
        self._draw()
        self.call_after_refresh(self._feed.start)  # what opens a store would keep the first frame waiting
        self.set_interval(1.0, self._tick)

    def _heed_signals(self) -> None:
        """Leave the terminal as it was found, also when told to end."""
        if self.is_headless or threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(one, partial(self.exit, None, 128 + one))
        leave = partial(self.exit, None, 128 + signal.SIGHUP)
        end_without_terminal(partial(loop.call_soon_threadsafe, leave))

    def _fatal_error(self) -> None:
        """End, and keep what went wrong for whoever started this: on the screen it would show values."""
        self.crash = self.crash or sys.exc_info()[1]
        self._close_messages_no_wait()

    def on_unmount(self) -> None:
        self._feed.stop()

    @property
    def _list(self) -> Grid:
        return self.query_one("#list", Grid)

    @property
    def _order(self) -> Order:
        return self._orders[self._panel.name]

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,  # noqa: ARG002  whoever asks for it: names come from a store
    ) -> None:
        """Say something, letter by letter: brackets in it are brackets."""
        words, above = fmt.printable_lines(message), fmt.printable(title)
        super().notify(words, title=above, severity=severity, timeout=timeout, markup=False)

    def _warn(self, message: str) -> None:
        self.notify(message, severity="warning")

    # -- what comes ----------------------------------------------------------------------------------------------

    def on_glance_arrived(self, message: GlanceArrived) -> None:
        self._glance, self._trouble = message.glance, ""
        self._trends.add(message.glance)
        if not self._is_frozen or self._is_unread():
            self._shown = message.glance
            self._draw()

    def _is_unread(self) -> bool:
        """Whether nothing of the list was read yet; also who stands still reads it once."""
        return self._shown is None or bool(self._panel.view and self._shown.view != self._panel.view)

    def on_store_silent(self, message: StoreSilent) -> None:
        hint = f" - {message.hint}" if message.hint else ""
        self._trouble = f"{message.reason}{hint}"
        self._again_at = self._clock() + message.again_in_s
        self._draw()

    def on_source_ended(self, _: SourceEnded) -> None:
        self.notify("the recording is over")

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def _tick(self) -> None:
        was_slow, self._is_slow = self._is_slow, self._feed.waited_s > max(_SLOW_S, self._feed.every_s)
        if self._trouble or self._is_frozen or self._is_slow or was_slow:
            self._draw_meters()

    # -- drawing -------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        if not self.screen_stack or not self.screen_stack[0].query("#small"):
            return  # it comes, or goes: its parts are not all there
        width, height = self.size.width, self.size.height
        is_small = width < _LEAST[0] or height < _LEAST[1]
        base = self.screen_stack[0]
        base.query_one("#all").display = not is_small
        small = base.query_one("#small", Static)
        small.display = is_small
        if is_small:
            small.update(f"{self.TITLE} needs {_LEAST[0]} columns and {_LEAST[1]} rows; here are {width} and {height}")
            return
        self._feed.words = self._order.filter if self._panel.view else ""
        base.query_one("#meters").display = not self._is_maximised
        self._draw_meters()
        self._put("#tabs", self._tabs(width))
        self._put("#keys", self._footer(width))
        self._draw_lists(base, height)
        self._put("#about", self._about())

    def _put(self, name: str, text: Text) -> None:
        """Draw a part, if it changed; where it has as many lines as before, nothing else moves."""
        before = self._drawn.get(name)
        if before is not None and (before, before.style) == (text, text.style):
            return
        self._drawn[name] = text
        is_as_high = before is not None and before.plain.count("\n") == text.plain.count("\n")
        may_wrap = name == "#trouble"
        self.screen_stack[0].query_one(name, Static).update(text, layout=may_wrap or not is_as_high)

    def _draw_lists(self, base: Screen[Any], height: int) -> None:
        """Fill what stands between tabs and keys."""
        self._fill(base.query_one("#list", Grid), self._panel)
        has_below = height >= _TALL and self._panel.name == "queues" and not self._is_maximised
        base.query_one("#below-title").display = has_below
        base.query_one("#below").display = has_below
        if has_below:
            self._put("#below-title", Text(" Workers", style="bold"))
            self._fill(base.query_one("#below", Grid), PANELS[1])

    def _draw_meters(self) -> None:
        base = self.screen_stack[0]
        stale_s = 0.0 if self._shown is None else max(0.0, self._clock() - self._shown.at_s)
        mood = Mood(
            every_s=self._feed.every_s,
            is_frozen=self._is_frozen,
            trouble=self._trouble,
            is_slow=self._is_slow,
            stale_s=stale_s,
            is_read_only=self._deeds is None and not self._replayed,
            replayed=self._replayed,
            profile=self._profile,
        )
        self._put("#meters", Text("\n").join(self._meters(mood)))
        base.query_one("#meters").set_class(bool(self._trouble), "stale")
        base.query_one("#trouble").display = bool(self._trouble)
        again_s = math.ceil(self._again_at - self._clock())
        again = f"asking again in {again_s} s" if again_s > 0 else "asking again"
        self._put("#trouble", Text(f" {fmt.printable(self._trouble)} ({again})" if self._trouble else ""))

    def _meters(self, mood: Mood) -> list[Text]:
        """The lines above everything."""
        return lines(self._shown, self._trends, mood, self.size.width, ascii_only=self._ascii)

    def _fill(self, grid: Grid, panel: Panel) -> None:
        order = self._orders[panel.name]
        grid.show_columns([one for one in panel.columns if one.key not in order.hidden])
        grid.mark_sorted(order.sort, falling=order.falling)
        grid.dim(bool(self._trouble))
        rows = self._rows(panel)
        is_sought = self._shown is not None and order.filter != "" and self._shown.words == order.filter
        shown = rows if is_sought else matching(rows, order.filter)
        among = "jobs" if is_sought else f"{len(rows):,}"
        grid.empty = (
            panel.empty if not (rows or is_sought) else f"0 of {among} match {order.filter!r}. Esc ends the filter"
        )
        if self._is_unread():
            grid.empty = "…"
        grid.show(in_order(shown, order.sort, falling=order.falling), follow=self._is_following(panel))

    def _is_following(self, panel: Panel) -> bool:
        """Whether the cursor stays with its row; where the newest event is looked at, it stays with the newest."""
        return self._follows and not (panel.view == EVENTS_VIEW and self._list.at == 0)

    def _rows(self, panel: Panel) -> list[Row]:
        if self._shown is None or (panel.view and self._shown.view != panel.view):
            return []
        look = Look(
            self._shown,
            self._trends,
            self._ascii,
            not self._is_flat,
            self._is_folded,
            self._is_grouped,
            frozenset(self._acknowledged),
        )
        return panel.rows(look)

    def _tabs(self, width: int) -> Text:
        state = [f"filter: {self._order.filter}"] if self._order.filter else []
        if self._list.tags:
            state.append(self._tagged())
        if self._shown is not None and self._shown.view == EVENTS_VIEW and self._shown.happenings.has_gaps:
            state.append("more happens than is looked at")
        state.append("following" if self._follows else "not following")
        right = Text("  ".join(state), style="yellow" if self._order.filter else "dim")
        text = self._titles(short=False)
        if text.cell_len + right.cell_len + 2 > width:
            text = self._titles(short=True)
        text.append(" " * max(1, width - text.cell_len - right.cell_len - 1))
        return text.append_text(right)

    def _titles(self, *, short: bool) -> Text:
        """The lists, each with its key."""
        text = Text(" ")
        for number, panel in enumerate(self.panels, 1):
            is_here = panel is self._panel
            name = panel.title[:3] if short and not is_here else panel.title
            text.append(f" {number} {name} ", style="bold reverse" if is_here else "")
        return text

    @property
    def _may_act(self) -> bool:
        """Whether something can be changed: not where a store does not answer."""
        return self._deeds is not None and not self._trouble

    def _tagged(self) -> str:
        """How many are tagged."""
        return f"{self._tagged_beyond or len(self._list.tags):,} tagged"

    def _is_partial(self) -> bool:
        """Whether there may be more jobs than the list shows."""
        shown = self._shown
        is_read = shown is not None and bool(shown.view) and shown.view == self._panel.view
        return is_read and shown is not None and (bool(shown.words) or len(shown.jobs) >= MOST)

    def _footer(self, width: int) -> Text:
        keys = keys_for(self._panel.name, read_only=not self._may_act, keys=self.keys)
        return footer(keys, width, ascii_only=self._ascii)

    def _about(self) -> Text:
        """The line below the list: what is under the cursor."""
        row = self._list.row
        if row is None or self._shown is None:
            return Text("")
        if self._panel.name == "queues":
            queue = next((one for one in self._shown.stats.queues if one.name == row.key), None)
            if queue is None:
                return Text("")
            parts = [f" {queue.name}", f"done {queue.completed:,}", f"retrying {queue.retrying:,}"]
            parts += [f"room for {queue.max_jobs:,}"] if queue.max_jobs else []
            parts += [f"paused: {queue.pause_reason}"] if queue.pause_reason else []
            return Text(fmt.printable("  ".join(parts)), style="dim", no_wrap=True, overflow="ellipsis")
        cells = [
            cell.text for key in ("error", "id", "queues") if (cell := row.cells.get(key)) is not None and cell.text
        ]
        return Text(fmt.printable(f" {'  '.join(cells)}"), style="dim", no_wrap=True, overflow="ellipsis")
