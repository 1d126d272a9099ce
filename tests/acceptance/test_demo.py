"""The demo, on a small folder: it tells what happened, and says so when the sums differ."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def python(*arguments: str, expect: int = 0) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QCTL_")}
    environment["COLUMNS"] = "250"  # no table is cut
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=EXAMPLES,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == expect, ended.stdout
    return ended.stdout


def test_it_ends_well_and_shows_one_failed_job(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for number in range(20):
        (files / f"{number}.txt").write_text("one two\n" * number)
    told = python("-m", "fingerprint", str(files), "--home", str(tmp_path / "home"))
    assert "dispatched 21 jobs" in told
    assert "21 of 21" in told
    assert "the same, file by file" in told
    assert "deleted-meanwhile.txt" in told.partition("$ qctl failed")[2]
    with sqlite3.connect(tmp_path / "home" / "results.db") as results:
        assert results.execute("select sum(lines), sum(words) from fingerprints").fetchone() == (190, 380)


def test_it_does_not_begin_in_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    assert "is not empty" in python("-m", "fingerprint", "--home", str(tmp_path), expect=1)


def test_a_sum_that_differs_is_told() -> None:
    program = """
from pathlib import Path
from fingerprint.__main__ import _compare
from fingerprint.measure import measure, summarize
here = [Path("fingerprint/jobs.py"), Path("fingerprint/table.py")]
assert _compare(summarize(measure(path) for path in here), here)
assert not _compare(summarize([measure(here[0])]), here)
altered = [measure(here[0]), measure(here[1])._replace(sha256="0" * 64)]
assert not _compare(summarize(altered), here)
"""
    assert "NOT the same" in python("-c", program)
