"""Deliberate defects, each in a copy of the code: the tests named for it must turn red. `make mutants` runs them.

A test that cannot fail is worth nothing. Each defect is what a queue is usually wrong about; it is put into the engine
on SQLite and on Redis, one after the other, and each must be found there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).parents[2]
_COPIED = ("qcore", "qctl", "tests", "pyproject.toml", "README.md")
_FAILED = re.compile(r"^FAILED (\S+)", re.MULTILINE)
_LEFT_OUT = re.compile(r"(\d+) skipped")
_WITHIN_S = 900
_STORES = ("sqlite", "redis")
_DATABASE = "qcore/drivers/database"
_REDIS = "qcore/drivers/redis"


class Edit(NamedTuple):
    """A change of one file."""

    file: str
    right: str
    """What stands there, once."""
    wrong: str


class Mutant(NamedTuple):
    """A defect, by store what makes it, and the tests that must find it there."""

    what: str
    edits: Mapping[str, Sequence[Edit]]
    tests: Sequence[str]


def _everywhere(edit: Edit) -> dict[str, list[Edit]]:
    return {store: [edit] for store in _STORES}


MUTANTS = (
    Mutant(
        "no token check in settle",
        {
            "sqlite": [
                Edit(
                    f"{_DATABASE}/moves.py",
                    " for job_id, token, mark in rows if (job_id, token) in leases}",
                    " for job_id, token, mark in rows}",
                )
            ],
            "redis": [
                Edit(
                    f"{_REDIS}/lua/lib/settle.lua",
                    "    if leases[k] and string.sub(leases[k], LEASE_TOKEN) == ARGV[at + 1] and not",
                    "    if leases[k] and not",
                )
            ],
        },
        ["tests/drivers/test_settle.py::test_a_stale_token_is_refused_and_changes_nothing"],
    ),
    Mutant(
        "a push is not atomic: some of it may be stored",
        {
            "sqlite": [
                Edit(
                    f"{_DATABASE}/pushing.py",
                    "            return self._push_alone(envelopes, repeat)\n",
                    "            self._push_alone(envelopes[: len(envelopes) // 2] or envelopes, repeat)\n"
                    "            return self._push_alone(envelopes, repeat)\n",
                )
            ],
            "redis": [
                Edit(
                    f"{_REDIS}/lua/push.lua",
                    "local full = full_queue(groups)\nif full then\n  return full\nend\nenter(groups)\nreturn false",
                    "local full = full_queue(groups)\nenter(groups)\nreturn full or false",
                )
            ],
        },
        ["tests/drivers/test_capacity.py::test_a_push_past_the_bound_stores_nothing"],
    ),
    Mutant(
        "unique lock outside push",
        {
            "sqlite": [
                Edit(
                    f"{_DATABASE}/locking.py",
                    "        self._store(connection, decision, fresh)\n",
                    "        connection.exec_driver_sql('COMMIT')\n"
                    "        connection.exec_driver_sql(self._link.dialect.begin)\n"
                    "        self._store(connection, decision, fresh)\n",
                )
            ],
            "redis": [
                Edit(
                    f"{_REDIS}/driver.py",
                    '        outcome, *told = self._server.run(script("claim"), groups_of(envelopes))\n',
                    "        for one in envelopes:\n"
                    "            if one.unique is not None:\n"
                    "                ask = [one.unique.key, one.id, one.unique.for_us]\n"
                    '                self._server.run(script("take_lock"), ask)\n'
                    '        outcome, *told = self._server.run(script("claim"), groups_of(envelopes))\n',
                ),
                Edit(
                    f"{_REDIS}/lua/claim.lua",
                    "  if holder and not (asked[4] and holder.is_waiting) then\n",
                    "  if holder and holder.owner ~= id and not (asked[4] and holder.is_waiting) then\n",
                ),
            ],
        },
        ["tests/faults/test_locks.py::test_t5_kill_inside_dispatch_of_a_unique_job"],
    ),
    Mutant(
        "heartbeats are off",
        _everywhere(
            Edit(
                "qcore/worker/errands.py",
                "dict(store.heartbeat(one.worker, _leases(one), one.started))",
                "dict[str, bool]()",
            )
        ),
        ["tests/faults/test_jobs.py::test_t14_longer_than_retry_after"],
    ),
    Mutant(
        "settle in two transactions",
        {
            "sqlite": [
                Edit(
                    f"{_DATABASE}/settling.py",
                    "        applied = self._end(connection, first)\n",
                    "        applied = self._end(connection, first)\n"
                    "        connection.exec_driver_sql('COMMIT')\n"
                    "        connection.exec_driver_sql(self._link.dialect.begin)\n",
                )
            ],
            "redis": [
                Edit(
                    f"{_REDIS}/lua/lib/settle.lua",
                    "    call('HINCRBY', of_queue('queue', queue), view, #ids)\n",
                    "",
                ),
                *(
                    Edit(
                        f"{_REDIS}/driver.py",
                        f"{told} = self._server.run(script({verb!r}), arguments)\n".replace("'", '"'),
                        f"{told} = self._server.run(script({verb!r}), arguments)\n"
                        "        for one in ordered if not refused else ():\n"
                        "            if one.outcome.value in {'completed', 'cancelled'}:\n"
                        "                where = f'{self._server.root}queue:{one.queue}'\n"
                        "                self._server.call('HINCRBY', where, one.outcome.value, 1)\n",
                    )
                    for told, verb in (("refused", "settle"), ("refused, reply", "settle_and_reserve"))
                ),
            ],
        },
        ["tests/faults/test_steps.py::test_t4_kill_inside_settle"],
    ),
    Mutant(
        "reserve without a lease",
        {
            "sqlite": [
                Edit(
                    f"{_DATABASE}/statements.py",
                    '            "lease_until_us": self._lease_end(),\n            "started": 0,',
                    '            "lease_until_us": null(),\n            "started": 0,',
                )
            ],
            "redis": [Edit(f"{_REDIS}/lua/lib/reserve.lua", "  bulk('ZADD', LAPSES, lapses)\n", "")],
        },
        ["tests/drivers/test_reclaim.py::test_a_job_that_had_not_begun_is_not_charged"],
    ),
    Mutant(
        "the crash of a process costs no try",
        _everywhere(
            Edit(
                "qcore/worker/supervisor.py",
                "        return {job.id: reason for job in child.slots.running()}\n",
                "        return {}\n",
            )
        ),
        ["tests/faults/test_kills.py::test_t1_kill_of_a_child"],
    ),
    Mutant(
        "the crash of a host costs no try",
        {
            "sqlite": [
                Edit(
                    f"{_DATABASE}/statements.py",
                    "            (jobs.attempts, jobs.attempts + jobs.started),\n",
                    "            (jobs.attempts, jobs.attempts),\n",
                )
            ],
            "redis": [
                Edit(
                    f"{_REDIS}/lua/reclaim.lua",
                    "    marks[1], marks[3], marks[8] = marks[1] + 1, marks[3] + 1, ''",
                    "    marks[3], marks[8] = marks[3] + 1, ''",
                )
            ],
        },
        ["tests/drivers/test_reclaim.py::test_a_job_that_had_begun_is_charged"],
    ),
)


def main() -> int:
    """Try every mutant on every store; returns how many were not found out."""
    with tempfile.TemporaryDirectory(prefix="qctl-mutants-") as name:
        copy = Path(name)
        _copy_to(copy)
        for store in _STORES:
            red = _red_tests(copy, store, [test for mutant in MUTANTS for test in mutant.tests])
            if red and _red_tests(copy, store, red):  # one that failed for want of time passes now
                _say(f"without any defect these fail already: {', '.join(red)}")
                return len(MUTANTS)
        cases = [(mutant, store) for mutant in MUTANTS for store in _STORES]
        survivors = [case for case in cases if not _is_caught(copy, *case)]
    _say(f"{len(cases) - len(survivors)} of {len(cases)} defects were found")
    return len(survivors)


def _is_caught(copy: Path, mutant: Mutant, store: str) -> bool:
    began = time.monotonic()
    whole = {copy / edit.file: (copy / edit.file).read_text() for edit in mutant.edits[store]}
    for edit in mutant.edits[store]:
        text = (copy / edit.file).read_text()
        assert text.count(edit.right) == 1, f"{edit.file} does not read any more as the mutant {mutant.what!r} expects"
        (copy / edit.file).write_text(text.replace(edit.right, edit.wrong))
    red = _red_tests(copy, store, mutant.tests, "-x")
    for file, text in whole.items():
        file.write_text(text)
    verdict = f"caught by {red[0]}" if red else f"SURVIVED {', '.join(mutant.tests)}"
    _say(f"{mutant.what:48} {store:7} {verdict} ({time.monotonic() - began:.0f} s)")
    return bool(red)


def _red_tests(copy: Path, store: str, tests: Sequence[str], *first: str) -> list[str]:
    """Run the tests on a store in the copy; returns those that failed. With "-x" the first that does is enough."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "SCALE": "0.1", "SEED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *first, "-p", "no:cacheprovider", "-k", store, *dict.fromkeys(tests)],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
        check=False,
    )
    red = _FAILED.findall(ended.stdout)
    said = f"pytest ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
    assert ended.returncode == 0 or red, said
    assert not _LEFT_OUT.search(ended.stdout), f"{store} is not installed, nothing is judged there; {said}"
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
