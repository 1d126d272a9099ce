"""The project's own source files, read and parsed once."""

from __future__ import annotations

import ast
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Source:
    """One Python file."""

    def __init__(self, path: Path) -> None:
        self.path = path.relative_to(ROOT)
        self.text = path.read_text(encoding="utf-8")

    def __str__(self) -> str:
        return str(self.path)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)


FILES = [Source(path) for package in ("qcore", "qctl") for path in sorted((ROOT / package).rglob("*.py"))]
