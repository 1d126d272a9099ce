"""Words that are typed in `qctl top`: to filter, to find, to say how long a queue is paused."""

from __future__ import annotations

from functools import partial
from typing import Any

from textual.widgets import Input

from qctl import format as fmt
from qctl.screens.jumping import Place, place_named
from qctl.screens.top.acting import Deed
from qctl.screens.top.listing import Listing


class Wording(Listing):
    """The keys that ask for words."""

    # -- words ---------------------------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Ask for the words that rows are to hold."""
        self._ask("filter", "filter: words, a|b for either", self._order.filter)

    def action_find(self) -> None:
        """Ask for words, and go to the row that holds them."""
        self._ask("find", "find", self._found)

    def action_find_next(self) -> None:
        """Go to the next row that holds the words."""
        if self._found and not self._list.find(self._found, after=True):
            self.notify(f"no row holds {self._found!r}", severity="warning")
        self._say_about()

    def action_pause_for(self) -> None:
        """Ask how long the queue is to be paused, and why."""
        if self._deeds is not None and self._panel.name == "queues" and self._list.chosen():
            self._ask("pause", "pause for how long, and why: 10m deploy", "")

    def _ask(self, what: str, placeholder: str, value: str) -> None:
        words = self.query_one("#words", Input)
        self._input_for, words.placeholder, words.value = what, placeholder, value
        words.display = True
        words.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id != "words" or not event.input.display:
            return
        if self._input_for == "filter":
            self._order.filter, self._tagged_beyond = event.value, 0
            self._draw()
        elif self._input_for == "find":
            self._found = event.value
            if event.value:
                self._list.find(event.value, after=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id != "words":
            return
        self._end_asking()
        if self._input_for == "filter":
            self._feed.hurry()  # there may be more of them than were read
        elif self._input_for == "pause":
            self._pause_for(event.value)
        elif self._input_for == "jump" and event.value.strip():
            self._jump(event.value)

    def on_input_blurred(self, event: Input.Blurred) -> None:
        """Whoever goes elsewhere has typed enough; what was to be done with it is left."""
        if event.input.id == "words" and event.input.display and self.app_focus and not event.input.has_focus:
            self._end_asking()
            if self._input_for == "filter":
                self._feed.hurry()

    def _pause_for(self, words: str) -> None:
        length, _, reason = words.strip().partition(" ")
        try:
            for_s = fmt.parse_duration(length) if length else None
        except ValueError as error:
            self.notify(str(error), severity="error")
            return
        if self._deeds is not None:
            self._do(self._deeds.pause(self._list.chosen(), for_s, reason.strip() or None))

    # -- going somewhere by its name -------------------------------------------------------------------------------

    def action_jump(self) -> None:
        """Ask where to go."""
        self._to_lists()
        self._ask("jump", f"go to: {', '.join(self._places())}", "")

    def _jump(self, line: str) -> None:
        name, _, words = line.strip().partition(" ")
        go = place_named(self._places(), name.lower())
        if go is None:
            self.notify(f"there is no {name!r}; there are {', '.join(self._places())}", severity="warning")
        else:
            go(words.strip())

    def _places(self) -> dict[str, Place]:
        """Where `:` leads, by its name."""
        lists = {panel.name: partial(self._list_with, panel.name) for panel in self.panels}
        return {**lists, "quit": lambda _: self.exit()}

    def _list_with(self, name: str, words: str) -> None:
        """Show a list of what holds these words."""
        self._orders[name].filter = words
        self.action_panel(name)

    def on_key(self, event: Any) -> None:
        words = self.query_one("#words", Input) if len(self.screen_stack) == 1 else None
        if words is not None and words.display and event.key == "escape":
            event.stop()
            event.prevent_default()
            if self._input_for == "filter":
                self._order.filter, self._tagged_beyond = "", 0
            self._end_asking()

    def _end_asking(self) -> None:
        self.query_one("#words").display = False
        self._list.focus()
        self._draw()

    def _do(self, deed: Deed | None) -> None:
        raise NotImplementedError
