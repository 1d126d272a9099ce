"""Pages that are looked at again and again: drawn in place on a terminal, one after the other elsewhere; and bars."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from qcore.errors import ConnectionFailed
from qctl import output

if TYPE_CHECKING:
    from qctl.context import Invocation

SHORTEST_S = 0.1
EVERY = {"--watch": "2s", "-w": "2s"}
"""What these options mean without a time: a command's `BARE`."""
T = TypeVar("T")
Read = Callable[[], tuple[output.Report, bool]]
"""Gives a report, and whether there is nothing more to come."""


class Patience:
    """Looks again and again at a store that may cease to answer: that is said once, and so is that it is over.

    Args:
        call: of the command.
        is_answered_first: the first look must succeed.
    """

    def __init__(self, call: Invocation, *, is_answered_first: bool = False) -> None:
        self._call = call
        self._is_strict = is_answered_first
        self._is_silent = False

    def look(self, read: Callable[[], T]) -> T | None:
        """What is read; None where the store does not answer."""
        try:
            found = read()
        except ConnectionFailed as failure:
            if self._is_strict:
                raise
            if not self._is_silent:
                output.note(self._call, f"warning: {failure.message}", even_quiet=True)
            self._is_silent = True
            return None
        if self._is_silent:
            output.note(self._call, "the store answers again")
        self._is_silent = self._is_strict = False
        return found


def watch(call: Invocation, every_s: float, read: Read) -> None:
    """Print a report every so many seconds, until there is nothing more to come; Ctrl-C ends it before."""
    pause_s = max(SHORTEST_S, every_s)
    if output.format_of(call) == "table" and output.is_terminal():
        _draw(call, pause_s, read)
        return
    while True:
        report, is_over = read()
        output.show(call, report)
        if is_over:
            return
        time.sleep(pause_s)


def _draw(call: Invocation, pause_s: float, read: Read) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(no_color=not output.wants_color(call))
    with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as live:
        while True:
            report, is_over = read()
            live.update(Text.from_ansi(output.page(call, report) or report.empty), refresh=True)
            if is_over:
                return
            time.sleep(pause_s)


@contextmanager
def progress(call: Invocation, words: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal while something long goes on, beside the data; `--quiet` shows none.

    Yields:
        What to tell of how much more is done.
    """
    if call.flags.quiet or sys.stderr is None or not sys.stderr.isatty():
        yield lambda _more: None
        return
    from rich.console import Console
    from rich.progress import Progress

    console = Console(file=sys.stderr, no_color=not output.wants_color(call))
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(words, total=total)
        yield lambda more: bar.advance(task, more)
