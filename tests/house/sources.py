"""The project's own source files, read and parsed once."""

from __future__ import annotations

import ast
import sys
from functools import cached_property
from importlib import util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]


def site_module(name: str) -> ModuleType:
    """A module of docs/site, which is no package: what makes the reference tells tests what it holds."""
    spec = util.spec_from_file_location(f"site_{name}", ROOT / "docs" / "site" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
