"""What is built works where nothing else is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from documents import DOCUMENTS, Block, all_blocks, blocks, installing_blocks, name, run_block

ROOT = Path(__file__).parents[2]
JOBS = """
from pathlib import Path
from qcore import job

@job
def note(text: str) -> None:
    Path("noted").write_text(text)
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # environments are made, and filled from an index


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive it was made from."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT), cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def programs(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that holds the wheel, and what it asks for, and nothing else."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(folder, with_pip=True)
    [wheel] = built.glob("*.whl")
    run(str(folder / "bin" / "python"), "-m", "pip", "install", "-qq", str(wheel), cwd=ROOT)
    return folder / "bin"


def run(*words: str, cwd: Path, programs: Path | None = None, **more: str) -> str:
    """Run a program, with those of an environment at hand; what it printed."""
    environment = {one: value for one, value in os.environ.items() if not one.startswith(("QCTL_", "PYTHON"))} | more
    if programs is not None:
        environment["PATH"] = f"{programs}:{os.environ['PATH']}"
    ended = subprocess.run(
        words, cwd=cwd, env=environment, capture_output=True, stdin=subprocess.DEVNULL, text=True, check=False
    )
    assert ended.returncode == 0, f"{words}: {ended.stdout}\n{ended.stderr}"
    return ended.stdout


def test_the_wheel_holds_both_packages_and_nothing_else(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"qcore", "qctl"}
    assert {"qcore/py.typed", "qctl/py.typed"} <= set(names)
    here = {str(path.relative_to(ROOT)) for path in ROOT.glob("q*/**/*") if path.is_file()}
    assert {name for name in here if "__pycache__" not in name} <= set(names)


def test_the_wheel_says_what_it_is_and_what_goes_with_it(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    [told] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    said = message_from_bytes(archive.read(told))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (said["Name"], said["Version"]) == (project["name"], project["version"])
    assert set(said.get_all("Provides-Extra", [])) == set(project["optional-dependencies"])
    [points] = [name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt")]
    assert archive.read(points).decode().split() == [
        "[console_scripts]",
        *("qctl", "=", "qctl.__main__:main"),
        "[pytest11]",
        *("qcore", "=", "qcore.testing.plugin"),
    ]


def test_the_source_archive_can_be_tested(built: Path) -> None:
    [archive] = built.glob("*.tar.gz")
    with tarfile.open(archive) as contents:
        inside = {name.partition("/")[2] for name in contents.getnames()}
    assert {
        "pyproject.toml",
        "Makefile",
        "LICENSE",
        "CHANGELOG.md",
        "tests/packaging/test_wheel.py",
        "docs/deploy/compose.yaml",
        "examples/django_shop/manage.py",
        "qctl/templates/job.py.tmpl",
    } <= inside


def test_a_first_job_runs_in_an_empty_environment(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(JOBS)

    run("python", "-c", "from jobs import note; note.dispatch('hello')", cwd=tmp_path, programs=programs)
    run("qctl", "work", "--stop-when-empty", cwd=tmp_path, programs=programs)

    assert (tmp_path / "noted").read_text() == "hello"
    assert run("qctl", "--version", cwd=tmp_path, programs=programs).startswith("qctl ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_tool_completes_in_an_empty_environment(shell: str, programs: Path, tmp_path: Path) -> None:
    asked = f"_QCTL_COMPLETE=source_{shell} qctl"
    assert f"complete_{shell}" in run("bash", "-c", asked, cwd=tmp_path, programs=programs)


def test_a_new_project_is_tested_and_works(programs: Path, tmp_path: Path) -> None:
    run("python", "-m", "pip", "install", "-qq", "pytest", cwd=tmp_path, programs=programs)
    line = "qctl new shop && cd shop && pytest && qctl work --stop-when-empty"
    assert " passed in " in run("bash", "-euc", line, cwd=tmp_path, programs=programs)

    readme = (tmp_path / "shop" / "README.md").read_text()
    [block] = re.findall(r"^```shell\n(.*?)^```$", readme, flags=re.MULTILINE | re.DOTALL)
    told = run("bash", "-euc", block, cwd=tmp_path / "shop", programs=programs)
    assert '"outcome": "completed"' in told
    assert told.splitlines()[-1].split("\t")[:2] == ["default", "false"]


def test_the_tutorial_runs_from_nothing_but_the_wheel(built: Path, tmp_path: Path) -> None:
    """In an empty folder: its own lines install, then each of its commands prints what the page says."""
    [wheel] = built.glob("*.whl")
    shutil.copy(wheel, tmp_path)
    install, *steps = all_blocks(ROOT / "docs" / "tutorial.md")
    assert install.how.wheel
    assert wheel.name in install.body
    run("bash", "-euc", install.body, cwd=tmp_path)

    folder, programs = tmp_path, tmp_path / ".venv" / "bin"
    assert len(steps) > 8
    assert all(step.how.is_in_turn for step in steps)
    for step in steps:
        folder = run_block(step, folder, programs)


def test_the_readme_runs_from_nothing_but_the_source_archive(built: Path, tmp_path: Path) -> None:
    """In the archive's own folder: the demo, then each line of the first five minutes."""
    [archive] = built.glob("*.tar.gz")
    with tarfile.open(archive) as contents:
        contents.extractall(tmp_path, filter="data")
    [folder] = tmp_path.iterdir()
    demo, install = installing_blocks(folder / "README.md")
    assert "the same, file by file" in run("bash", "-euc", demo.body, cwd=folder)
    run("bash", "-euc", install.body, cwd=folder)
    for step in blocks(folder / "README.md"):
        folder = run_block(step, folder, folder / ".venv" / "bin")


EXTRAS = [
    pytest.param(block, id=f"{name(path)}:{block.line}")
    for path in DOCUMENTS
    if name(path) not in {"README.md", "docs/tutorial.md"}
    for block in installing_blocks(path)
]


@pytest.mark.parametrize("block", EXTRAS)
def test_what_a_page_says_installs_what_it_needs(block: Block, programs: Path, tmp_path: Path) -> None:
    """Of the wheel that is installed there, whatever an index has by its name."""
    version = run("qctl", "--version", cwd=tmp_path, programs=programs).split()[1]
    (tmp_path / "ours").write_text(f"qctl=={version}\n")
    run("bash", "-euc", block.body, cwd=tmp_path, programs=programs, PIP_CONSTRAINT=str(tmp_path / "ours"))
    extras = re.findall(r"qctl\[(\w+)\]'", block.body)
    needed = {"redis": "redis", "postgres": "psycopg", "metrics": "prometheus_client"}
    assert extras
    for extra in extras:
        run("python", "-c", f"import {needed[extra]}", cwd=tmp_path, programs=programs)
