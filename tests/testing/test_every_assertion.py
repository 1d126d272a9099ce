"""Every assertion that the package offers is tested where it holds and where it fails; and those of a command here."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

import pytest
import test_assertions
import test_testers

import qcore.testing
import qctl.testing
from qctl.testing import CommandResult

Check = Callable[[CommandResult], object]
RESULT = CommandResult(3, "a line\nanother", "a warning", ("Name?",))
WELL = CommandResult(0, "", "")
PRINTED = "\n-- stdout\na line\nanother\n-- stderr\na warning"

HOLDS: list[tuple[CommandResult, Check]] = [
    (RESULT, lambda r: r.assert_exit_code(3)),
    (RESULT, lambda r: r.assert_failed()),
    (WELL, lambda r: r.assert_successful()),
    (RESULT, lambda r: r.assert_output_contains("a line", "another")),
    (RESULT, lambda r: r.assert_errors_contain("warning")),
    (RESULT, lambda r: r.assert_output_lacks("warning", "others")),
]
FAILS: list[tuple[CommandResult, Check, str]] = [
    (RESULT, lambda r: r.assert_exit_code(4), f"exit code 3, not 4{PRINTED}"),
    (RESULT, lambda r: r.assert_successful(), f"exit code 3, not 0{PRINTED}"),
    (WELL, lambda r: r.assert_failed(), "exit code 0\n-- stdout\n\n-- stderr\n"),
    (RESULT, lambda r: r.assert_output_contains("a line", "x"), f"stdout lacks 'x'{PRINTED}"),
    (RESULT, lambda r: r.assert_errors_contain("x"), f"stderr lacks 'x'{PRINTED}"),
    (RESULT, lambda r: r.assert_output_lacks("x", "another"), f"stdout holds 'another'{PRINTED}"),
]


@pytest.mark.parametrize(("result", "check"), HOLDS)
def test_it_holds(result: CommandResult, check: Check) -> None:
    assert check(result) is result, "another may follow"


@pytest.mark.parametrize(("result", "check", "words"), FAILS)
def test_it_fails_and_says_what_was_printed(result: CommandResult, check: Check, words: str) -> None:
    with pytest.raises(AssertionError) as failure:
        check(result)
    assert str(failure.value) == words


def test_it_fails_without_asserts_too() -> None:
    code = "from qctl.testing import CommandResult as R; R(1, '', '').assert_successful()"
    ran = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, check=False)
    assert "AssertionError: exit code 1, not 0" in ran.stderr


def offered() -> Iterator[tuple[str, str]]:
    """Each public `assert_` name of the package's testing tools, with the class that has it, or "" for a function."""
    ours = [getattr(qcore.testing, name) for name in qcore.testing.__all__]
    ours += [one for one in vars(qctl.testing).values() if getattr(one, "__module__", "") == "qctl.testing"]
    for thing in ours:
        if inspect.isclass(thing) and not thing.__name__.startswith("_"):
            yield from ((thing.__name__, name) for name in dir(thing) if name.startswith("assert_"))
        elif getattr(thing, "__name__", "").startswith("assert_"):
            yield "", thing.__name__


HELD: dict[str, list[Any]] = {
    "QueueFake": [*test_assertions.HOLDS.values(), *test_assertions.HOLDS_OF_NOTHING.values()],
    "JobTester": [check for _, check in test_testers.HOLDS],
    "CommandResult": [check for _, check in HOLDS],
    "": test_testers.TRAVELS,
}
FAILED: dict[str, list[Any]] = {
    "QueueFake": [check for check, _ in test_assertions.FAILS.values()],
    "JobTester": [check for _, check, _ in test_testers.FAILS],
    "CommandResult": [check for _, check, _ in FAILS],
    "": [check for check, _ in test_testers.TRAVELS_NOT],
}


def uses(checks: list[Any], name: str) -> bool:
    codes: Iterator[CodeType] = (check.__code__ for check in checks)
    return any(name in code.co_names for code in codes)


@pytest.mark.parametrize(("owner", "name"), sorted(offered()))
def test_none_is_forgotten(owner: str, name: str) -> None:
    assert uses(HELD[owner], name), "nothing shows it where it holds"
    assert uses(FAILED[owner], name), "nothing shows it where it fails"


def test_all_of_them_were_found() -> None:
    found = set(offered())
    assert {owner for owner, _ in found} == set(HELD)
    assert len(found) >= 30
