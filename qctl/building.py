"""How a command is built at the moment it is called: a built-in one from its module, a user's from its class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import typer
from typer.core import TyperCommand

from qctl import exits
from qctl.context import Invocation

if TYPE_CHECKING:
    from typer._click import Context

    from qctl.console.finding import Own


def built_in(name: str, module_name: str, help_line: str) -> TyperCommand:
    """Build the command whose `run` a module in `qctl.commands` has."""
    module = import_module(f"qctl.commands.{module_name}")
    face = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    face.command(name, cls=_Command, epilog=_epilog(module.EXAMPLES, module.EXITS), short_help=help_line)(module.run)
    command = cast("_Command", typer.main.get_command(face))
    command.bare = getattr(module, "BARE", {})
    return command


def own(name: str, found: Own, run_other: Callable[[Invocation, Sequence[str]], int]) -> TyperCommand:
    """Build a user's command, which runs others by the function given."""
    from qctl.console.line import OwnLine

    return OwnLine(name, found, run_other)


def _epilog(examples: Sequence[str], codes: Sequence[exits.Exit]) -> str:
    """The end of a command's help: examples, exit codes, and where the global options are."""
    lines = ["\b", "Examples:", *(f"  {example}" for example in examples), "", "\b", "Exit codes:"]
    lines += [f"  {int(code):3d}  {exits.MEANINGS[code]}" for code in (exits.Exit.OK, *codes)]
    return "\n".join([*lines, "", "Global options (--url, --app, --json, ...): qctl --help"])


class _Command(TyperCommand):
    """A command of which some options may stand alone, without their value."""

    bare: Mapping[str, str]
    """What such an option means then; the command's module says it as `BARE`."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Give an option that stands alone its value."""
        filled = []
        for word, following in pairwise([*args, "-"]):
            filled += [word, self.bare[word]] if word in self.bare and following.startswith("-") else [word]
        return super().parse_args(ctx, filled)
