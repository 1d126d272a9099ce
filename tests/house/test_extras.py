"""Whatever the sources import is installed with the package, or with one of its extras."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions

from sources import FILES, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WITH_ANOTHER = {"anyio": "starlette", "click": "flask", "hiredis": "redis"}
"""Distributions that come with one that is named."""


def imported() -> Iterator[str]:
    """The top-level modules that anything imports, at its head or within a function."""
    for source in FILES:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Import):
                yield from (name.name.partition(".")[0] for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


def named(requirements: list[str]) -> set[str]:
    """The distributions that requirements name."""
    return {re.split(r"[^\w.-]", one, maxsplit=1)[0].lower() for one in requirements}


def test_whatever_is_imported_is_asked_for() -> None:
    extras = PROJECT["optional-dependencies"].values()
    asked = named([*PROJECT["dependencies"], *(one for extra in extras for one in extra)])
    others = set(imported()) - {"qcore", "qctl"} - sys.stdlib_module_names
    providers = packages_distributions()
    unknown = {
        module
        for module in others
        if not {WITH_ANOTHER.get(one, one).lower().replace("_", "-") for one in providers.get(module, [module])} & asked
    }
    assert unknown == set()
    assert len(others) > 10


def test_the_tools_of_development_hold_what_is_tested_with_others() -> None:
    dev = PROJECT["optional-dependencies"]["dev"]
    [extras] = [one for one in dev if one.startswith("qctl[")]
    assert {"redis", "postgres", "mysql", "metrics", "starlette", "fastapi", "flask", "django"} <= set(
        re.findall(r"\w+", extras)
    )
