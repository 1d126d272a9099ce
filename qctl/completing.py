"""What a shell asks to be completed, in words as people type them."""

from __future__ import annotations

import os
from collections.abc import MutableMapping


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


def print_script(shell: str) -> bool:
    """Print what a shell is to read to complete `qctl`; returns whether it is one that can.

    The parser's own option prints that of the shell it was called from alone, and cron has none.
    """
    from typer._completion_shared import Shells, get_completion_script  # what is public prints one's own shell's alone

    if shell not in {one.value for one in Shells}:
        return False
    print(get_completion_script(prog_name="qctl", complete_var="_QCTL_COMPLETE", shell=shell))  # noqa: T201  its answer
    return True
