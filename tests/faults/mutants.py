"""Deliberate defects, each in a copy of the code: the tests named for it must turn red. `make mutants` runs them.

A test that cannot fail is worth nothing. Each defect is what a queue is usually wrong about.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).parents[2]
_COPIED = ("qcore", "qctl", "tests", "pyproject.toml", "README.md")
_FAILED = re.compile(r"^FAILED (\S+)", re.MULTILINE)
_WITHIN_S = 300


class Mutant(NamedTuple):
    """A defect, and the tests that must find it."""

    what: str
    file: str
    right: str
    """What stands there, once."""
    wrong: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "no token check in settle",
        "qcore/drivers/database/moves.py",
        " for job_id, token, mark in rows if (job_id, token) in leases}",
        " for job_id, token, mark in rows}",
        ("tests/drivers/test_settle.py::test_a_stale_token_is_refused_and_changes_nothing",),
    ),
    Mutant(
        "a push is not atomic: half of it may be stored",
        "qcore/drivers/database/pushing.py",
        "            return self._push_alone(envelopes, repeat)\n",
        "            self._push_alone(envelopes[: len(envelopes) // 2] or envelopes, repeat)\n"
        "            return self._push_alone(envelopes, repeat)\n",
        (
            "tests/drivers/test_push.py::test_all_or_none",
            "tests/drivers/test_capacity.py::test_a_push_past_the_bound_stores_nothing",
        ),
    ),
    Mutant(
        "heartbeats are off",
        "qcore/worker/errands.py",
        "dict(store.heartbeat(one.worker, _leases(one), one.started))",
        "dict[str, bool]()",
        ("tests/faults/test_jobs.py::test_t14_longer_than_retry_after",),
    ),
    Mutant(
        "settle in two transactions",
        "qcore/drivers/database/settling.py",
        "        applied = self._end(connection, first)\n",
        "        applied = self._end(connection, first)\n"
        "        connection.exec_driver_sql('COMMIT')\n"
        "        connection.exec_driver_sql(self._link.dialect.begin)\n",
        ("tests/faults/test_steps.py::test_t4_kill_inside_settle",),
    ),
    Mutant(
        "unique lock outside push",
        "qcore/drivers/database/locking.py",
        "        self._store(connection, decision, fresh)\n",
        "        connection.exec_driver_sql('COMMIT')\n"
        "        connection.exec_driver_sql(self._link.dialect.begin)\n"
        "        self._store(connection, decision, fresh)\n",
        ("tests/drivers/database/test_database_locks.py::test_a_job_that_cannot_be_stored_leaves_no_lock",),
    ),
    Mutant(
        "reserve without a lease",
        "qcore/drivers/database/statements.py",
        '            "lease_until_us": self._lease_end(),\n            "started": 0,',
        '            "lease_until_us": null(),\n            "started": 0,',
        ("tests/drivers/test_reclaim.py::test_a_job_that_had_not_begun_is_not_charged",),
    ),
    Mutant(
        "a crash costs no try",
        "qcore/worker/supervisor.py",
        "        return {job.id: reason for job in child.slots.running()}\n",
        "        return {}\n",
        ("tests/faults/test_kills.py::test_t1_kill_of_a_child",),
    ),
)


def main() -> int:
    """Try every mutant; returns how many were not found out."""
    with tempfile.TemporaryDirectory(prefix="qctl-mutants-") as name:
        copy = Path(name)
        _copy_to(copy)
        red = _red_tests(copy, [test for mutant in MUTANTS for test in mutant.tests])
        if red:
            _say(f"without any defect these fail already: {', '.join(red)}")
            return len(MUTANTS)
        survivors = [mutant for mutant in MUTANTS if not _is_caught(copy, mutant)]
    _say(f"{len(MUTANTS) - len(survivors)} of {len(MUTANTS)} defects were found")
    return len(survivors)


def _is_caught(copy: Path, mutant: Mutant) -> bool:
    began = time.monotonic()
    file = copy / mutant.file
    whole = file.read_text()
    assert whole.count(mutant.right) == 1, f"{mutant.file} does not read any more as the mutant {mutant.what!r} expects"
    file.write_text(whole.replace(mutant.right, mutant.wrong))
    red = _red_tests(copy, mutant.tests)
    file.write_text(whole)
    verdict = f"caught by {red[0]}" if red else f"SURVIVED {', '.join(mutant.tests)}"
    _say(f"{mutant.what:50} {verdict} ({time.monotonic() - began:.0f} s)")
    return bool(red)


def _red_tests(copy: Path, tests: Sequence[str]) -> list[str]:
    """Run the tests on SQLite in the copy; returns those that failed."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "SCALE": "0.1", "SEED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "sqlite", *tests],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
        check=False,
    )
    red = _FAILED.findall(ended.stdout)
    assert ended.returncode == 0 or red, f"pytest ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
    return red


def _copy_to(copy: Path) -> None:
    for name in _COPIED:
        source = _ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(min(1, main()))
