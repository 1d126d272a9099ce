"""Which page next: the letters that stand for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from qctl.screens.dashboard.pages import PAGES

if TYPE_CHECKING:
    from textual.app import ComposeResult


class GoTo(ModalScreen[str | None]):
    """Shows which letter stands for which page, and waits for one."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("escape,g", "nothing", "Stay"),
        *(Binding(page.letter, f"take('{page.name}')", page.title) for page in PAGES),
    ]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Text("Go to", style="bold"), classes="dialog--title")
            for page in PAGES:
                yield Static(Text.assemble((f" {page.letter} ", "bold reverse"), f" {page.title}"))

    def action_take(self, name: str) -> None:
        """Go there."""
        self.dismiss(name)

    def action_nothing(self) -> None:
        """Stay here."""
        self.dismiss(None)
