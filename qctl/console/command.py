"""`Command`: what users derive their own commands from."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from qcore.errors import ConfigurationError
from qctl import exits, live, output
from qctl import format as fmt
from qctl.console import questions

if TYPE_CHECKING:
    from qctl.context import Invocation

T = TypeVar("T")
R = TypeVar("R")
_GREEN, _YELLOW, _RED = 32, 33, 31
_HIGHEST_CODE = 255


class Command:
    """A command of your own: `qctl` finds it in the module that `--app` names.

    class Greet(Command):
        signature = "shop:greet {name} {--loud : In capitals}"
        description = "Greet a customer"

        def handle(self) -> None:
            name = self.argument("name")
            self.info(f"Hello {name.upper() if self.option('loud') else name}")
    """

    signature: ClassVar[str] = ""
    """The command's name, then its arguments and options in braces; a class without one is no command."""
    description: ClassVar[str] = ""
    """Its line in `qctl --help`, and the beginning of its own help."""

    _call: Invocation
    _arguments: Mapping[str, Any]
    _options: Mapping[str, Any]
    _name: str
    _run_other: Callable[[Invocation, Sequence[str]], int]

    def handle(self) -> int | None:
        """Do what the command is for.

        What it raises ends the command: a QueueError as it would end a built-in one, anything else in one line with
        exit code 1.

        Returns:
            The exit code, 0 to 255; None is 0. Anything else raises ConfigurationError.

        Raises:
            NotImplementedError: the class defines none.
        """
        raise NotImplementedError(f"{type(self).__qualname__} has no handle()")

    # -- what was given ------------------------------------------------------------------------------------------

    def argument(self, name: str) -> Any:
        """An argument: text, a list of texts for `{name*}`, or None where it was not given.

        Raises:
            ConfigurationError: the signature has no argument of that name.
        """
        return self._given(self._arguments, "argument", name)

    def option(self, name: str) -> Any:
        """An option: True or False for `{--flag}`, else text, a list of texts for `{--name=*}`, or None.

        Raises:
            ConfigurationError: the signature has no option of that name.
        """
        return self._given(self._options, "option", name)

    def arguments(self) -> dict[str, Any]:
        """Every argument by name."""
        return dict(self._arguments)

    def options(self) -> dict[str, Any]:
        """Every option of the signature by name."""
        return dict(self._options)

    def _given(self, given: Mapping[str, Any], kind: str, name: str) -> Any:
        if name not in given:
            known = ", ".join(given) or "none"
            raise ConfigurationError(
                f"{type(self).__qualname__}: no {kind} {name!r} in signature {self.signature!r}",
                hint=f"{kind}s there: {known}",
            )
        return given[name]

    # -- what is said --------------------------------------------------------------------------------------------

    def line(self, text: object = "") -> None:
        """Print a line on stdout, whatever flags were given."""
        output.write(_lines(text) + "\n")

    def info(self, text: object) -> None:
        """Tell how it goes, on stdout; `--quiet` silences it, and beside `--json` and its like it is on stderr."""
        if self._call.flags.quiet:
            return
        if self._is_for_programs:
            exits.say(self._painted(text, _GREEN, sys.stderr))
        else:
            output.write(self._painted(text, _GREEN, sys.stdout) + "\n")

    def warn(self, text: object) -> None:
        """Print a warning on stderr."""
        exits.say(self._painted(text, _YELLOW, sys.stderr))

    def error(self, text: object) -> None:
        """Print what went wrong on stderr; the exit code is what `handle` returns."""
        exits.say(self._painted(text, _RED, sys.stderr))

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Print a table on a terminal, tab-separated lines elsewhere, and what `--output` says if it is given.

        Raises:
            ConfigurationError: two headings are the same, or a row has fewer or more cells than there are headings.
        """
        titles = [str(header) for header in headers]
        items = [self._item(titles, list(row)) for row in rows]
        if len(set(titles)) < len(titles):
            raise ConfigurationError(f"{type(self).__qualname__}: table() was given a heading twice: {titles}")
        report = output.Report(
            schema="qctl.table/1",
            data={"command": self._name, "rows": items},
            items=items,
            item_schema="qctl.table.row/1",
            columns=[_column(title, items) for title in titles],
            name=titles[0] if titles else "",
        )
        output.show(self._call, report)

    def _item(self, titles: Sequence[str], cells: Sequence[Any]) -> dict[str, Any]:
        if len(cells) != len(titles):
            where = f"{type(self).__qualname__}: table() has {len(titles)} headings"
            raise ConfigurationError(f"{where}, and a row of {len(cells)} cells: {cells!r}")
        return dict(zip(titles, cells, strict=True))

    def with_progress_bar(self, items: Iterable[T], callback: Callable[[T], R]) -> list[R]:
        """Call a function for each item, with a bar on stderr where that is a terminal; returns what it returned.

        Args:
            items: any iterable; without a length the bar tells how many were done.
            callback: given each item; what it raises ends the loop, and is raised.
        """
        total = len(items) if isinstance(items, Sized) else None
        results = []
        with live.progress(self._call, self._name, total) as advance:
            for item in items:
                results.append(callback(item))
                advance(1)
        return results

    @property
    def _is_for_programs(self) -> bool:
        flags = self._call.flags
        return flags.format is not None or flags.output not in {None, "table", "plain"}

    def _painted(self, text: object, color: int, stream: Any) -> str:
        words = _lines(text)
        if not output.wants_color(self._call, is_watched=stream is not None and stream.isatty()):
            return words
        return "\n".join(f"\x1b[{color}m{line}\x1b[0m" if line else line for line in words.split("\n"))

    # -- what is asked -------------------------------------------------------------------------------------------

    def ask(self, question: str, default: str | None = None) -> str:
        """Ask for a line of text; returns it, or for an empty answer the default.

        Raises:
            NotConfirmed: there is nobody to ask and no default; exit code 6.
        """
        return questions.ask(self._call, question, default)

    def confirm(self, question: str, default: bool = False) -> bool:
        """Ask for yes or no, until one of them is typed; `--yes` says yes.

        Args:
            question: without its `[y/N]`.
            default: of an empty answer, and where there is nobody to ask.

        Returns:
            Whether the answer was yes.

        Raises:
            NotConfirmed: the input ended in the midst of it; exit code 6.
        """
        return questions.confirm(self._call, question, default=default)

    def choice(self, question: str, choices: Sequence[str], default: str | None = None) -> str:
        """Ask for one of several, by its text or its number; returns its text. An empty answer is the default.

        Raises:
            NotConfirmed: there is nobody to ask and no default; exit code 6.
            ConfigurationError: there are no choices, or the default is none of them.
        """
        if not choices or (default is not None and default not in choices):
            raise ConfigurationError(
                f"{type(self).__qualname__}: choice({question!r}): "
                + (f"the default {default!r} is none of {list(choices)}" if choices else "there is nothing to choose")
            )
        return questions.choose(self._call, question, choices, default)

    def secret(self, question: str) -> str:
        """Ask for a line of text that is not shown while it is typed; returns it.

        Raises:
            NotConfirmed: there is nobody to ask; exit code 6.
        """
        return questions.secret(self._call, question)

    # -- what else is run ----------------------------------------------------------------------------------------

    def call(self, name: str, *words: object) -> int:
        """Run another command with the flags of this one; returns its exit code, also where it failed.

        Inside a command that took the name of a built-in one, that name means the built-in one.

        Args:
            name: of a command, built in or yours.
            words: its arguments and options: `self.call("clear", "emails", "--yes")`.
        """
        return self._run_other(self._call, [name, *map(str, words)])


def run(
    kind: type[Command],
    name: str,
    call: Invocation,
    given: tuple[Mapping[str, Any], Mapping[str, Any]],
    run_other: Callable[[Invocation, Sequence[str]], int],
) -> int:
    """Build a command, run it, and return its exit code.

    Raises:
        ConfigurationError: `handle` returned something else than None or an exit code.
    """
    command = kind()
    command._call, command._name = call, name  # noqa: SLF001  the other half of the class
    command._arguments, command._options = given  # noqa: SLF001  as above
    command._run_other = run_other  # noqa: SLF001  as above
    call.prepare()
    code: Any = command.handle()
    if code is None:
        return 0
    if isinstance(code, bool) or not isinstance(code, int) or not 0 <= code <= _HIGHEST_CODE:
        raise ConfigurationError(
            f"{kind.__qualname__}: handle() returned {code!r}", hint="return None, or an exit code from 0 to 255"
        )
    return int(code)


def _lines(text: object) -> str:
    return fmt.printable_lines(str(text))


def _column(title: str, items: Sequence[Mapping[str, Any]]) -> output.Column:
    values = [item[title] for item in items if item[title] is not None]
    is_number = bool(values) and all(isinstance(one, int | float) and not isinstance(one, bool) for one in values)
    return output.Column(fmt.printable(title), title, right=is_number)
