"""A user's command as the command line sees it: what it takes, its help, and how it is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from typer.core import TyperArgument, TyperCommand, TyperOption

from qctl import format as fmt
from qctl.console.command import run
from qctl.context import Invocation

if TYPE_CHECKING:
    from typer._click import Context, Parameter

    from qctl.console.finding import Own
    from qctl.console.signature import Parameter as Given

_EPILOG = """\b
Exit codes:
    0  success
    1  it failed
    2  wrong usage
    6  a question had nobody to answer it
  and those of its own

Global options (--url, --app, --json, ...): qctl --help"""


class OwnLine(TyperCommand):
    """One of the user's commands, ready to be called.

    Args:
        name: as it was called.
        own: class and signature.
        run_other: runs another command from inside of it.
    """

    def __init__(self, name: str, own: Own, run_other: Callable[[Invocation, Sequence[str]], int]) -> None:
        description = fmt.printable(own.description)
        params: list[Parameter] = [_declared(one, f"own_{place}") for place, one in enumerate(own.signature.parameters)]
        super().__init__(
            name, params=params, help=description, short_help=description, epilog=_EPILOG, rich_markup_mode=None
        )
        self._own = own
        self._run_other = run_other

    def invoke(self, ctx: Context) -> int:
        """Run it with what the line gave; returns its exit code."""
        parameters = self._own.signature.parameters
        values = [_value(one, ctx.params[f"own_{place}"]) for place, one in enumerate(parameters)]
        pairs = list(zip(parameters, values, strict=True))
        arguments = {one.name: value for one, value in pairs if not one.is_option}
        options = {one.name: value for one, value in pairs if one.is_option}
        return run(self._own.kind, self.name or "", ctx.obj, (arguments, options), self._run_other)


def _declared(one: Given, dest: str) -> TyperArgument | TyperOption:
    told = fmt.printable(one.help) + _told_default(one)
    if one.is_option:
        names = [f"--{one.name}"] + ([f"-{one.letter}"] if one.letter else [])
        kind: dict[str, Any] = {"is_flag": True} if one.is_flag else {"type": str, "multiple": one.is_many}
        return TyperOption(param_decls=[dest, *names], help=told.strip(), metavar=_metavar(one), **kind)
    return TyperArgument(
        param_decls=[dest],
        type=str,
        nargs=-1 if one.is_many else 1,
        required=one.is_required,
        metavar=_metavar(one),
        help=told.strip(),
    )


def _metavar(one: Given) -> str | None:
    if one.is_flag:
        return None
    word = one.name.upper()
    if one.is_option:
        return word
    return (word if one.is_required else f"[{word}]") + "..." * one.is_many


def _told_default(one: Given) -> str:
    default = ", ".join(one.default) if isinstance(one.default, tuple) else one.default
    return f" [default: {fmt.printable(str(default))}]" if default else ""


def _value(one: Given, given: Any) -> Any:
    """What was given, or the default where nothing was."""
    if one.is_flag:
        return bool(given)
    if one.is_many:
        return list(given or one.default or ())  # type: ignore[arg-type]  # the default of many is a tuple
    return one.default if given is None else given
