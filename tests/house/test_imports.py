"""What linting cannot see: what an import really brings along, and what a name turns out to be."""

from __future__ import annotations

import pkgutil
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

import qcore
from qcore.crypto.keyring import generate_key

STORES = {"sqlalchemy", "alembic", "redis", "psycopg", "pymysql"}
HEAVY = STORES | {"cryptography", "textual", "cloudpickle", "pydantic"}
KINDS_PROGRAM = """
import importlib, inspect, sys
order = sys.argv[1].split(",")
for name in order:
    if name.startswith("qcore."):
        importlib.import_module(name)
        continue
    value = getattr(importlib.import_module("qcore"), name)
    print(name, "module" if inspect.ismodule(value) else "class" if inspect.isclass(value) else "callable"
          if callable(value) else "value")
"""


def imported_by(*arguments: str, cwd: Path) -> set[str]:
    """The top-level packages that a run of Python imported, whatever way it ends."""
    run = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], cwd=cwd, capture_output=True, text=True, check=True
    )
    modules = re.findall(r"^import time: +[\d]+ \| +[\d]+ \| +(\S+)$", run.stderr, flags=re.MULTILINE)
    assert len(modules) > 20, "importtime told nothing"
    return {name.partition(".")[0] for name in modules}


def test_importing_the_engine_brings_nothing_heavy(tmp_path: Path) -> None:
    assert imported_by("-c", "import qcore", cwd=tmp_path) & (HEAVY | {"typer", "rich", "asyncio"}) == set()


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["work", "--help"], ["stats", "--help"]],
    ids=" ".join,
)
def test_asking_the_tool_for_help_brings_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    assert imported_by("-m", "qctl", *arguments, cwd=tmp_path) & HEAVY == set()


def test_defining_a_job_brings_nothing_heavy(tmp_path: Path) -> None:
    program = "from qcore import Job\nclass Noop(Job):\n    def handle(self): ...\nNoop().on_queue('a')"
    assert imported_by("-c", program, cwd=tmp_path) & HEAVY == set()


def test_a_plain_job_under_a_key_needs_no_cryptography(tmp_path: Path) -> None:
    (tmp_path / "noop.py").write_text("from qcore import Job\nclass Noop(Job):\n    def handle(self): ...\n")
    program = (
        "from qcore import QueueManager\nfrom qcore.worker import Worker, WorkerOptions\n"
        f"QueueManager.configure(url='sync://', key={generate_key()!r})\n"
        "from noop import Noop\nNoop.dispatch()"
    )
    assert "cryptography" not in imported_by("-c", program, cwd=tmp_path)


@pytest.mark.parametrize("seed", range(4))
def test_public_names_are_what_they_are_called_in_any_order(seed: int) -> None:
    packages = [f"qcore.{module.name}" for module in pkgutil.iter_modules(qcore.__path__)]
    order = [*qcore.__all__, *packages]
    random.Random(seed).shuffle(order)
    run = subprocess.run(
        [sys.executable, "-c", KINDS_PROGRAM, ",".join(order)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    kinds = dict(line.split() for line in run.stdout.splitlines())
    assert kinds == {name: "class" if name[0].isupper() else "callable" for name in qcore.__all__}


def test_no_package_bears_the_name_of_something_public() -> None:
    packages = {module.name for module in pkgutil.iter_modules(qcore.__path__)}
    assert packages & set(qcore.__all__) == set()
