"""The mutants of `make mutants` fit the code as it is: else nobody hears of it before the next time they are run."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]


def _mutants() -> Any:
    spec = importlib.util.spec_from_file_location("mutants", _ROOT / "tests/faults/mutants.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MUTANTS


@pytest.mark.parametrize("mutant", _mutants(), ids=lambda mutant: mutant.what)
def test_a_defect_can_be_put_in(mutant: Any) -> None:
    for edits in mutant.edits.values():
        for edit in edits:
            whole = (_ROOT / edit.file).read_text()
            assert whole.count(edit.right) == 1, f"{edit.file} has no single {edit.right!r}"
            if edit.file.endswith(".py"):
                compile(whole.replace(edit.right, edit.wrong), edit.file, "exec")


@pytest.mark.parametrize("mutant", _mutants(), ids=lambda mutant: mutant.what)
def test_whoever_is_to_find_it_is_there(mutant: Any) -> None:
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert f"def {name}(" in (_ROOT / file).read_text()
