"""What the pages of one job and of one batch, chain or graph have in common: they are read anew, beside the screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text  # noqa: TC002  it is light here
from textual.screen import Screen
from textual.widgets import Static

from qcore.errors import JobNotFound
from qctl import format as fmt
from qctl.exits import Verdict
from qctl.screens.aside import aside, tell

if TYPE_CHECKING:
    from qctl.screens.keys import Key


class Whole(Screen[None]):
    """Shows one thing whole, in front of the lists.

    Args:
        every_s: seconds between two readings.
        ascii_only: draw with ASCII alone.
        clock: tells ages.
    """

    def __init__(
        self, *, every_s: float = 1.0, ascii_only: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__()
        self._every_s, self._ascii, self._clock = every_s, ascii_only, clock
        self._trouble = ""
        self._is_reading = False
        self._drawn: dict[str, Text] = {}

    def on_mount(self) -> None:
        self._draw()
        self.reread()
        self.set_interval(self._every_s, self.reread)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def reread(self) -> None:
        """Read it anew: a slow store keeps nobody from pressing a key."""
        if not self._is_reading:
            self._is_reading = True
            aside(self._read)

    def _read(self) -> None:
        found, trouble = None, ""
        try:
            found = self._find()
        except JobNotFound:
            trouble = "it is not stored any more; this is what it was"
        except Exception as error:  # noqa: BLE001  the page stays, whatever a store does
            trouble = Verdict(error).message
        tell(self.app, self._show, found, trouble)

    def _show(self, found: Any, trouble: str) -> None:
        self._trouble, self._is_reading = trouble, False
        if found is not None:
            self._keep(found)
        if self.is_attached:
            self._draw()

    def _find(self) -> Any:
        """Read it, in a thread."""
        raise NotImplementedError

    def _keep(self, found: Any) -> None:
        """Take what was read."""
        raise NotImplementedError

    def _draw(self) -> None:
        """Draw it, as far as it changed."""
        raise NotImplementedError

    @property
    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _put(self, name: str, text: Text) -> None:
        """Draw a part, if it changed."""
        if self._drawn.get(name) != text:
            self._drawn[name] = text
            self.query_one(name, Static).update(text)

    def _with_trouble(self, title: Text) -> Text:
        """The title, and why it cannot be read anew."""
        return title.append(f"  {fmt.printable(self._trouble)}", style="bold red") if self._trouble else title

    def keys_here(self) -> Sequence[Key]:
        """Those that mean something on it now."""
        raise NotImplementedError

    def action_leave(self) -> None:
        """Go back."""
        self.dismiss(None)
