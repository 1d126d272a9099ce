"""Two workers and a producer on one SQLite file: nothing lost, nothing run twice, nothing locked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

JOBS = 10_000
APP = """
import os
from qcore import Job

OUT = os.open("ran", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

class Note(Job):
    def handle(self):
        os.write(OUT, f"{self.job_id}\\n".encode())
"""
PRODUCER = f"""
import notes
for _ in range({JOBS}):
    print(notes.Note.dispatch())
"""


@pytest.mark.slow
def test_ten_thousand_jobs_on_one_file(tmp_path: Path) -> None:
    (tmp_path / "notes.py").write_text(APP)
    env = {**os.environ, "QCTL_URL": "sqlite:///queue.db", "QCTL_APP": "notes", "PYTHONPATH": str(tmp_path)}
    words = [sys.executable, "-m", "qctl", "work", "--quiet"]
    workers = [
        subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
    ]
    producer = subprocess.run(
        [sys.executable, "-c", PRODUCER], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    rest = subprocess.run([*words, "--stop-when-empty"], cwd=tmp_path, env=env, capture_output=True, check=True)
    said = [rest.stderr]
    for worker in workers:
        worker.terminate()
        said.append(worker.communicate(timeout=30)[1])
        assert worker.returncode == 0
    ran = Counter((tmp_path / "ran").read_text().split())
    assert ran == Counter(producer.stdout.split())
    assert len(ran) == JOBS
    assert b"locked" not in b"".join(said)
