"""The pytest plugin as a user meets it: found by its entry point, in a run of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import unittest
from jobs import Greet
from qcore import dispatcher
from qcore.testing import QueueFake

def test_one_leaves_a_fake_behind():
    assert dispatcher.default() is None
    QueueFake()
    assert dispatcher.default() is not None

def test_the_next_one_meets_none():
    assert dispatcher.default() is None

class TestWithUnittest(unittest.TestCase):
    def test_it_leaves_one_too(self):
        assert dispatcher.default() is None
        QueueFake()

    def test_this_one_meets_none(self):
        assert dispatcher.default() is None
        QueueFake()

def test_the_fixture_takes_what_is_dispatched(queue_fake):
    assert dispatcher.default() is queue_fake
    Greet.dispatch("Ada")
    queue_fake.assert_pushed(Greet, 1)

def test_this_one_fails(queue_fake):
    Greet.dispatch("Ada")
    queue_fake.assert_nothing_pushed()

def test_and_leaves_nothing():
    assert dispatcher.default() is None
"""
JOBS = """
from qcore import Job

class Greet(Job):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def handle(self) -> None: ...
"""


@pytest.mark.slow
def test_each_test_begins_without_the_fakes_of_those_before(tmp_path: Path) -> None:
    (tmp_path / "test_greeting.py").write_text(TESTS)
    (tmp_path / "jobs.py").write_text(JOBS)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("QCTL_", "PYTEST_"))}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_greeting.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "1 failed, 6 passed" in ended.stdout, ended.stdout + ended.stderr
    assert "1 job was pushed\nE           pushed:\nE             Greet(name='Ada') on default" in ended.stdout
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix) == ["jobs.py", "test_greeting.py"]
