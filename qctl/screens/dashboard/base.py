"""How the dashboard is drawn: a title, tabs, what stands above a list, the list, and what stands below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rich.style import Style
from rich.text import Text
from textual.containers import Vertical
from textual.widgets import Input, Static

from qctl.screens.dashboard.keys import DASHBOARD_KEYS
from qctl.screens.dashboard.overview import WIDE, metrics_head, overview_head, staff
from qctl.screens.dashboard.pages import BELOW, PAGES, Page, page_of
from qctl.screens.dashboard.sight import RANGES, PageSource, Sight
from qctl.screens.feed import Source
from qctl.screens.grid import Grid
from qctl.screens.keys import Key
from qctl.screens.rows import MOST
from qctl.screens.top.app import TopApp
from qctl.screens.top.header import Mood, title_line
from qctl.screens.top.panel import Panel

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.screen import Screen

    from qcore.monitor.measured import MeasuredSnapshot
    from qcore.monitor.snapshots import FlowSnapshot

_LIVE_S = 1.0
"""Seconds between two looks at what happens, at the most."""


class Paged(TopApp, inherit_bindings=False):
    """Pages, of which one is seen, and that one alone is read.

    Args:
        source: gives sights.
        find_flow: reads a batch, chain or graph whole.
        page: the one to begin with.
        more: as `qctl top` takes it.
    """

    CSS_PATH = "../theme.tcss"
    TITLE = "qctl dashboard"
    panels: ClassVar[Sequence[Panel]] = tuple(panel for page in PAGES for panel in page.panels)
    keys: ClassVar[Sequence[Key]] = DASHBOARD_KEYS

    def __init__(
        self,
        source: Source,
        *,
        find_flow: Callable[[str], FlowSnapshot] | None = None,
        page: str = "overview",
        every_s: float = 5.0,
        **more: Any,
    ) -> None:
        super().__init__(source, every_s=every_s, **more)
        self._source, self._find_flow = source, find_flow
        self._seen = {page.name: page.panels[0] for page in PAGES}
        """The list that was last seen of each page."""
        self._range = "1h"
        self._every_s = every_s
        self._panel = self._seen[page]
        self._feed.view = self._panel.view

    def compose(self) -> ComposeResult:
        with Vertical(id="all"):
            yield Static(id="meters")
            yield Static(id="trouble")
            yield Static(id="tabs")
            yield Static(id="head")
            yield Static(id="views")
            yield Grid(self._panel.columns, id="list", ascii_only=self._ascii)
            yield Static(id="below-title")
            yield Grid(BELOW.columns, id="below", ascii_only=self._ascii)
            yield Static(id="about")
            yield Input(id="words", placeholder="")
            yield Static(id="keys")
        yield Static(id="small")

    @property
    def _page(self) -> Page:
        return page_of(self._panel)

    @property
    def _sight(self) -> Sight | None:
        """What was read of the page that is open; None until it was."""
        shown = self._shown
        return shown if isinstance(shown, Sight) and shown.view == self._panel.view else None

    def action_panel(self, name: str) -> None:
        """Show a list of a page, as often anew as that one moves."""
        super().action_panel(name)
        self._feed.every_s = min(self._every_s, _LIVE_S) if name == "events" else self._every_s

    def _every(self, every_s: float) -> None:
        self._every_s = every_s
        super()._every(every_s)

    def look_back(self, name: str) -> None:
        """Let charts look back over another range."""
        self._range = name
        if isinstance(self._source, PageSource):
            self._source.since_s = RANGES[name]
        self._feed.hurry()
        self._draw()

    # -- drawing -------------------------------------------------------------------------------------------------

    def _meters(self, mood: Mood) -> list[Text]:
        width, shown = self.size.width, self._shown
        who = staff(shown, width) if isinstance(shown, Sight) else None
        name = self.TITLE if width >= WIDE else "dashboard"
        return [title_line(shown, mood, width, ascii_only=self._ascii, name=name, more=who)]

    def _tabs(self, width: int) -> Text:
        text = Text()
        short = width < WIDE
        for page in PAGES:
            is_here = page is self._page
            name = page.title[:3] if short and not is_here else page.title
            style = Style.parse("bold reverse" if is_here else "none") + Style(
                meta={"@click": f"app.page('{page.name}')"}
            )
            text.append(
                f" {page.key or page.letter} {name}" if not short else f" {page.key or page.letter}{name}", style
            )
        text.truncate(width)
        return text

    def _draw_lists(self, base: Screen[Any], height: int) -> None:  # noqa: ARG002  where top has room decides
        self._draw_head(base)
        self._put("#views", self._views(self.size.width))
        self._fill(base.query_one("#list", Grid), self._panel)
        has_below = self._panel.name == "overview"
        base.query_one("#below-title").display = has_below
        base.query_one("#below").display = has_below
        if has_below:
            self._put("#below-title", Text(" Supervisors", style="bold"))
            self._orders.setdefault(BELOW.name, self._orders["supervisors"])
            self._fill(base.query_one("#below", Grid), BELOW)

    def _draw_head(self, base: Screen[Any]) -> None:
        head, view = base.query_one("#head", Static), self._panel.view
        head.display = view in {"overview", "metrics"}
        head.set_class(bool(self._trouble), "stale")
        if view == "overview":
            self._put("#head", overview_head(self._sight, self.size.width, ascii_only=self._ascii))
        elif view == "metrics":
            since_s = RANGES[self._range]
            self._put("#head", metrics_head(self._measured(), since_s, self.size.width, ascii_only=self._ascii))

    def _measured(self) -> MeasuredSnapshot | None:
        """What was measured under the name that the cursor is on, else of everything."""
        sight, key = self._sight, self._list.key
        if sight is None or sight.measured is None:
            return None
        every = sight.measured.jobs if self._panel.name == "metrics-job" else sight.measured.queues
        return next((one for one in every if one.name == key), sight.measured.totals)

    def _views(self, width: int) -> Text:
        """The lists of the page, and how the one is shown."""
        text = Text()
        for panel in self._page.panels:
            click = Style(meta={"@click": f"app.panel('{panel.name}')"})
            text.append(f" {panel.title} ", Style.parse("bold underline" if panel is self._panel else "dim") + click)
        state = [f"filter: {self._order.filter}"] if self._order.filter else []
        state += [self._tagged()] if self._list.tags else []
        state += [f"range {self._range}"] if self._panel.view == "metrics" else []
        sight = self._sight
        newest = f"the newest {MOST} that match" if sight is not None and sight.words else f"the newest {MOST}"
        state += [newest] if sight is not None and len(sight.jobs) >= MOST else []
        state += ["more happens than is looked at"] if sight is not None and sight.happenings.has_gaps else []
        right = Text("  ".join(state), style="yellow" if self._order.filter else "dim")
        text.append(" " * max(1, width - text.cell_len - right.cell_len - 1)).append_text(right)
        return text

    def _say_about(self) -> None:
        super()._say_about()
        self._draw_head(self.screen_stack[0])
