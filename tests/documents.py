"""What stands in the documents: their fenced blocks, and how each is run.

How a document says what to do with a block, by what follows its fence:

* `python title="jobs.py"`, `toml title="qctl.toml"` … : the block is the file of that name.
* `python`: a program, run as it stands.
* `shell`: run line by line by bash, which stops at the first failure.
* `console`: lines that begin with `$ ` are run; below each stands what it prints. A line `…` stands for any
  number of lines, `…` within one for any characters.
* A comment `<!-- not run: why -->` before a block leaves it out; other languages are never run.
* After `<!-- run with redis -->` a block runs by itself, with an empty store of that kind where it sets `QCTL_URL`.

The blocks of one document run from top to bottom in one empty folder; `$ cd folder` alone goes on in another.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("examples/**/*.md")),
]
FENCE = re.compile(
    r"^(?:<!-- (?:not run: (?P<skip>[^\n]+)|run with (?P<store>\w+)) -->\n+)?"
    r"```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<body>.*?)^```$",
    flags=re.MULTILINE | re.DOTALL,
)
RUNNABLE = {"python", "shell", "console"}
HERE = Path(sys.executable).parent
"""The programs of the environment that the tests run in."""


class Block(NamedTuple):
    """One fenced block of a document."""

    line: int
    language: str
    title: str | None
    body: str
    left_out: str | None
    """Why it is not run; None where it is."""
    store: str | None
    """The kind of store that it runs with by itself; None where it runs with the others."""


def name(document: Path) -> str:
    """A document's path from the root of the repository."""
    return str(document.relative_to(ROOT))


def all_blocks(document: Path) -> Iterator[Block]:
    """The blocks of a document that could be written or run."""
    text = document.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        if found["title"] or found["language"] in RUNNABLE:
            line = text.count("\n", 0, found.start("body"))
            yield Block(line, found["language"], found["title"], found["body"], found["skip"], found["store"])


def blocks(document: Path) -> Iterator[Block]:
    """The blocks of a document that are to be written or run, one after the other."""
    return (block for block in all_blocks(document) if block.left_out is None and block.store is None)


def served_blocks(document: Path) -> Iterator[Block]:
    """The blocks of a document that each run by itself, with a store."""
    return (block for block in all_blocks(document) if block.store is not None)


def run_block(block: Block, folder: Path, programs: Path = HERE) -> Path:
    """Do what a block says; a failing one fails the test with its line and what it printed.

    Args:
        block: to be run.
        folder: where.
        programs: the folder of the `python` and the `qctl` that it means.

    Returns:
        The folder that the next block runs in.
    """
    if block.title:
        (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
        (folder / block.title).write_text(block.body, encoding="utf-8")
    elif block.language == "python":
        run([str(programs / "python"), "-c", block.body], folder, block, programs)
    elif block.language == "shell":
        run(["bash", "-euo", "pipefail", "-c", block.body], folder, block, programs)
    else:
        for command, expected in console_steps(block.body):
            if moved := re.fullmatch(r"cd (\S+)", command):
                folder = folder / moved[1]
                continue
            printed = run(["bash", "-euo", "pipefail", "-c", command], folder, block, programs)
            assert re.fullmatch(expected_pattern(expected), comparable(printed)), (
                f"line {block.line}: `{command}` printed\n{printed}\nand not\n{expected}"
            )
    return folder


def with_store(block: Block, url: str) -> Block:
    """A block that uses the store at `url` in place of the one that it names."""
    body, times = re.subn(r"(?<=QCTL_URL=)\S+", lambda _: shlex.quote(url), block.body)
    assert times == 1, f"line {block.line}: it sets no QCTL_URL, or more than one"
    return block._replace(body=body)


def run(command: list[str], folder: Path, block: Block, programs: Path) -> str:
    """Run a command as a person at a terminal would; what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("QCTL_", "PYTEST_"))}
    environment |= {
        "PATH": f"{programs}:{os.environ['PATH']}",
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
