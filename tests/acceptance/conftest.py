"""Gives each test a user's folder of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from homes import Home

PASTED = Path(__file__).parent / "pasted"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    shutil.copytree(PASTED, tmp_path, dirs_exist_ok=True)
    return Home(tmp_path)
