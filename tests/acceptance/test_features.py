"""The examples of what a job may ask for, each as its reader would run it, on each store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qcore.crypto.keyring import generate_key

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "features"
SAID = {
    "job_classes": """
dispatched:
  if wanted: None
  At once to ada@example.com
a worker ran:
  News to bob@example.com
  Welcome to ada@example.com
  told of: 'nowhere' is no address
  pending on high-priority, due in 60 s
unique:
  the second of user 7: None, of user 8: True
  processed user 7
  processed user 8
  the first is completed, and another may come: True
  processed user 7
encrypted:
  the store holds it in the clear: False
  processed 20 letters
""",
    "rate_limiting": """
of a job:
  mail to ada
  mail to ada
  mail to ada
  mail to ada
  mail to ada
  mail to ada
  mail to ada
  mail to ada
  mail to ada
  mail to ada
  mail to bob
  waiting: 2
  queue high-priority:60s: 100 of 100 left
  shop:EmailJob::3600s: 89 of 100 left
  shop:EmailJob:user:ada:60s: 0 of 10 left
  shop:EmailJob:user:bob:60s: 9 of 10 left
of a queue:
  News to ada@example.com
  queue emails:3600s: 999 of 1000 left
  queue high-priority:60s: 100 of 100 left
  shop:EmailJob::3600s: 89 of 100 left
  shop:EmailJob:user:ada:60s: 0 of 10 left
  shop:EmailJob:user:bob:60s: 9 of 10 left
  News to user0@example.com
  News to user1@example.com
  done 3, waiting 2
of a queue no more:
  News to user2@example.com
  News to user3@example.com
""",
    "job_batching": """
Progress: 0%
Pending: 3
Failed: 0
Processed: 0
  processed a
  processed b
  processed c
  Batch completed successfully
  Batch finished
Progress: 100%
Pending: 0
Failed: 1
Processed: 2
Batch completed
  Batch failed: nothing to process
  Batch finished
Progress: 100%
Pending: 0
Failed: 2
Processed: 0
Batch was cancelled
""",
    "job_chaining": """
Current step: 1
Progress: 0%
ETL Pipeline: pending
  loaded [2, 4, 6]
  told everybody
Current step: 4
Progress: 100%
ETL Pipeline: completed
Current step: 1
Progress: 0%
ETL Pipeline: pending
  Chain failed: the warehouse is closed
Current step: 3
Progress: 100%
ETL Pipeline: failed
  loaded [2, 4, 6]
  told everybody
Current step: 4
Progress: 100%
ETL Pipeline: completed
""",
    "job_middleware": """
a worker ran:
  processed data
tried again, and then throttled:
  closed February
  waiting: 1
""",
    "metrics": """
a worker ran:
  News to ada@example.com
  News to bob@example.com
  News to eve@example.com
  told of: 'nowhere' is no address
Average execution time: 0 s
Success rate: 0.75
Jobs in queue: 1
Failed jobs: 1
""",
    "security": """
shown as: •••
the store holds the card in the clear: False
a worker that may:
  paid 10 EUR
a worker that may not:
  failed: qcore.errors.PermissionDenied
""",
}


def run(script: str, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run an example in a folder of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("QCTL_", "PYTEST_"))}
    env = kept | {"QCTL_URL": url, "QCTL_KEY": generate_key(), "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    words = [sys.executable, str(FOLDER / f"{script}.py")]
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("script", SAID)
def test_an_example_does_what_it_says(script: str, store_url: str, tmp_path: Path) -> None:
    ended = run(script, store_url, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == SAID[script].lstrip("\n")
    assert "Traceback" not in ended.stderr
    assert "4242" not in ended.stderr


@pytest.mark.slow
def test_the_middleware_tells_of_the_job(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in run("job_middleware", "", tmp_path).stderr.splitlines()]
    assert [line["event"] for line in lines] == ["job begins", "job timed", "job ended"]
    assert {line["job"] for line in lines} == {"shop:ProcessDataJob"}


def test_every_script_is_shown() -> None:
    scripts = {path.stem for path in FOLDER.glob("*.py")} - {"shop", "running", "pipeline"}
    assert scripts == set(SAID)
    assert all(f"python {script}.py" in (FOLDER / "README.md").read_text() for script in scripts)
