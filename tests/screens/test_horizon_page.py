"""The table of docs/horizon.md names pages, columns, keys and commands that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qctl.main import ALIASES, COMMANDS
from qctl.screens.dashboard.keys import DASHBOARD_KEYS
from qctl.screens.dashboard.pages import PAGES
from qctl.screens.keys import JOB_KEYS

ROOT = Path(__file__).parents[2]
LINES = [line for line in (ROOT / "docs" / "horizon.md").read_text().splitlines() if line.startswith("| ")][1:]
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in LINES if not line.startswith("| in Horizon")]
ELSEWHERE = re.compile(
    "in the configuration|the same|what the job logged|every list|`T`|a token|`/horizon/api|"
    r"\[The job\]|not needed|none|one job|the job"
)
PAGES_BY_NAME = {page.title: page for page in PAGES}


@pytest.mark.parametrize(("theirs", "page", "command"), ROWS, ids=[row[0][:50] for row in ROWS])
def test_it_is_there(theirs: str, page: str, command: str) -> None:
    pages = [PAGES_BY_NAME[name] for name in re.findall(r"[A-Z][a-z]+", page) if name in PAGES_BY_NAME]
    assert pages or ELSEWHERE.match(page), f"{theirs}: {page}"
    titles = {column.title for one in pages for panel in one.panels for column in panel.columns}
    for name in re.findall(r"\b[A-Z]{3,}\b(?:/s)?", page) if pages else ():
        assert name in titles, f"{theirs}: no column {name}"
    shown = {key.shown for key in (*DASHBOARD_KEYS, *JOB_KEYS)}
    for key in re.findall(r"`(.)`", page):
        assert key in shown, f"{theirs}: no key {key}"
    for line in re.findall(r"`qctl ([^`]+)`", command):
        word, *rest = line.split()
        assert word in COMMANDS or word in ALIASES, f"{theirs}: no command {word}"
        known = (ROOT / "snapshots" / "help" / f"{word}.txt").read_text()
        for option in (one for one in rest if one.startswith("--") and one != "--json"):
            assert option in known, f"{theirs}: {word} has no {option}"


def test_every_page_is_named() -> None:
    told = " ".join(row[1] for row in ROWS)
    ours = {"Chains", "Limits", "Health", "Events"}
    assert {page.title for page in PAGES if page.title in told} == {page.title for page in PAGES} - ours
