"""The documents stay true: every command stands in them, every block runs, every link leads somewhere.

`tests/documents.py` says how a document tells what to do with a block.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from documents import (
    DOCUMENTS,
    ROOT,
    Block,
    all_blocks,
    blocks,
    comparable,
    console_steps,
    expected_pattern,
    name,
    run_block,
    served_blocks,
    with_store,
)
from fakes.store import fresh_url

from qcore.config.options import CONNECTION, OPTIONS, SUPERVISOR
from qctl.main import ALIASES, COMMANDS

REFERENCE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
REASONS = {
    "each is a test of its own",
    "how healthy the host is nobody knows beforehand",
    "it changes the system",
    "it does not end by itself",
    "it needs a Docker daemon",
    "it needs servers",
    "it serves until it is told to stop",
    "it stays until it is left",
    "the demo is a test of its own",
    "the package is installed where this is tested",
    "these do not end by themselves; the tests run the application",
    "where this is tested the wheel is installed",
}
"""All there is to say against running a block: a block with another reason fails the count."""


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if any(blocks(path))], ids=name)
def test_blocks_run(document: Path, tmp_path: Path) -> None:
    folder = tmp_path
    for block in blocks(document):
        folder = run_block(block, folder)


SERVED = [pytest.param(block, id=f"{name(path)}:{block.line}") for path in DOCUMENTS for block in served_blocks(path)]


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize("block", SERVED)
def test_a_block_runs_with_its_store(block: Block, tmp_path: Path) -> None:
    run_block(with_store(block, fresh_url(str(block.store), tmp_path)), tmp_path)


def test_a_block_with_a_store_gets_it(tmp_path: Path) -> None:
    block = Block(1, "shell", None, "export QCTL_URL=redis://localhost:6379/0\nqctl migrate\n", None, "redis")
    run_block(with_store(block, f"sqlite:///{tmp_path}/own.db"), tmp_path)
    assert (tmp_path / "own.db").exists()


def test_every_block_that_can_be_run_is_run() -> None:
    """Counted line by line, so that no fence escapes by its form: indented, with tildes, under another name."""
    opened = re.compile(
        r"^\s*(?:`{3,}|~{3,})\s*(?:py|pycon|python3?|sh|shell|bash|zsh|fish|console|\S+ title=.*)\b", re.MULTILINE
    )
    found = {name(document): len(opened.findall(document.read_text(encoding="utf-8"))) for document in DOCUMENTS}
    run = {name(document): len(list(blocks(document))) for document in DOCUMENTS}
    left_out = {
        name(document): [one.left_out for one in all_blocks(document) if one.left_out] for document in DOCUMENTS
    }
    served = {name(document): len(list(served_blocks(document))) for document in DOCUMENTS}
    assert {one: run[one] + served[one] + len(left_out[one]) for one in found} == found
    assert {why for reasons in left_out.values() for why in reasons} == REASONS
    assert sum(run.values()) > 150


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_nothing_is_left_of_a_merge(document: Path) -> None:
    assert not re.search(r"^(<{7}|>{7}) ", document.read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        if ":" in file:
            continue
        path = (document.parent / file).resolve() if file else document
        assert path.exists(), f"{target} is nowhere"
        if anchor:
            assert anchor in anchors(path), f"{target}: no such heading"


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(command: str) -> str:
    """What the reference says of a command, from its heading to the next."""
    found = re.search(rf"^## {re.escape(command)}$(.*?)(?=^## |\Z)", REFERENCE, flags=re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/commands.md has no section for {command}"
    return found[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_reference_holds_every_command_with_every_option(command: str, tmp_path: Path) -> None:
    asked = [sys.executable, "-m", "qctl", command, "--help"]
    answer = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    listed = answer.partition("Options:")[2].partition("Examples:")[0]
    options = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", listed, flags=re.MULTILINE)) - {"--help"}
    said = section(command)
    assert {option for option in options if f"`{option}" not in said and f" {option}" not in said} == set()


def test_the_reference_holds_nothing_else() -> None:
    headings = re.findall(r"^## (\S+)$", REFERENCE, flags=re.MULTILINE)
    assert headings == list(COMMANDS)


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_is_written_down(alias: str) -> None:
    assert f"`{alias}`" in REFERENCE


def test_every_setting_is_written_down() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    settings = {".".join(option.path) for option in OPTIONS} | {option.variable for option in OPTIONS}
    settings |= {*CONNECTION, *SUPERVISOR}
    assert {name for name in settings if f"`{name}`" not in text} == set()


def test_the_readers_own_rules() -> None:
    assert re.fullmatch(expected_pattern("a …\n…\nend"), comparable("a   17\nb\nc\nend\n"))
    assert re.fullmatch(expected_pattern("a\n…"), comparable("a\nb\nc\n"))
    assert not re.fullmatch(expected_pattern("a"), comparable("a\nb"))
    assert list(console_steps("$ one\nprinted\n$ two\n")) == [("one", "printed\n"), ("two", "")]
