"""How a call ends: the one writer of stderr, and the one place that knows exit codes."""

from __future__ import annotations

import sys
import traceback
from enum import IntEnum
from typing import Any

from qcore import errors


class Exit(IntEnum):
    """Exit codes: a public contract."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    UNREACHABLE = 4
    CONFIGURATION = 5
    UNCONFIRMED = 6
    CONFLICT = 7
    PARTIAL = 8
    DEGRADED = 10
    CRITICAL = 11
    MEMORY = 12
    THRESHOLD = 20
    INTERRUPTED = 130


MEANINGS = {
    Exit.OK: "success; an empty list is a success",
    Exit.FAILED: "the operation failed, or it failed for some of the jobs",
    Exit.USAGE: "wrong usage",
    Exit.NOT_FOUND: "no such job, queue, class, worker or lock",
    Exit.UNREACHABLE: "the store did not answer, or refused",
    Exit.CONFIGURATION: "a setting, a file or the tables of the store are wrong",
    Exit.UNCONFIRMED: "not confirmed; nothing was changed",
    Exit.CONFLICT: "conflict: unique job, queue full, queue protected, or read-only",
    Exit.PARTIAL: "--wait ran out of time; the job goes on",
    Exit.DEGRADED: "health: something is not as it should be, and jobs still run",
    Exit.CRITICAL: "health: jobs do not run, or may be lost",
    Exit.MEMORY: "the worker reached its memory limit; start it again",
    Exit.THRESHOLD: "a threshold is passed, or --fail-if-any found some",
    Exit.INTERRUPTED: "interrupted (Ctrl-C)",
}

_CODES: dict[type[errors.QueueError], Exit] = {
    errors.ConfigurationError: Exit.CONFIGURATION,
    errors.ConnectionFailed: Exit.UNREACHABLE,
    errors.UnknownJobClass: Exit.NOT_FOUND,
    errors.JobNotFound: Exit.NOT_FOUND,
    errors.FilterError: Exit.USAGE,
    errors.QueueFullError: Exit.CONFLICT,
    errors.LeaseLost: Exit.CONFLICT,
}


class CommandFailed(errors.QueueError):
    """A command that ends badly for a reason of its own, with its own exit code.

    Args:
        message: what was wrong, in one line.
        exit_code: the code to leave with.
        hint: what to do about it, in one line.
    """

    def __init__(self, message: str, exit_code: Exit, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code
        self.code = exit_code.name.lower()


class WrongUsage(CommandFailed):
    """Arguments that make no sense together, or that say nothing readable."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, Exit.USAGE, hint=hint)


def of_parser(error: Any) -> WrongUsage:
    """What Typer complains of, in the house's own form."""
    message = error.format_message().rstrip(".")
    ctx = getattr(error, "ctx", None)
    hint = f"{ctx.command_path} --help" if ctx is not None else ""
    return WrongUsage(message[:1].lower() + message[1:], hint=hint)


class NotFound(CommandFailed):
    """A job, a queue, a class or a worker that is not there."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, Exit.NOT_FOUND, hint=hint)


class NotConfirmed(CommandFailed):
    """Something destructive that nobody confirmed; nothing was changed."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, Exit.UNCONFIRMED, hint=hint)


class Verdict:
    """What an exception means to the person at the terminal: a code, one line, and what to do.

    Args:
        error: anything that ended a call.
    """

    def __init__(self, error: BaseException) -> None:
        self.exit_code = exit_code_of(error)
        if isinstance(error, errors.QueueError):
            self.code, self.message, self.hint = error.code, error.message, error.hint
        elif isinstance(error, KeyboardInterrupt):
            self.code, self.message, self.hint = "interrupted", "interrupted", ""
        else:
            self.code, self.hint = "unexpected", "run it again with --debug to see where"
            self.message = f"unexpected {type(error).__name__}: {error}".rstrip(": ")


def exit_code_of(error: BaseException) -> Exit:
    """The exit code of an exception: its own, or that of the nearest class in the table, else 1."""
    if isinstance(error, CommandFailed):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return Exit.INTERRUPTED
    known = (code for kind in type(error).__mro__ if (code := _CODES.get(kind)) is not None)
    return next(known, Exit.FAILED)


def say(text: str) -> None:
    """Write one line to stderr; a stderr that is closed or full is nobody's loss."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except OSError:
        sys.stderr = None  # there is nowhere left to say that


def say_traceback(error: BaseException) -> None:
    """Write the whole traceback of an exception to stderr."""
    say("".join(traceback.format_exception(error)).rstrip())


def ask(question: str) -> str:
    """Put a question on stderr and read one line from stdin; the end of input is an empty answer."""
    return read(question) or ""


def read(question: str) -> str | None:
    """Put a question on stderr and read one line from stdin, without the blanks around it; None at the end of input."""
    if sys.stderr is not None:
        sys.stderr.write(question)
        sys.stderr.flush()
    line = sys.stdin.readline() if sys.stdin is not None else ""
    return line.strip() if line else None


def somebody_is_there() -> bool:
    """Whether there is a terminal to ask on."""
    streams: tuple[Any, ...] = (sys.stdin, sys.stderr)
    return all(stream is not None and stream.isatty() for stream in streams)
