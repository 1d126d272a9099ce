"""The example applications, importable, and where their jobs go."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from applications import EXAMPLES, Folder

from qcore.jobs.wrapping import unwrap_all


@pytest.fixture(autouse=True)
def _examples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the examples be imported, and nothing of the surroundings say where jobs go."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.chdir(tmp_path)
    for name in [one for one in os.environ if one.startswith("QCTL_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def _unwrapped() -> object:
    """Take off what an application puts around jobs."""
    yield
    unwrap_all()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder to work in, and an interpreter that knows the examples."""
    return Folder(tmp_path, Path(sys.executable).parent)
