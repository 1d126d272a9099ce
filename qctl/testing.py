"""`CommandTester`: runs a command inside a test, answers what it asks, and keeps what it printed."""

from __future__ import annotations

import io
import shlex
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any, NamedTuple, Self

from qcore import dispatcher
from qcore.manager import QueueManager
from qctl.console.command import Command
from qctl.console.finding import commands_in, listed
from qctl.console.questions import answered_by
from qctl.context import Invocation
from qctl.main import run_inside

Answer = str | int | bool


@dataclass(frozen=True)
class CommandResult:
    """What came of a run. What it asserts raises AssertionError with all that was printed, and returns it again.

    Args:
        exit_code: it ended with, 0 to 255.
        output: what it printed on stdout.
        errors: what it printed on stderr.
        questions: what it asked, in order.
    """

    exit_code: int
    output: str
    errors: str
    questions: tuple[str, ...] = ()

    def assert_exit_code(self, code: int) -> Self:
        """Fail unless it ended with this code; returns the result, to go on."""
        return self._check(self.exit_code == code, f"exit code {self.exit_code}, not {code}")

    def assert_successful(self) -> Self:
        """Fail unless it ended with 0; returns the result, to go on."""
        return self.assert_exit_code(0)

    def assert_failed(self) -> Self:
        """Fail if it ended with 0; returns the result, to go on."""
        return self._check(self.exit_code != 0, "exit code 0")

    def assert_output_contains(self, *texts: str) -> Self:
        """Fail unless stdout holds each text; returns the result, to go on."""
        return self._assert_contains("stdout", self.output, texts)

    def assert_errors_contain(self, *texts: str) -> Self:
        """Fail unless stderr holds each text; returns the result, to go on."""
        return self._assert_contains("stderr", self.errors, texts)

    def assert_output_lacks(self, *texts: str) -> Self:
        """Fail if stdout holds one of the texts; returns the result, to go on."""
        for text in texts:
            self._check(text not in self.output, f"stdout holds {text!r}")
        return self

    def _assert_contains(self, stream: str, printed: str, texts: Sequence[str]) -> Self:
        for text in texts:
            self._check(text in printed, f"{stream} lacks {text!r}")
        return self

    def _check(self, holds: bool, words: str) -> Self:
        if not holds:  # no `assert`, which `python -O` leaves out
            raise AssertionError(f"{words}\n-- stdout\n{self.output}\n-- stderr\n{self.errors}")
        return self


class CommandTester:
    """Runs commands inside a test, without a terminal.

        result = CommandTester(Greet).run("shop:greet --loud", answers=["Ann"])
        result.assert_successful().assert_output_contains("HELLO ANN")

    A manager or fake that the test has installed stays in force; without one the configuration is read as usual.

    Args:
        commands: classes, and modules that hold some; built-in commands are there as well.

    Raises:
        ConfigurationError: a signature cannot be read, or two commands have one name.
        TypeError: one of them is neither a command class nor a module.

    Source: Laravel's `artisan()` in tests, with its `expectsQuestion`.
    """

    def __init__(self, *commands: type[Command] | ModuleType) -> None:
        kinds = [kind for one in commands for kind in _kinds_in(one)]
        self._own = listed("", kinds)
        for why in self._own.broken.values():
            raise why
        self._expected: list[_Expected] = []

    def expects_question(self, question: str, answer: Answer) -> Self:
        """Expect the next run to ask this, after what was expected so far, and answer it.

        Args:
            question: as the command puts it.
            answer: text; for a choice also its number; for a confirmation True or False. An empty one takes
                the default.
        """
        self._expected.append(_Expected(question, answer))
        return self

    def run(self, line: str | Sequence[str], answers: Sequence[Answer] = ()) -> CommandResult:
        """Run a command; returns its exit code, what it printed and what it asked.

        Args:
            line: its name, arguments and options, as typed after `qctl`, or word by word.
            answers: to the questions it will ask, in order, after those of `expects_question`.

        Raises:
            AssertionError: it asked something else or more than was expected, or less.
        """
        words = shlex.split(line) if isinstance(line, str) else list(line)
        script = _Script([*self._expected, *(_Expected(None, answer) for answer in answers)])
        self._expected = []
        call = _TestedCall()
        call.own = self._own
        with _default_kept(), _captured() as (output, errors), answered_by(script):
            try:
                code = run_inside(call, words)
            except SystemExit as end:
                code = _code_of(end)
            finally:
                call.close()
        script.check()
        return CommandResult(code, _text(output), _text(errors), tuple(script.asked))


class _Expected(NamedTuple):
    question: str | None
    """None where any will do."""
    answer: Answer


@dataclass
class _Script:
    """Answers in order, and remembers what went otherwise: a command that catches an error hides nothing."""

    left: Sequence[_Expected]
    asked: list[str] = field(default_factory=list)
    trouble: str = ""

    def __post_init__(self) -> None:
        self._left = deque(self.left)

    def __call__(self, question: str) -> str:
        self.asked.append(question)
        if not self.trouble and not self._left:
            self.trouble = f"the command asked {question!r}, and no answer was left"
        elif not self.trouble and self._left[0].question not in {None, question}:
            self.trouble = f"the command asked {question!r}, and not {self._left[0].question!r}"
        if self.trouble:
            raise AssertionError(self.trouble)
        answer = self._left.popleft().answer
        return ("yes" if answer else "no") if isinstance(answer, bool) else str(answer)

    def check(self) -> None:
        """Raise what went otherwise than expected."""
        if not self.trouble and self._left:
            names = ", ".join(repr(one.question or one.answer) for one in self._left)
            self.trouble = f"the command ended without asking for everything expected; left: {names}"
        if self.trouble:
            raise AssertionError(self.trouble)


class _TestedCall(Invocation):
    """A call that leaves in force what a test installed."""

    def prepare(self) -> None:
        if dispatcher.installed() is None:
            super().prepare()

    @cached_property
    def manager(self) -> QueueManager:
        found = dispatcher.installed()
        if isinstance(found, QueueManager):
            return found
        self._opened = self._open()
        return self._opened

    def close(self) -> None:
        if "_opened" in self.__dict__:
            self._opened.close()


@contextmanager
def _default_kept() -> Iterator[None]:
    """Leave the default of the process as it was, whatever a command configured."""
    before = dispatcher.install(None)
    dispatcher.install(before)
    try:
        yield
    finally:
        dispatcher.install(before)


@contextmanager
def _captured() -> Iterator[tuple[io.BytesIO, io.BytesIO]]:
    output, errors = io.BytesIO(), io.BytesIO()
    out = io.TextIOWrapper(output, encoding="utf-8", newline="", write_through=True)
    err = io.TextIOWrapper(errors, encoding="utf-8", newline="", write_through=True)
    with redirect_stdout(out), redirect_stderr(err):
        yield output, errors
    out.detach()  # else the buffers close with their wrappers
    err.detach()


def _text(buffer: io.BytesIO) -> str:
    return buffer.getvalue().decode("utf-8")


def _code_of(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    sys.stderr.write(f"{end.code}\n")
    return 1


def _kinds_in(one: Any) -> list[type[Command]]:
    if isinstance(one, ModuleType):
        return commands_in(one)
    if isinstance(one, type) and issubclass(one, Command):
        return [one]
    raise TypeError(f"expected a command class or a module that holds some, not {one!r}")
