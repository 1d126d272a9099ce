"""From what went wrong to an exit code and a line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qcore import errors
from qctl import exits, output
from qctl.context import Flags, Invocation

CODES = [
    (errors.QueueError("x"), 1),
    (errors.PayloadError("x"), 1),
    (errors.PermissionDenied("x"), 1),
    (RuntimeError("x"), 1),
    (exits.WrongUsage("x"), 2),
    (errors.JobNotFound("x"), 3),
    (errors.UnknownJobClass("x"), 3),
    (exits.NotFound("x"), 3),
    (errors.ConnectionFailed("x"), 4),
    (errors.ConfigurationError("x"), 5),
    (errors.SchemaError("x"), 5),
    (exits.NotConfirmed("x"), 6),
    (errors.QueueFullError("x"), 7),
    (errors.LeaseLost("x"), 7),
    (exits.CommandFailed("x", exits.Exit.PARTIAL), 8),
    (KeyboardInterrupt(), 130),
]


@pytest.mark.parametrize(("error", "code"), CODES, ids=lambda value: type(value).__name__)
def test_each_error_has_its_code(error: BaseException, code: int) -> None:
    assert exits.exit_code_of(error) == code


def test_every_code_has_a_meaning() -> None:
    assert set(exits.MEANINGS) == set(exits.Exit)


def complained(capsys: pytest.CaptureFixture[str], error: BaseException, **flags: Any) -> tuple[int, str, str]:
    code = output.complain(Invocation(flags=Flags(**flags)), error)
    seen = capsys.readouterr()
    return code, seen.out, seen.err


def test_an_error_is_a_line_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    error = errors.ConnectionFailed("redis://x: refused\x1b[2J\nby it", hint="start it")
    assert complained(capsys, error) == (4, "", "error: redis://x: refused\\x1b[2J\\nby it\nhint: start it\n")


def test_with_json_it_is_an_object_as_well(capsys: pytest.CaptureFixture[str], schemas: Any) -> None:
    code, out, err = complained(capsys, errors.JobNotFound("no job 7"), output="json")
    schemas.check("error", json.loads(out))
    assert json.loads(out)["error"] == {"code": "not_found", "exit": 3, "message": "no job 7", "hint": ""}
    assert (code, err) == (3, "error: no job 7\n")


def test_the_unexpected_says_how_to_see_more(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = complained(capsys, KeyError("x"))
    assert (code, err) == (1, "error: unexpected KeyError: 'x'\nhint: run it again with --debug to see where\n")


def test_debug_shows_where(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError) as failed:  # noqa: PT011  any will do
        int("here")
    _, _, err = complained(capsys, failed.value, debug=True)
    assert err.startswith("Traceback (most recent call last):")
    assert err.splitlines()[-2].startswith("error: unexpected ValueError: invalid literal")


def test_an_interruption_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert complained(capsys, KeyboardInterrupt()) == (130, "", "interrupted\n")
