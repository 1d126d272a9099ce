"""What a command may ask: on a terminal a person answers, in a test a script, elsewhere the default."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from qctl import exits
from qctl import format as fmt
from qctl.exits import NotConfirmed

if TYPE_CHECKING:
    from qctl.context import Invocation

_YES = frozenset({"y", "yes"})
_NO = frozenset({"n", "no"})


class Answers(Protocol):
    """Somebody else who answers, in place of a terminal."""

    def __call__(self, question: str) -> str:
        """Answer one question, as typed."""
        ...


_answers: ContextVar[Answers | None] = ContextVar("qctl_answers", default=None)


@contextmanager
def answered_by(answers: Answers) -> Iterator[None]:
    """Let every question of a block be answered without a terminal."""
    token = _answers.set(answers)
    try:
        yield
    finally:
        _answers.reset(token)


def ask(call: Invocation, question: str, default: str | None) -> str:
    """Ask for a line of text; an empty one is the default.

    Raises:
        NotConfirmed: there is nobody to ask, and no default.
    """
    if not _can_ask(call):
        return _default(call, question, default)
    hint = f" [{default}]" if default else ""
    return _typed(question, f"{question}{hint} ") or default or ""


def secret(call: Invocation, question: str) -> str:
    """Ask for a line of text that nobody sees.

    Raises:
        NotConfirmed: there is nobody to ask.
    """
    return _typed(question, f"{question} ", is_hidden=True) if _can_ask(call) else _default(call, question, None)


def confirm(call: Invocation, question: str, *, default: bool) -> bool:
    """Ask for yes or no; `--yes` says yes, and an empty answer or nobody there is the default."""
    if call.flags.yes:
        return True
    prompt = f"{question} [{'Y/n' if default else 'y/N'}] "
    while _can_ask(call):
        typed = _typed(question, prompt).lower()
        if not typed:
            break
        if typed in _YES | _NO:
            return typed in _YES
        exits.say("yes or no?")
    return default


def choose(call: Invocation, question: str, choices: Sequence[str], default: str | None) -> str:
    """Ask for one of several, by its text or its number in the list.

    Raises:
        NotConfirmed: there is nobody to ask, and no default.
    """
    if not _can_ask(call):
        return _default(call, question, default)
    width = len(str(len(choices)))
    exits.say(fmt.printable(question))
    for number, choice in enumerate(choices, 1):
        exits.say(f"  {number:{width}}  {fmt.printable(choice)}")
    by_number = {str(number): choice for number, choice in enumerate(choices, 1)}
    while True:
        typed = _typed(question, f"choose [{default}]: " if default is not None else "choose: ")
        if not typed and default is not None:
            return default
        if typed in choices:
            return typed
        if typed in by_number:
            return by_number[typed]
        exits.say(f"{typed!r} is none of them")


def _can_ask(call: Invocation) -> bool:
    return _answers.get() is not None or (not call.flags.no_interaction and exits.somebody_is_there())


def _default(call: Invocation, question: str, default: str | None) -> str:
    if default is not None:
        return default
    reason = "--no-interaction was given" if call.flags.no_interaction else "there is no terminal to ask on"
    raise NotConfirmed(
        f"{question!r} needs an answer, and {reason}",
        hint="run it on a terminal, or say it by an argument or option where the command takes one",
    )


def _typed(question: str, prompt: str, *, is_hidden: bool = False) -> str:
    answers = _answers.get()
    if answers is not None:
        return answers(question) if is_hidden else answers(question).strip()
    shown = fmt.printable(prompt)
    typed = _hidden(shown) if is_hidden else exits.read(shown)
    if typed is None:
        exits.say("")
        raise NotConfirmed(f"{question!r} was not answered")
    return typed


def _hidden(prompt: str) -> str | None:
    from getpass import getpass

    try:
        return getpass(prompt, stream=sys.stderr)
    except EOFError:
        return None
