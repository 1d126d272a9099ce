"""A terminal that is closed takes what ran in it along, whatever that waits for."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
STUCK = """
import time
from textual.drivers._writer_thread import WriterThread
WriterThread.stop = lambda self: time.sleep(3600)
from qctl.__main__ import main
main()
"""


class Closing:
    """`qctl top` on a terminal of its own, that can be closed."""

    def __init__(self, words: list[str], folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        environment = {**os.environ, "QCTL_URL": f"sqlite:///{folder}/queue.db", "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            [sys.executable, *words, "top"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
            cwd=folder, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)

    def shows(self, words: bytes) -> None:
        seen, deadline = b"", time.monotonic() + 30
        while words not in seen:
            assert time.monotonic() < deadline, seen[-2000:]
            if select.select([self._ours], [], [], 0.1)[0]:
                seen += os.read(self._ours, 65536)

    def close(self) -> None:
        os.close(self._ours)

    def ended(self) -> int:
        return self.process.wait(20)


@pytest.fixture
def closing(tmp_path: Path) -> Iterator[list[Closing]]:
    made: list[Closing] = []
    yield made
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()


def test_a_closed_terminal_ends_it(closing: list[Closing], tmp_path: Path) -> None:
    closing.append(top := Closing(["-m", "qctl"], tmp_path))
    top.shows(b"LIVE")
    top.close()
    assert top.ended() == 128 + signal.SIGHUP


def test_it_ends_also_where_the_last_words_find_no_reader(closing: list[Closing], tmp_path: Path) -> None:
    closing.append(top := Closing(["-c", STUCK], tmp_path))
    top.shows(b"LIVE")
    os.kill(top.process.pid, signal.SIGHUP)
    assert top.ended() == 128 + signal.SIGHUP
