"""The signature language: `queue:stats {queue?*} {--w|window=5m : How far back}` as values. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from qcore.errors import ConfigurationError

Value = str | bool | tuple[str, ...] | None
"""What a parameter may be: text, a flag, several texts, or nothing given."""

_COMMAND = re.compile(r"[A-Za-z0-9][\w.-]*(?::[\w.-]+)*", re.ASCII)
_NAME = re.compile(r"[A-Za-z][\w-]*", re.ASCII)
_LETTER = re.compile(r"[A-Za-z0-9]", re.ASCII)
_HELP = re.compile(r"\s:(?:\s|$)")
_KEPT = {"help", "app", "config", "profile"}  # by these the tool finds out which command is meant
_KEPT_LETTERS = {"h", "P"}
_COMMA = re.compile(r"\s*,\s*")


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One argument or option.

    Args:
        name: without dashes.
        is_option: given by name, not by place.
        letter: the short form of an option, or nothing.
        is_flag: an option without a value.
        is_many: may be given several times.
        is_required: an argument that has to be given.
        default: what it is when it is not given.
        help: its line in the command's help.
    """

    name: str
    is_option: bool = False
    letter: str = ""
    is_flag: bool = False
    is_many: bool = False
    is_required: bool = False
    default: Value = None
    help: str = ""


@dataclass(frozen=True)
class Signature:
    """A command's name and what it takes, in the order written."""

    name: str
    parameters: tuple[Parameter, ...] = ()

    @property
    def arguments(self) -> dict[str, Parameter]:
        """The arguments by name."""
        return {one.name: one for one in self.parameters if not one.is_option}

    @property
    def options(self) -> dict[str, Parameter]:
        """The options by name."""
        return {one.name: one for one in self.parameters if one.is_option}


def parse(text: str, owner: str) -> Signature:
    """Read a signature.

    Args:
        text: a command's name, then `{…}` for each argument and option.
        owner: the class it belongs to, for errors.

    Raises:
        ConfigurationError: it is none; names the class, the signature and the place in it.
    """
    return _Reader(text, owner).read()


class _Reader:
    """Reads one signature, and knows where it is in it."""

    def __init__(self, text: str, owner: str) -> None:
        self.text = text
        self.owner = owner

    def read(self) -> Signature:
        if not isinstance(self.text, str):  # a class attribute may be anything
            raise ConfigurationError(f"{self.owner}: its signature is {self.text!r}, and no text")
        found = _COMMAND.match(self.text, self._past_blanks(0))
        if found is None:
            self.refuse(self._past_blanks(0), "a command's name should stand here", "such as queue:stats")
        parameters: list[Parameter] = []
        for start, end in self._braces(found.end()):
            one = self._parameter(start, end)
            self._check(one, parameters, start)
            parameters.append(one)
        return Signature(found.group(), tuple(parameters))

    def refuse(self, at: int, why: str, hint: str = "") -> NoReturn:
        place = f"signature {self.text!r}, character {at + 1}"
        raise ConfigurationError(f"{self.owner}: {place}: {why}", hint=hint)

    def _past_blanks(self, at: int) -> int:
        while at < len(self.text) and self.text[at].isspace():
            at += 1
        return at

    def _braces(self, at: int) -> Iterator[tuple[int, int]]:
        """What stands between each pair of braces, by place; nothing may stand outside of them."""
        while (at := self._past_blanks(at)) < len(self.text):
            if self.text[at] != "{":
                self.refuse(at, f"{self.text[at]!r} stands outside of braces", "write {argument} or {--option}")
            end = self.text.find("}", at)
            if end < 0:
                self.refuse(at, "no } closes this {")
            if (inner := self.text.find("{", at + 1, end)) > 0:
                self.refuse(inner, "a { within braces")
            yield at + 1, end
            at = end + 1

    def _parameter(self, start: int, end: int) -> Parameter:
        found = _HELP.search(self.text, start, end)
        said = self.text[found.end() : end].strip() if found else ""
        token = self.text[start : found.start() if found else end].strip()
        at = self._past_blanks(start)
        return self._option(token[2:], said, at + 2) if token.startswith("--") else self._argument(token, said, at)

    def _argument(self, token: str, said: str, at: int) -> Parameter:
        name, equals, default = (part.strip() for part in token.partition("="))
        if equals:
            if default in {"", "*"}:
                self.refuse(at, f"the default of {name!r} is missing", f"without one write {{{name}?{default}}}")
            values = _values(default)
            return Parameter(name=self._name(name, at), is_many=isinstance(values, tuple), default=values, help=said)
        is_many = token.endswith("*")
        bare = token.removesuffix("*")
        is_required = not bare.endswith("?")
        return Parameter(
            name=self._name(bare.removesuffix("?"), at),
            is_many=is_many,
            is_required=is_required,
            default=() if is_many else None,
            help=said,
        )

    def _option(self, token: str, said: str, at: int) -> Parameter:
        names, equals, default = (part.strip() for part in token.partition("="))
        letter, bar, name = (part.strip() for part in names.partition("|"))
        if not bar:
            letter, name = "", names
        elif not _LETTER.fullmatch(letter):
            self.refuse(at, f"{letter!r} is no short form: one letter or digit", "such as {--q|queue=}")
        values: Value = _values(default) if equals else False
        return Parameter(
            name=self._name(name, at + (token.find("|") + 1)),
            is_option=True,
            letter=letter,
            is_flag=not equals,
            is_many=isinstance(values, tuple),
            default=values,
            help=said,
        )

    def _name(self, name: str, at: int) -> str:
        if not _NAME.fullmatch(name):
            hint = "a name begins with a letter and holds letters, digits, - and _"
            self.refuse(at, f"{name!r} is no name" if name else "a name is missing", hint)
        return name

    def _check(self, one: Parameter, before: list[Parameter], at: int) -> None:
        """See that a parameter gets along with those before it."""
        if one.is_option:
            if one.name in _KEPT or one.letter in _KEPT_LETTERS:
                self.refuse(at, "--help, -h, --app, --config, --profile and -P are the tool's own")
            if one.letter and one.letter in {other.letter for other in before}:
                self.refuse(at, f"a second -{one.letter}")
        elif before_it := [other for other in before if not other.is_option]:
            if before_it[-1].is_many:
                self.refuse(at, f"{before_it[-1].name!r} takes all that follows, so nothing can follow it")
            if one.is_required and not before_it[-1].is_required:
                self.refuse(at, f"{one.name!r} must be given, but {before_it[-1].name!r} before it need not be")
        if one.name in {other.name for other in before if other.is_option == one.is_option}:
            self.refuse(at, f"a second {'--' * one.is_option}{one.name}")


def _values(text: str) -> str | tuple[str, ...] | None:
    """A default: text, several after a `*`, or none."""
    if text.startswith("*"):
        return tuple(_COMMA.split(text[1:].strip())) if text[1:].strip() else ()
    return text or None
