"""Every key of `qctl top`, once: the footer and the help read it here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.text import Text
from textual.binding import Binding


class Key(NamedTuple):
    """One key.

    Args:
        keys: as Textual names them, the first is shown.
        shown: in the footer and the help.
        label: in the footer; empty where it has no room there.
        action: of the app.
        help: what it does.
        panels: in which lists it means something; all if empty.
        acts: it changes something, and is not there with --read-only.
    """

    keys: str
    shown: str
    label: str
    action: str
    help: str
    panels: tuple[str, ...] = ()
    acts: bool = False


_JOBS = ("running", "failed", "delayed")
KEYS = (
    Key("1", "1-6", "", "panel('queues')", "Queues, Workers, Running, Failed, Delayed, Events"),
    Key("2", "", "", "panel('workers')", ""),
    Key("3", "", "", "panel('running')", ""),
    Key("4", "", "", "panel('failed')", ""),
    Key("5", "", "", "panel('delayed')", ""),
    Key("6", "", "", "panel('events')", ""),
    Key("tab", "Tab", "", "next_panel", "The next list"),
    Key("j,down", "j k", "", "move(1)", "Down and up, as the arrows do; PgUp, PgDn, Home, End"),
    Key("k,up", "", "", "move(-1)", ""),
    Key("pagedown", "", "", "move_page(1)", ""),
    Key("pageup", "", "", "move_page(-1)", ""),
    Key("home", "", "", "move_to(0)", ""),
    Key("end", "", "", "move_to(1000000)", ""),
    Key("escape", "Esc", "", "back", "End the filter, take tags away"),
    Key("question_mark,f1", "?", "Help", "help", "Show or hide this help"),
    Key(
        "slash,f4,backslash",
        "/",
        "Filter",
        "filter",
        "Show the rows that hold these words; a|b means either. Esc ends it",
    ),
    Key("f,f3", "f", "Find", "find", "Find the next row that holds these words, hiding none"),
    Key("n", "n", "", "find_next", "Find the next one"),
    Key("s,greater_than_sign,f6", "s", "Sort", "sort_next", "Sort by the next column"),
    Key("less_than_sign", "<", "", "sort_before", "Sort by the column before"),
    Key("I", "I", "", "invert", "Turn the order around"),
    Key("space", "␣", "Tag", "tag", "Tag the row, for an action on several"),
    Key("A", "A", "", "tag_all", "Tag all that match, also those that are not shown"),
    Key("U", "U", "", "untag", "Take all tags away"),
    Key("p", "p", "Pause", "pause", "Pause the queue or worker, or let it go on", ("queues", "workers"), acts=True),
    Key("P", "P", "", "pause_for", "Pause the queue for a time, with a reason", ("queues",), acts=True),
    Key(
        "R",
        "R",
        "Retry",
        "retry_all",
        "Put back every failed job of the queue, or all that match",
        ("queues", "failed"),
        acts=True,
    ),
    Key("r", "r", "Retry", "retry", "Put the failed job back", ("failed",), acts=True),
    Key("D", "D", "Drop", "forget", "Drop the failed job; qctl restore undoes it for a day", ("failed",), acts=True),
    Key("X", "X", "Clear", "clear", "Drop the waiting jobs of the queue", ("queues",), acts=True),
    Key(
        "K,f9", "K", "Stop", "kill", "Stop: a worker (asked how), a job", ("workers", *_JOBS[:1], "delayed"), acts=True
    ),
    Key("f8", "F8", "", "scale(1)", "Let the supervisor have a process more", ("workers",), acts=True),
    Key("f7", "F7", "", "scale(-1)", "Let the supervisor have a process less", ("workers",), acts=True),
    Key(
        "i", "i", "", "stack", "Show where the code of the worker is at this moment", ("workers", "running"), acts=True
    ),
    Key("L", "L", "", "happened", "Show what happened to the jobs of the worker (list 6)", ("workers",)),
    Key("x", "x", "Known", "acknowledge", "Say that one knows of the alert: it stays at its time", ("events",)),
    Key("t,f5", "t", "Tree", "tree", "Workers as a tree, or one below the other", ("workers",)),
    Key("o", "o", "", "fold", "Fold and unfold supervisors", ("workers",)),
    Key("v", "v", "Group", "group", "One row for all that failed of one and the same trouble", ("failed",)),
    Key("C", "C", "", "columns", "Show or hide a column"),
    Key("right", "← →", "", "sideways(1)", "To columns further right, and back"),
    Key("left", "", "", "sideways(-1)", ""),
    Key("enter", "⏎", "Open", "open", "Open: the jobs of a queue, a job"),
    Key("b", "b", "Menu", "menu", "A menu of what can be done with what is tagged, or under the cursor", acts=True),
    Key("F", "F", "", "follow", "Follow the row, or stay at the place"),
    Key("z,Z", "z", "Freeze", "freeze", "Stand still; what comes is kept meanwhile"),
    Key("plus,equals_sign", "+", "", "slower", "Look less often"),
    Key("minus", "-", "", "faster", "Look more often"),
    Key("y", "y", "", "copy", "Copy the id"),
    Key("Y", "Y", "", "copy_command", "Copy the qctl command of the last action"),
    Key("T", "T", "", "theme", "The next theme"),
    Key("e", "e", "", "export('csv')", "Write the rows to a CSV file"),
    Key("E", "E", "", "export('json')", "Write the rows to a JSON file"),
    Key("m", "m", "", "maximise", "Give the list the whole screen, or no longer"),
    Key("colon", ":", "Go", "jump", "Go to a list, a queue or a job by its name, such as :failed smtp or :queue mail"),
    Key("ctrl+p", "^P", "", "command_palette", "Everything by its name"),
    Key("q,f10", "q", "Quit", "leave", "Quit; Ctrl-Q does wherever one is"),
)
"""In the order of the footer and the help."""

JOB_KEYS = (
    Key("tab,right_square_bracket,right", "]", "Next", "next_part(1)", "The next part of the page"),
    Key("shift+tab,left_square_bracket,left", "[", "", "next_part(-1)", "The part before"),
    *(
        Key(str(n), "1-6" if n == 1 else "", "", f"part({n})", "To a part, by its digit" * (n == 1))
        for n in range(1, 7)
    ),
    Key("j,down", "j k", "", "scroll(1)", "Down and up, as the arrows do; PgUp, PgDn, Home, End"),
    Key("k,up", "", "", "scroll(-1)", ""),
    Key("pagedown,space", "", "", "scroll(15)", ""),
    Key("pageup", "", "", "scroll(-15)", ""),
    Key("home", "", "", "scroll(-1000000)", ""),
    Key("end", "", "", "scroll(1000000)", ""),
    Key("b", "b", "Batch", "flow", "Open the batch, chain or graph that it belongs to"),
    Key("r", "r", "Retry", "retry", "Put the failed job back"),
    Key("K,f9", "K", "Cancel", "kill", "Let the job not run, or stop running"),
    Key("D", "D", "Drop", "forget", "Drop the failed job; qctl restore undoes it for a day"),
    Key("y", "y", "Copy", "copy", "Copy the id"),
    Key("Y", "Y", "", "copy_command", "Copy the qctl command of the last action"),
    Key("question_mark,f1", "?", "Help", "help", "Show or hide this help"),
    Key("escape,q,f10", "Esc", "Back", "leave", "Back to the list"),
)
"""Of one job's page."""
FLOW_KEYS = (
    *(key for key in KEYS if key.action.partition("(")[0] in {"move", "move_page", "move_to"}),
    Key("enter", "⏎", "Open", "open", "Open the step, or the job that failed"),
    Key("b", "b", "Above", "parent", "Open the batch or chain that it is part of"),
    Key("r", "r", "Retry", "retry", "Let it go on from what failed"),
    Key("K,f9", "K", "Cancel", "kill", "Let nothing of it begin any more"),
    *(key for key in JOB_KEYS if key.action in {"copy_command", "help", "leave"}),
    Key("y", "y", "Copy", "copy", "Copy the id"),
)
"""Of the page of one batch, chain or graph."""
STACK_KEYS = (
    *(key for key in JOB_KEYS if key.action.partition("(")[0] == "scroll"),
    Key("i,r", "i", "Again", "ask", "Ask the worker again"),
    Key("y", "y", "Copy", "copy", "Copy what it told"),
    *(key for key in JOB_KEYS if key.action in {"copy_command", "help", "leave"}),
)
"""Of the page of a worker's stacks."""


