"""Each part of the benchmarks runs and prints its table; what the figures are is nobody's business here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = {
    "table": "--rounds 1 --jobs 50 --seconds 0.1 --ones 10 --many 10000 --pickups 5",
    "growth": "--rounds 1 --levels 1e3,2e3 --beside 200 --sample 100 --ones 5",
    "payloads": "--rounds 1 --sizes 1 --jobs 20",
    "grid": "--rounds 1 --producers 1,2 --workers 1 --seconds 0.1",
    "latency": "--rounds 1 --jobs 20 --seconds 0.2",
    "concurrency": "--rounds 1 --jobs 50 --seconds 0.1 --threads 2 --async 2",
    "workers": "--idle 0.2 --pickups 5 --seconds 0.1",
    "prices": "--rounds 1 --jobs 50 --seconds 0.1",
    "limits": "--rounds 1 --seconds 0.5 --processes 2",
    "flows": "--rounds 1 --jobs 100",
    "screens": "--rounds 1 --jobs 1000 --workers 20 --seconds 1 --drain 12000 --turn 0.03",
    "reading": "--rounds 1 --jobs 2000",
    "peers": "--rounds 1 --jobs 50 --samples 5 --only none",
}
HEADS = {
    "table": "| drain, 1 process | SQLite |",
    "growth": "| 2,000 pending |",
    "payloads": "| SQLite | 1 KB |",
    "grid": "| 2 | ",
    "latency": "| SQLite | ",
    "concurrency": "| 2 threads, waiting 5 ms | ",
    "workers": "| SQLite | 4 threads | ",
    "prices": "| SQLite | encrypted | ",
    "limits": "| SQLite | ",
    "flows": "| SQLite | batch | ",
    "screens": "| SQLite | first frame | ",
    "reading": "| SQLite | ",
    "peers": "| qcore sqlite | ",
}


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_a_part_prints_and_keeps_its_table(part: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", part, *PARTS[part].split(), "--stores", "sqlite"]
    plot = ["--plot", str(tmp_path / "growth.svg")] if part == "growth" else []
    ended = subprocess.run(
        [*command, *plot, "--results", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert HEADS[part] in ended.stdout
    (kept,) = tmp_path.glob("*.json")
    assert json.loads(kept.read_text())["environment"]["SQLite"]
    assert HEADS[part] in kept.with_suffix(".md").read_text()
    if plot:
        assert "<polyline" in (tmp_path / "growth.svg").read_text()


def test_every_part_has_a_smoke_test() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    listed = [line.split()[0] for line in ended.stdout.splitlines() if line.startswith("    ") and line[4] != " "]
    assert listed == list(PARTS)
