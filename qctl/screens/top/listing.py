"""Going through the lists of `qctl top`: which one, in which order, where in it."""

from __future__ import annotations

from qctl.screens.dialogs import Choose
from qctl.screens.grid import Grid
from qctl.screens.top.base import Base

_INTERVALS_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Listing(Base):
    """The keys of lists."""

    # -- lists ---------------------------------------------------------------------------------------------------

    def _to_lists(self) -> None:
        """Leave what stands in front of the lists."""
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def action_panel(self, name: str) -> None:
        """Show another list."""
        self._to_lists()
        self._panel = next(panel for panel in self.panels if panel.name == name)
        self._feed.view = self._panel.view or self._panel.also
        self._untag()
        self._list.go_to(0)
        self._draw()
        if self._feed.view:
            self._feed.hurry()

    def action_next_panel(self) -> None:
        """Show the next list."""
        self.action_panel(self.panels[(self.panels.index(self._panel) + 1) % len(self.panels)].name)

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self._list.move(by)
        self._say_about()

    def action_move_page(self, by: int) -> None:
        """Move the cursor by a page."""
        self._list.move(by * self._list.page())
        self._say_about()

    def action_move_to(self, place: int) -> None:
        """Move the cursor to a row."""
        self._list.go_to(place)
        self._say_about()

    def _say_about(self) -> None:
        self._put("#about", self._about())

    def action_tag(self) -> None:
        """Tag the row."""
        self._tagged_beyond = 0
        self._list.tag()
        self._draw()

    def action_tag_all(self) -> None:
        """Tag every row that is shown."""
        self._tagged_beyond = 0
        self._list.tags = {row.key for row in self._list.rows}
        self._list.refresh()
        self._draw()

    def action_untag(self) -> None:
        """Take all tags away."""
        self._untag()
        self._draw()

    def _untag(self) -> None:
        self._tagged_beyond = 0
        self._list.tags.clear()
        self._list.refresh()

    def action_sort_next(self) -> None:
        """Sort by the next column."""
        self._sort_by(1)

    def action_sort_before(self) -> None:
        """Sort by the column before."""
        self._sort_by(-1)

    def _sort_by(self, step: int) -> None:
        keys = [column.key for column, _ in self._list.widths()]
        at = keys.index(self._order.sort) if self._order.sort in keys else 0
        self._order.sort = keys[(at + step) % len(keys)]
        self._draw()

    def action_invert(self) -> None:
        """Turn the order around."""
        self._order.falling = not self._order.falling
        self._draw()

    def on_grid_sorted(self, message: Grid.Sorted) -> None:
        if self._order.sort == message.key:
            self._order.falling = not self._order.falling
        self._order.sort = message.key
        self._draw()

    def action_tree(self) -> None:
        """Show workers as a tree, or one below the other."""
        self._is_flat = not self._is_flat
        self._draw()

    def action_fold(self) -> None:
        """Fold and unfold supervisors."""
        self._is_folded = not self._is_folded
        self._draw()

    def action_group(self) -> None:
        """Show one row for all that failed of one and the same trouble, or each by itself."""
        self._is_grouped = not self._is_grouped
        self._untag()
        self._draw()

    def action_columns(self) -> None:
        """Ask which column to show or hide; the first one is always seen."""
        hidden = self._order.hidden
        marks = ("+", "-") if self._ascii else ("✔", "·")
        choices = [(one.key, f"{marks[one.key in hidden]} {one.title}") for one in self._panel.columns[1:]]

        def chosen(key: str | None) -> None:
            if key is not None:
                hidden.symmetric_difference_update({key})
                self._draw()

        self.push_screen(Choose("Show or hide which column?", choices), chosen)

    def action_sideways(self, by: int) -> None:
        """Show columns further right, or back."""
        self._list.move_sideways(by)

    def action_maximise(self) -> None:
        """Give the list the whole screen, or no longer."""
        self._is_maximised = not self._is_maximised
        self._draw()

    def action_follow(self) -> None:
        """Follow the row, or stay at the place."""
        self._follows = not self._follows
        self._draw()

    def action_freeze(self) -> None:
        """Stand still, or go on."""
        self._is_frozen = not self._is_frozen
        if not self._is_frozen:
            self._shown = self._glance
        self._draw()

    def action_slower(self) -> None:
        """Look less often."""
        self._every(min((one for one in _INTERVALS_S if one > self._feed.every_s), default=_INTERVALS_S[-1]))

    def action_faster(self) -> None:
        """Look more often."""
        self._every(max((one for one in _INTERVALS_S if one < self._feed.every_s), default=_INTERVALS_S[0]))

    def _every(self, every_s: float) -> None:
        self._feed.every_s = every_s
        self._feed.hurry()
        self._draw_meters()

    async def action_back(self) -> None:
        """End the filter, else take tags away."""
        if self._order.filter:
            self._order.filter, self._tagged_beyond = "", 0
        else:
            self._untag()
        self._draw()
