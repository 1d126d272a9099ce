"""What stores answered to a line that is being typed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qctl.commands import remembered as module
from qctl.commands.remembered import remembered

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(module, "_PATIENCE_S", 10.0)
    return tmp_path / "qctl" / "completion"


def age(folder: Path, seconds: float) -> None:
    [kept] = folder.iterdir()
    os.utime(kept, (time.time() - seconds,) * 2)


def breaks() -> list[str]:
    raise OSError("gone")


def counting(asked: Path) -> Callable[[], list[str]]:
    def ask() -> list[str]:
        with asked.open("a") as file:
            file.write("x")
        return ["a", "b"]

    return ask


def test_an_answer_is_kept_for_two_seconds(folder: Path, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    assert remembered("queues", counting(asked)) == ["a", "b"]
    age(folder, 1.0 - 10.0)
    assert remembered("queues", counting(asked)) == ["a", "b"]
    assert asked.read_text() == "x"
    age(folder, 3.0)
    assert remembered("queues", counting(asked)) == ["a", "b"]
    assert asked.read_text() == "xx"


def test_each_question_has_its_answer() -> None:
    assert remembered("queues", lambda: ["a"]) == ["a"]
    assert remembered("workers", lambda: ["b"]) == ["b"]


def test_what_does_not_answer_in_time_is_there_the_next_time(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.0)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def ask() -> list[str]:
        return [fifo.read_text()]

    assert remembered("queues", ask) == []
    fifo.write_text("late")
    os.wait()
    assert remembered("queues", breaks) == ["late"]


@pytest.mark.parametrize(("seconds", "told"), [(59, ["a"]), (61, [])])
def test_an_old_answer_stands_in_for_a_minute(seconds: float, told: list[str], folder: Path) -> None:
    remembered("queues", lambda: ["a"])
    age(folder, seconds)
    assert remembered("queues", breaks) == told


def test_without_a_folder_there_is_an_answer_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    assert remembered("queues", lambda: ["a"]) == ["a"]


def test_nobody_else_may_read_it(folder: Path) -> None:
    remembered("queues", lambda: ["a"])
    [kept] = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, kept.stat().st_mode & 0o777) == (0o700, 0o600)
