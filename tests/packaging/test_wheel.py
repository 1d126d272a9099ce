"""What is built works where nothing else is installed."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JOBS = """
from pathlib import Path
from qcore import job

@job
def note(text: str) -> None:
    Path("noted").write_text(text)
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive it was made from."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT), cwd=ROOT)
    return folder


def run(*command: str, cwd: Path) -> str:
    ended = subprocess.run(command, cwd=cwd, capture_output=True, stdin=subprocess.DEVNULL, text=True, check=False)
    assert ended.returncode == 0, f"{command}: {ended.stdout}\n{ended.stderr}"
    return ended.stdout


def test_the_wheel_holds_both_packages_and_nothing_else(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"qcore", "qctl"}
    assert {"qcore/py.typed", "qctl/py.typed"} <= set(names)
    shipped = {str(path.relative_to(ROOT)) for path in ROOT.glob("q*/**/*") if path.suffix in (".py", ".lua", ".json")}
    assert shipped <= set(names)


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
    } <= inside


def test_a_first_job_runs_in_an_empty_environment(built: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    bin_folder = tmp_path / "venv" / "bin"
    [wheel] = built.glob("*.whl")
    run(str(bin_folder / "python"), "-m", "pip", "install", "-qq", str(wheel), cwd=tmp_path)
    (tmp_path / "jobs.py").write_text(JOBS)

    run(str(bin_folder / "python"), "-c", "from jobs import note; note.dispatch('hello')", cwd=tmp_path)
    run(str(bin_folder / "qctl"), "work", "--stop-when-empty", cwd=tmp_path)

    assert (tmp_path / "noted").read_text() == "hello"
    assert run(str(bin_folder / "qctl"), "--version", cwd=tmp_path).startswith("qctl ")
