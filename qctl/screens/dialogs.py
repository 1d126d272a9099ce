"""What stands in front of a screen: questions, menus, and pages to read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from qctl import format as fmt

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from qctl.screens.keys import Key
    from qctl.screens.top.acting import Progress

_DEAF_S = 0.3
"""A question does not hear keys for so long: whoever pressed one twice meant it once."""
_LINE = 150
"""Characters of a command that are shown: it may name hundreds of jobs."""


class Confirm(ModalScreen[bool]):
    """Asks before something is done; Cancel has the focus.

    Args:
        title: the question.
        samples: a few of what it concerns.
        command: the `qctl` line that does the same.
        word: has to be typed, where one is given.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n,q", "answer(False)", "Cancel"),
        Binding("Y", "app.copy_command", show=False),
        Binding("y", "answer(True)", "Yes"),
        Binding("left,right,tab", "app.focus_next", show=False),
    ]

    def __init__(self, title: str, samples: Sequence[str] = (), command: str = "", word: str = "") -> None:
        super().__init__()
        self._title, self._samples, self._line, self._word = title, samples, command, word
        self._opened_at = time.monotonic()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Text(fmt.printable(self._title), style="bold"), classes="dialog--title")
            with VerticalScroll(classes="dialog--body", can_focus=False):
                for sample in self._samples:
                    yield Static(Text(f"  {fmt.printable(sample)}", style="dim", no_wrap=True, overflow="ellipsis"))
                if self._line:
                    yield Static(Text(f"$ {_cut(self._line)}", style="cyan"), classes="dialog--command")
            if self._word:
                yield Static(Text(f"Type {fmt.printable(self._word)} to go on:"))
                yield Input(id="word")
            with Horizontal(classes="dialog--buttons"):
                yield Button("Cancel", id="cancel", variant="default")
                yield Button("Yes", id="yes", variant="error")

    def on_mount(self) -> None:
        self.query_one("#word" if self._word else "#cancel").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.action_answer(event.button.id == "yes")

    def on_input_submitted(self) -> None:
        self.action_answer(True)

    def action_answer(self, answer: bool) -> None:
        """Give the answer, unless it comes before anybody can have read the question."""
        if answer and time.monotonic() - self._opened_at < _DEAF_S:
            return
        if answer and self._word and self.query_one("#word", Input).value.strip() != self._word:
            self.notify(f"that is not {self._word}", severity="warning")
            return
        self.dismiss(answer)


class Working(ModalScreen[None]):
    """Says how far something long is; Esc lets it stop after what it is at.

    Args:
        title: what is done.
        progress: of it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "stop", "Stop")]

    def __init__(self, title: str, progress: Progress) -> None:
        super().__init__()
        self._title, self._progress = title, progress

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Text(fmt.printable(self._title), style="bold"), classes="dialog--title")
            yield Static(id="far")

    def on_mount(self) -> None:
        self._say()
        self.set_interval(0.2, self._say)

    def _say(self) -> None:
        one = self._progress
        how = "stopping after these" if one.is_stopped else "Esc stops"
        self.query_one("#far", Static).update(Text(f"{one.done:,} of {one.total:,}; {how}"))

    def action_stop(self) -> None:
        """Let it stop."""
        self._progress.is_stopped = True
        self._say()


class Choose(ModalScreen[str | None]):
    """Asks for one of several things.

    Args:
        title: the question.
        choices: what is answered, and what is shown for it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "nothing", "Cancel")]

    def __init__(self, title: str, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._title, self._choices = title, choices
        self._opened_at = time.monotonic()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Text(fmt.printable(self._title), style="bold"), classes="dialog--title")
            yield OptionList(*(Option(shown, id=str(n)) for n, (_, shown) in enumerate(self._choices)))

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        if time.monotonic() - self._opened_at >= _DEAF_S:
            self.dismiss(self._choices[event.option_index][0])

    def action_nothing(self) -> None:
        """Choose nothing."""
        self.dismiss(None)


class Page(ModalScreen[None]):
    """Something to read, and to scroll in.

    Args:
        title: above it.
        body: the text.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark,f1,h", "leave", "Back"),
        Binding("j,down", "scroll(1)", show=False),
        Binding("k,up", "scroll(-1)", show=False),
        Binding("pagedown", "scroll(15)", show=False),
        Binding("pageup", "scroll(-15)", show=False),
    ]

    def __init__(self, title: str, body: Text) -> None:
        super().__init__()
        self._title, self._body = title, body

    def compose(self) -> ComposeResult:
        with Vertical(classes="page"):
            yield Static(Text(fmt.printable(self._title), style="bold"), classes="dialog--title")
            with VerticalScroll():
                yield Static(self._body)

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def action_leave(self) -> None:
        """Go back."""
        self.dismiss(None)

    def action_scroll(self, lines: int) -> None:
        """Scroll by so many lines."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)


def _cut(line: str) -> str:
    """A command as far as it is read; `Y` copies all of it."""
    shown = fmt.printable(line)
    return shown if len(shown) <= _LINE else f"{shown[:_LINE]}… (Y copies all of it)"


def keys_page(keys: Sequence[Key], *, is_acting: bool) -> Page:
    """A page that tells what each key does.

    Args:
        keys: those that mean something here.
        is_acting: some of them may change something.
    """
    text = Text()
    for key in keys:
        if key.help:
            text.append(f" {key.shown:>5}  ", style="bold").append(f"{key.help}\n")
    if is_acting:
        text.append("\n Each action shows the qctl command that does the same; Y copies it.\n", style="dim")
    return Page("Keys", text)
