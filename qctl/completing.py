"""What a shell asks to be completed, in words as people type them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import MutableMapping, Sequence

import typer

from qctl.exits import CommandFailed, Exit, WrongUsage

_SHOW, _INSTALL = "--show-completion", "--install-completion"
_WITH_A_SHELL = 2


def words_to_complete() -> tuple[str, ...]:
    """The line that a shell wants completed, if it does."""
    return tuple((os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or "").split())


def rejoin(environ: MutableMapping[str, str]) -> str:
    """Put together what bash takes apart: to it `make:job` is three words, and only the last of them is replaced.

    Args:
        environ: where bash says what is to be completed; changed in place.

    Returns:
        What stands in front of the last colon of the word in hand, and with it; completions must be told without.
    """
    words = environ.get("COMP_WORDS", "").split()
    if environ.get("_QCTL_COMPLETE") != "complete_bash" or ":" not in words:
        return ""
    place = int(environ.get("COMP_CWORD") or 0)
    whole: list[str] = []
    glues = False
    for word in words[: place + 1]:
        is_colon = word == ":"
        if whole and (is_colon or glues):
            whole[-1] += word
        else:
            whole.append(word)
        glues = is_colon
    is_open = glues or len(words) > place
    environ["COMP_WORDS"] = "\n".join(whole)
    environ["COMP_CWORD"] = str(len(whole) - 1 if is_open else len(whole))
    in_hand = whole[-1] if is_open else ""
    return in_hand[: in_hand.rfind(":") + 1]


def complete_shell(words: Sequence[str]) -> bool:
    """Print the script of a shell that the line names, or install it; False where the line is about something else.

    The parser's own options know the shell alone that they were called from, and cron has none.

    Raises:
        WrongUsage: it names a shell that cannot be helped.
        CommandFailed: the script cannot be installed.
    """
    if len(words) < _WITH_A_SHELL or words[0] not in {_SHOW, _INSTALL} or words[1].startswith("-"):
        return False
    from typer._completion_shared import Shells, get_completion_script, install  # what is public guesses the shell

    shells = [one.value for one in Shells]
    option, shell = words[:_WITH_A_SHELL]
    if shell not in shells:
        raise WrongUsage(f"cannot complete in {shell!r}", hint=f"there are: {', '.join(shells)}")
    if option == _SHOW:
        print(get_completion_script(prog_name="qctl", complete_var="_QCTL_COMPLETE", shell=shell))  # noqa: T201  its answer
        return True
    try:
        _, path = install(shell=shell, prog_name="qctl", complete_var="_QCTL_COMPLETE")
    except (OSError, subprocess.SubprocessError, typer.Exit) as error:
        raise CommandFailed(f"cannot install what completes in {shell}: {error}", Exit.FAILED) from error
    print(f"{shell} completion installed in {path}; it begins with the next shell")  # noqa: T201  its answer
    return True
