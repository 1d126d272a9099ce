"""The Makefile's doors: listed, never mistaken for files, each queue target one call of the tool."""

from __future__ import annotations

import re
import subprocess

import pytest
from sources import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([a-z][a-z-]*):", MAKEFILE, flags=re.MULTILINE)
QUEUE_CALLS = {
    "queue-work": "qctl work",
    "queue-work-emails": "qctl work --queue=emails",
    "queue-stats": "qctl stats",
    "queue-failed": "qctl failed",
    "queue-retry-failed": "qctl failed --retry",
    "queue-clear": "qctl clear default",
    "queue-dashboard": "qctl dashboard",
    "queue-metrics": "qctl metrics",
    "queue-health": "qctl health",
    "queue-top": "qctl top",
}


def make(*arguments: str) -> str:
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True
    ).stdout


def test_help_lists_every_target() -> None:
    listed = re.findall(r"^  make (\S+) +\S", make("help"), flags=re.MULTILINE)
    assert listed == TARGETS


def test_no_target_is_mistaken_for_a_file() -> None:
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", MAKEFILE, flags=re.MULTILINE)
    assert phony is not None
    assert set(phony[1].replace("\\", " ").split()) == set(TARGETS)


@pytest.mark.parametrize("target", [target for target in TARGETS if target.startswith("queue-")])
def test_a_queue_target_is_one_call_of_the_tool(target: str) -> None:
    last = make("--dry-run", target).splitlines()[-1]
    assert last.rpartition("/")[2] == QUEUE_CALLS[target]