def keys_for(panel: str, *, read_only: bool, keys: Sequence[Key] = KEYS) -> list[Key]:
    """Those that mean something in a list."""
    return [one for one in keys if (not one.panels or panel in one.panels) and not (one.acts and read_only)]


INTERRUPT = Binding("ctrl+c", "interrupt", "Interrupt", show=False, priority=True)
"""Wherever somebody is, also where they type, and where it would copy."""
QUIT = Binding("ctrl+q", "quit", "Quit", show=False, priority=True)
"""Wherever somebody is, as well."""


def bindings_of(keys: Sequence[Key]) -> list[Any]:
    """The keys as Textual wants them."""
    return [
        Binding(
            key, one.action, one.help or one.shown, show=False, priority=key == "tab" and one.action == "next_panel"
        )
        for one in keys
        for key in one.keys.split(",")
    ]


def footer(keys: Sequence[Key], width: int, *, ascii_only: bool) -> Text:
    """The line of keys at the foot, as many as have room."""
    text = Text(" ")
    for key in (one for one in keys if one.label):
        shown = key.shown if not ascii_only or key.shown.isascii() else key.keys
        piece = Text.assemble((shown, "bold reverse"), f"{key.label} ")
        if text.cell_len + piece.cell_len > width:
            break
        text.append_text(piece)
    return text
