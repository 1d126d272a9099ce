"""The reference of the commands, made from the command line itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import typer

from qctl.context import Invocation
from qctl.main import ALIASES, COMMANDS, LazyGroup, app


def page() -> str:
    """A page of every command: how it is called, what it takes, what it may exit with."""
    group = cast("LazyGroup", typer.main.get_command(app))
    call = Invocation(lambda *_: None)
    call.own = None
    lines = ["# Every command and option", "", "As `qctl help COMMAND` tells them."]
    with group.make_context("qctl", ["version"], obj=call, resilient_parsing=True) as above:
        for name in COMMANDS:
            command = group.get_command(above, name)
            assert command is not None  # noqa: S101  it is in the table
            with command.make_context(name, [], parent=above, obj=call, resilient_parsing=True) as context:
                lines += ["", f"## {name}", "", *_told(name, command, context)]
    return "\n".join(lines) + "\n"


def _told(name: str, command: Any, context: Any) -> Iterator[str]:
    also = [f"`{alias}`" + _implied(meant) for alias, meant in ALIASES.items() if meant.split()[0] == name]
    if also:
        yield f"Also as {', '.join(also)}."
        yield ""
    yield "```text"
    yield command.get_help(context).rstrip()
    yield "```"


def _implied(meant: str) -> str:
    """What an alias stands for, where that is more than the command's name."""
    return f" (`{meant}`)" if " " in meant else ""
