"""Files and functions stay small enough to be read in one go."""

from __future__ import annotations

import ast

import pytest
from sources import FILES, ROOT, Source

MOST_LINES_A_FILE = 400
MOST_LINES_A_FUNCTION = 50


@pytest.mark.parametrize("source", FILES, ids=str)
def test_file_is_short(source: Source) -> None:
    assert len(source.text.splitlines()) <= MOST_LINES_A_FILE


@pytest.mark.parametrize("source", FILES, ids=str)
def test_functions_are_short(source: Source) -> None:
    long = {
        node.name: lines
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > MOST_LINES_A_FUNCTION
    }
    assert long == {}


def test_other_languages_are_short_too() -> None:
    scripts = [*ROOT.glob("qcore/**/*.lua"), *ROOT.glob("qcore/**/*.sql")]
    long = {str(path): lines for path in scripts if (lines := len(path.read_text().splitlines())) > MOST_LINES_A_FILE}
    assert long == {}
