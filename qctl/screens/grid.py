"""A table that draws what is seen of it, and of that only what changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from qctl import format as fmt
from qctl.screens.rows import Column, Row, fitted, fitting

if TYPE_CHECKING:
    from textual.events import Click, Resize

_HEAD = 1


class Grid(ScrollView, can_focus=True, inherit_bindings=False):
    """Rows under headings; the cursor stays with its row, wherever that goes.

    Args:
        columns: what it shows.
        id: of the widget.
        ascii_only: draw with ASCII alone.
    """

    COMPONENT_CLASSES = {"grid--head", "grid--cursor", "grid--tagged", "grid--dim"}  # noqa: RUF012  as Textual reads it
    DEFAULT_CSS = """
    Grid { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; background: $background; }
    Grid > .grid--head { background: $panel; color: $foreground; text-style: bold; }
    Grid > .grid--cursor { background: $secondary-muted; color: $foreground; text-style: bold; }
    Grid:focus > .grid--cursor { background: $primary; color: $text; text-style: bold; }
    Grid > .grid--tagged { color: $warning; text-style: bold; }
    Grid > .grid--dim { text-style: dim; }
    """

    class Opened(Message):
        """A row was chosen by a second click."""

    class Sorted(Message):
        """A heading was clicked."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, columns: Sequence[Column], *, id: str, ascii_only: bool = False) -> None:  # noqa: A002  Textual's
        super().__init__(id=id)
        self.columns = columns
        self.rows: list[Row] = []
        self.tags: set[str] = set()
        self.empty = ""
        """Said where there are no rows."""
        self.sort_key = ""
        self.falling = True
        self.is_stale = False
        self._ascii = ascii_only
        self._at = 0
        self._further = 0
        """Columns after the first that are passed over, for those further right."""
        self._said = ""
        """What was last said in place of rows."""

    # -- what it shows -------------------------------------------------------------------------------------------

    def show(self, rows: Sequence[Row], *, follow: bool = True) -> None:
        """Show these rows; lines that look as before are not drawn again."""
        before, key = self.rows, self.key
        self.rows = list(rows)
        place = next((n for n, row in enumerate(self.rows) if row.key == key), None) if follow else None
        was_at, self._at = self._at, self._within(self._at if place is None else place)
        was_seen = was_at in self._seen()
        self.tags &= {row.key for row in self.rows}
        self.virtual_size = Size(self.size.width, len(self.rows) + _HEAD)
        if was_seen:  # whoever scrolled away from it looks at something else
            self._let_see()
        was_said, self._said = self._said, "" if self.rows else self.empty
        if not before or not self.rows:
            if before or self.rows or was_said != self._said:
                self.refresh()
            return
        changed = {n for n, (old, new) in enumerate(zip(before, self.rows, strict=False)) if old != new}
        changed |= set(range(min(len(before), len(self.rows)), max(len(before), len(self.rows))))
        if was_at != self._at:
            changed |= {was_at, self._at}
        self._draw(changed)

    def show_columns(self, columns: Sequence[Column]) -> None:
        """Show other columns."""
        if columns != self.columns:
            self.columns, self._further = columns, 0
            self.refresh()

    def widths(self) -> list[tuple[Column, int]]:
        """The columns that have room, with the width of each."""
        return fitted([*self.columns[:1], *self.columns[1 + self._further :]], self.size.width - 1)

    def move_sideways(self, by: int) -> None:
        """Show columns further right, or back; the first one stays, and the last one can be seen."""
        is_end = by > 0 and self.columns[-1] in [column for column, _ in self.widths()]
        self._further = max(0, self._further + (0 if is_end else by))
        self.refresh()

    def dim(self, is_stale: bool) -> None:
        """Show that what is shown is old."""
        if is_stale != self.is_stale:
            self.is_stale = is_stale
            self.refresh()

    def mark_sorted(self, key: str, *, falling: bool) -> None:
        """Say by which column the rows are in order."""
        if (key, falling) != (self.sort_key, self.falling):
            self.sort_key, self.falling = key, falling
            self.refresh()

    # -- the cursor ----------------------------------------------------------------------------------------------

    @property
    def at(self) -> int:
        """The place of the cursor, from 0."""
        return self._at

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self.rows[self._at] if self.rows else None

    @property
    def key(self) -> str | None:
        """The key of the row under the cursor."""
        return self.row.key if self.row is not None else None

    def chosen(self) -> list[str]:
        """The keys of the tagged rows, in their order; else of the one under the cursor."""
        tagged = [row.key for row in self.rows if row.key in self.tags]
        return tagged or [self.key] if self.key is not None else tagged

    def move(self, by: int) -> None:
        """Move the cursor by so many rows."""
        self.go_to(self._at + by)

    def go_to(self, place: int) -> None:
        """Move the cursor to a row, and let that be seen."""
        was_at, self._at = self._at, self._within(place)
        if was_at == self._at:
            return
        self._draw({was_at, self._at})
        self._let_see()

    def _let_see(self) -> None:
        """Scroll, if need be, to the row under the cursor."""
        seen = self._seen()
        if self._at < seen.start:
            self.scroll_to(y=self._at, animate=False)
        elif self._at >= seen.stop:
            self.scroll_to(y=self._at - len(seen) + 1, animate=False)

    def _seen(self) -> range:
        """The places that are seen."""
        first = round(self.scroll_y)
        return range(first, first + max(1, self.size.height - _HEAD))

    def page(self) -> int:
        """Rows on one page."""
        return max(1, self.size.height - _HEAD - 1)

    def tag(self) -> None:
        """Tag the row under the cursor, or take its tag away, and go on to the next."""
        if self.key is not None:
            self.tags ^= {self.key}
            self._draw({self._at})
            self.move(1)

    def find(self, words: str, *, after: bool) -> bool:
        """Move to the next row that holds these words, hiding none; whether there is one."""
        order = [*range(self._at + after, len(self.rows)), *range(self._at + after)]
        place = next((n for n in order if words.lower() in self.rows[n].text().lower()), None)
        if place is not None:
            self.go_to(place)
        return place is not None

    def _within(self, place: int) -> int:
        return max(0, min(place, len(self.rows) - 1))

    # -- drawing -------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """Draw one line of what is seen."""
        width = self.size.width
        widths = self.widths()
        if y == 0:
            return self._head(widths, width)
        place = round(self.scroll_y) + y - _HEAD
        if not self.rows:
            text = f" {self.empty}" if y == 2 and self.empty else ""
            return Strip(
                [
                    Segment(
                        fitting(text, width, right=False, ascii_only=True),
                        self.get_component_rich_style("grid--dim") + self.rich_style,
                    )
                ]
            )
        if place >= len(self.rows):
            return Strip.blank(width, self.rich_style)
        return self._line(place, widths, width)

    def _head(self, widths: Sequence[tuple[Column, int]], width: int) -> Strip:
        mark = ("v" if self.falling else "^") if self._ascii else ("▼" if self.falling else "▲")
        parts = []
        for column, wide in widths:
            title = column.title + (mark if column.key == self.sort_key else "")
            parts.append(fitting(title, wide, right=column.right, ascii_only=True))
        style = self.get_component_rich_style("grid--head")
        return Strip([Segment(f" {' '.join(parts)}"[:width].ljust(width), style)])

    def _line(self, place: int, widths: Sequence[tuple[Column, int]], width: int) -> Strip:
        row = self.rows[place]
        is_here = place == self._at
        base = self.get_component_rich_style("grid--cursor") if is_here else self.rich_style
        if self.is_stale:
            base += self.get_component_rich_style("grid--dim", partial=True)
        is_tagged = row.key in self.tags
        mark = "*" if is_tagged else " "
        segments = [
            Segment(mark, base + self.get_component_rich_style("grid--tagged", partial=True) if is_tagged else base)
        ]
        used = 1
        for number, (column, wide) in enumerate(widths):
            cell = row.cells.get(column.key)
            text = ("  " * row.depth if number == 0 else "") + (fmt.printable(cell.text) if cell is not None else "")
            text = fitting(text, wide, right=column.right, ascii_only=self._ascii)
            style = base if is_here else base + Style.parse((cell.style if cell else "") or row.style or "none")
            segments.append(Segment(text + " ", style))
            used += wide + 1
        return Strip(segments, used).adjust_cell_length(width, base)

    def _draw(self, places: set[int]) -> None:
        seen = self._seen()
        for place in places:
            if place in seen:
                self.refresh(Region(0, place - seen.start + _HEAD, self.size.width, 1))

    # -- what is done to it --------------------------------------------------------------------------------------

    def on_resize(self, _: Resize) -> None:
        self.virtual_size = Size(self.size.width, len(self.rows) + _HEAD)
        self.refresh()

    def on_click(self, event: Click) -> None:
        if event.y == 0:
            self._sort_at(event.x - 1)
            return
        place = round(self.scroll_y) + event.y - _HEAD
        if place < len(self.rows):
            if place == self._at and event.chain > 1:
                self.post_message(self.Opened())
            self.go_to(place)

    def _sort_at(self, x: int) -> None:
        for column, wide in self.widths():
            if 0 <= x < wide:
                self.post_message(self.Sorted(column.key))
                return
            x -= wide + 1
