"""The documents stay true: every command stands in them, every block runs, every link leads somewhere.

How a document says what to do with a block, by what follows its fence:

* `python title="jobs.py"`, `toml title="qctl.toml"` … : the block is the file of that name.
* `python`: a program, run as it stands.
* `shell`: run line by line by bash, which stops at the first failure.
* `console`: lines that begin with `$ ` are run; below each stands what it prints. A line `…` stands for any
  number of lines, `…` within one for any characters.
* A comment `<!-- not run: why -->` before a block leaves it out; other languages are never run.

The blocks of one document run from top to bottom in one empty folder.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from sources import ROOT

from qcore.config.options import CONNECTION, OPTIONS, SUPERVISOR
from qctl.main import ALIASES, COMMANDS

REFERENCE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("examples/**/*.md")),
]
FENCE = re.compile(
    r"^(?P<skip><!-- not run: .+ -->\n+)?"
    r"```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<body>.*?)^```$",
    flags=re.MULTILINE | re.DOTALL,
)
RUNNABLE = {"python", "shell", "console"}


class Block(NamedTuple):
    """One fenced block of a document."""

    line: int
    language: str
    title: str | None
    body: str


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


def blocks(document: Path) -> Iterator[Block]:
    """The blocks of a document that are to be written or run."""
    text = document.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        if not found["skip"] and (found["title"] or found["language"] in RUNNABLE):
            line = text.count("\n", 0, found.start("body"))
            yield Block(line, found["language"], found["title"], found["body"])


def run_block(block: Block, folder: Path) -> None:
    """Do what a block says; a failing one fails the test with its line and what it printed."""
    if block.title:
        (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
        (folder / block.title).write_text(block.body, encoding="utf-8")
    elif block.language == "python":
        run([sys.executable, "-c", block.body], folder, block)
    elif block.language == "shell":
        run(["bash", "-euo", "pipefail", "-c", block.body], folder, block)
    else:
        for command, expected in console_steps(block.body):
            printed = run(["bash", "-euo", "pipefail", "-c", command], folder, block)
            assert re.fullmatch(expected_pattern(expected), comparable(printed)), (
                f"line {block.line}: `{command}` printed\n{printed}\nand not\n{expected}"
            )


def run(command: list[str], folder: Path, block: Block) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("QCTL_", "PYTEST_"))}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "QCTL_OUTPUT": "table",  # as a person at a terminal sees it
    }
    ended = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, f"line {block.line}: exit {ended.returncode}\n{block.body}\n{ended.stdout}"
    return ended.stdout


def console_steps(body: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block with what the document says that it prints."""
    for step in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, _, expected = step.partition("\n")
        yield command, expected


def comparable(text: str) -> str:
    """Text without what no reader sees: blanks at the ends of lines, and how wide a gap is."""
    return "".join(re.sub(r"[ \t]+", " ", line).strip() + "\n" for line in text.strip().splitlines())


def expected_pattern(expected: str) -> str:
    """Turn what a document shows into a pattern."""
    pattern = ""
    for line in comparable(expected).splitlines():
        pattern += r"(?:.*\n)*" if line == "…" else re.escape(line).replace("…", ".*") + r"\n"
    return pattern


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if any(blocks(path))], ids=name)
def test_blocks_run(document: Path, tmp_path: Path) -> None:
    for block in blocks(document):
        run_block(block, tmp_path)


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
