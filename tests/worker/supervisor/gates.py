"""Jobs that a test lets go when it likes, and how a test starts a supervisor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import tree_jobs as jobs
from trees import Tree, until

Start = Callable[..., Tree]


def held(folder: Path, name: str = "held") -> str:
    """Dispatch a job that runs until `let_go`; its id."""
    return jobs.Holds.dispatch(str(folder), name)  # type: ignore[return-value]  # it is not unique


def began(folder: Path, name: str = "held") -> None:
    until((folder / f"{name}.began").exists)


def let_go(folder: Path, name: str = "held") -> None:
    (folder / f"{name}.go").touch()
