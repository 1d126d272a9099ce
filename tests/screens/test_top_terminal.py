"""`qctl top` in a real terminal: tmux sends keys and captures what is drawn."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from screen_jobs import Works

from qcore import QueueManager, dispatch_many
from qcore.config import load_settings

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


class Terminal:
    """A shell in tmux, on a server of its own."""

    def __init__(self, folder: Path, size: tuple[int, int] = (80, 24)) -> None:
        if shutil.which("tmux") is None:
            if os.environ.get("CI") == "true":
                pytest.fail("tmux is missing: apt-get install tmux")
            pytest.skip("tmux is missing: apt-get install tmux")
        self._socket = str(folder / "tmux")
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("QCTL_", "TMUX", "NO_COLOR"))
        }
        environment |= {
            "QCTL_URL": f"sqlite:///{folder}/queue.db",
            "PYTHONPATH": str(HERE),
            "PS1": "ready> ",
            "LANG": "C.UTF-8",
        }
        words = [
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            str(size[0]),
            "-y",
            str(size[1]),
            "bash --norc --noprofile -i",
        ]
        subprocess.run(["tmux", "-S", self._socket, *words], env=environment, cwd=folder, check=True)

    def keys(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def type(self, line: str) -> None:
        self._tmux("send-keys", "-l", line)
        self._tmux("send-keys", "Enter")

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def shows(self, words: str, within_s: float = 30.0) -> str:
        """Wait until the screen shows these words; returns it."""
        deadline = time.monotonic() + within_s
        while words not in (screen := self.screen()):
            assert time.monotonic() < deadline, f"{words!r} is not shown:\n{screen}"
            time.sleep(0.05)
        return screen

    def lists(self, *queues: str) -> None:
        """Wait until the screen lists these queues, in this order, and no other: a frame may be half painted."""
        deadline = time.monotonic() + 30
        while self._queues() != [*queues]:
            assert time.monotonic() < deadline, f"{queues} are not what is listed:\n{self.screen()}"
            time.sleep(0.05)

    def is_alternate(self) -> bool:
        return self._tmux("display-message", "-p", "#{alternate_on}").strip() == "1"

    def _queues(self) -> list[str]:
        return [line.split()[0] for line in self.screen().splitlines() if " run " in line]

    def close(self) -> None:
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], check=False, capture_output=True)

    def _tmux(self, *words: str) -> str:
        return subprocess.run(["tmux", "-S", self._socket, *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    manager = QueueManager(load_settings({"url": f"sqlite:///{tmp_path}/queue.db"}, environ={}))
    with manager.using():
        dispatch_many([*(Works() for _ in range(3)), Works().on_queue("bulk"), Works().on_queue("bulk")])
    manager.close()
    found = Terminal(tmp_path)
    yield found
    found.close()


def start(terminal: Terminal, screens: str = "top") -> None:
    terminal.shows("#" if os.geteuid() == 0 else "$")
    terminal.type(f"{sys.executable} -m qctl {screens}")
    terminal.shows("LIVE")
    terminal.shows("mail")


def left(terminal: Terminal) -> str:
    """The screen once the shell has it again."""
    deadline = time.monotonic() + 15
    while terminal.is_alternate():
        assert time.monotonic() < deadline, terminal.screen()
        time.sleep(0.05)
    terminal.type("echo exit=$?.")
    while not re.search(r"exit=\d+\.", screen := terminal.screen()):
        assert time.monotonic() < deadline, screen
        time.sleep(0.05)
    return screen


def test_it_starts_sorts_filters_and_quits(terminal: Terminal) -> None:
    start(terminal)
    assert terminal.is_alternate()
    terminal.keys("<", "<", "<")  # from WAIT to PEND
    terminal.shows("PEND▼")
    terminal.lists("mail", "bulk")
    terminal.keys("/")
    terminal.keys("b", "u")
    terminal.shows("filter: bu")
    terminal.lists("bulk")
    terminal.keys("Escape")
    terminal.lists("mail", "bulk")
    terminal.keys("q")
    screen = left(terminal)
    assert "exit=0" in screen
    assert "Traceback" not in screen


def test_a_signal_ends_it_and_leaves_the_terminal_whole(terminal: Terminal, tmp_path: Path) -> None:
    start(terminal)
    pid = next(one for one in psutil.process_iter() if is_top(one, tmp_path)).pid
    os.kill(pid, signal.SIGTERM)
    screen = left(terminal)
    assert "exit=143" in screen
    assert "Traceback" not in screen
    terminal.type("echo still here")
    terminal.shows("still here")


@pytest.mark.parametrize("screens", ["top", "dashboard"])
def test_ctrl_c_ends_it_and_leaves_the_terminal_whole(screens: str, terminal: Terminal) -> None:
    start(terminal, screens)
    terminal.keys("/")
    terminal.keys("b", "u")
    terminal.shows("filter: bu")
    terminal.keys("C-c")
    screen = left(terminal)
    assert "exit=130" in screen
    assert "Traceback" not in screen


def test_an_interrupt_from_elsewhere_ends_it_alike(terminal: Terminal, tmp_path: Path) -> None:
    start(terminal)
    os.kill(next(one for one in psutil.process_iter() if is_top(one, tmp_path)).pid, signal.SIGINT)
    screen = left(terminal)
    assert "exit=130" in screen
    assert "Traceback" not in screen


def is_top(process: psutil.Process, folder: Path) -> bool:
    with suppress(psutil.Error):
        return process.cmdline()[-2:] == ["qctl", "top"] and process.cwd() == str(folder)
    return False


def test_a_crash_is_one_line_and_leaves_the_terminal_whole(terminal: Terminal, tmp_path: Path) -> None:
    code = "import qctl.screens.top.base as base; base.lines = None; from qctl.__main__ import main; main()"
    terminal.type(f"XDG_STATE_HOME={tmp_path} {sys.executable} -c '{code}' top; echo exit=$?")
    screen = terminal.shows("exit=1")
    assert "error: qctl top broke off: TypeError" in screen
    assert "Traceback" not in screen
    assert "Traceback" in (tmp_path / "qctl" / "top.log").read_text()


def test_a_store_out_of_reach_is_said(terminal: Terminal) -> None:
    terminal.type(f"{sys.executable} -m qctl top --url redis://127.0.0.1:1")
    screen = terminal.shows("refused")
    assert "SILENT" in screen
    terminal.keys("2")
    terminal.shows("WORKER")
    terminal.keys("q")
    assert "Traceback" not in left(terminal)


def test_without_a_terminal_it_says_what_to_do(tmp_path: Path) -> None:
    environment = {**os.environ, "QCTL_URL": f"sqlite:///{tmp_path}/queue.db"}
    words = [sys.executable, "-m", "qctl", "top"]
    ended = subprocess.run(
        words, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines() == [
        "error: qctl top needs a terminal",
        "hint: qctl top --once prints one look; qctl stats --json is for programs",
    ]
    once = subprocess.run([*words, "--once"], env=environment, capture_output=True, text=True, check=True)
    assert "QUEUE" in once.stdout
    assert "No workers: qctl work starts one" in once.stdout
