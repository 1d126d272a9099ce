"""Blocks of the documents whose lines go on: servers, screens, workers that wait. Each line has its own terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pexpect
from servers.base import free_port

WITHIN_S = 300
PORTS = re.compile(r"\b(5000|8000|9400)\b")
"""Those that the documents name; another run of the tests may have them."""
INTERRUPTED = {0, 130}
"""How what Ctrl-C ended may end; some end by the signal itself."""


def run_terminals(body: str, words: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Run the lines of a block side by side: each ends well, or prints the words and goes on to the end.

    Args:
        body: the lines. What one exports, those below it have.
        words: that a line which goes on prints; `or` stands between those of several. One line has to.
        folder: where.
        environment: of the first line.
    """
    ports: dict[str, str] = {}
    going_on = 0
    with ExitStack() as opened:
        for line in lines_of(body):
            own = PORTS.sub(lambda found: ports.setdefault(found[1], str(free_port())), line)
            if own.startswith("export "):
                environment = exported(own, folder, environment)
            else:
                going_on += opened.enter_context(terminal(own, words, folder, environment))
    assert going_on, f"no line printed {words!r} and went on:\n{body}"


@contextmanager
def terminal(line: str, words: str, folder: Path, environment: Mapping[str, str]) -> Iterator[bool]:
    """Run a line on a terminal until the end of the block; whether it goes on."""
    child = pexpect.spawn(
        "bash",
        ["-euo", "pipefail", "-c", line],
        cwd=str(folder),
        env=dict(environment) | {"TERM": "xterm-256color"},
        encoding="utf-8",
        dimensions=(40, 120),
        timeout=WITHIN_S,
        preexec_fn=_heed_interrupts,
    )
    try:
        goes_on = child.expect_exact([pexpect.EOF, *words.split(" or ")]) > 0
    except pexpect.TIMEOUT:
        child.close(force=True)
        raise AssertionError(f"{line} did not print {words!r}, but\n{child.before}") from None
    if not goes_on:
        child.wait()
        child.close()
        assert child.exitstatus == 0, f"{line}: exit {child.exitstatus}\n{child.before}"
    try:
        yield goes_on
    finally:
        if goes_on:
            _interrupt(child, line)


def _interrupt(child: pexpect.spawn[str], line: str) -> None:
    child.sendintr()
    try:
        child.expect(pexpect.EOF)
    except pexpect.TIMEOUT:
        child.close(force=True)
        raise AssertionError(f"Ctrl-C did not end {line}") from None
    child.wait()
    child.close()
    ended_well = child.exitstatus in INTERRUPTED or child.signalstatus == signal.SIGINT
    assert ended_well, f"{line}: exit {child.exitstatus} after Ctrl-C\n{child.before}"
    assert "Traceback" not in str(child.before)


def lines_of(body: str) -> list[str]:
    """The lines of a block; one that ends with a backslash goes on in the next."""
    lines = (line.strip() for line in re.sub(r"\\\n\s*", "", body).splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def exported(line: str, folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment after a line that exports something."""
    words = ["bash", "-euo", "pipefail", "-c", f"{line}; env -0"]
    told = subprocess.run(words, cwd=folder, env=dict(environment), stdout=subprocess.PIPE, check=True).stdout
    return dict(one.split("=", 1) for one in os.fsdecode(told).split("\0") if one)


def _heed_interrupts() -> None:
    """Let Ctrl-C reach a program even where the tests themselves run in the background, deaf to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
