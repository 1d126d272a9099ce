"""What stands in the documents: their fenced blocks, and how each is run.

What a block is follows from its fence:

* `python title="jobs.py"`, `toml title="qctl.toml"` … : the block is the file of that name.
* `python`: a program, run as it stands.
* `shell`: run line by line by bash, which stops at the first failure.
* `console`: lines that begin with `$ ` are run; below each stands what it prints. A line `…` stands for any
  number of lines, `…` within one for any characters.

Other languages are never run. The blocks of one document run from top to bottom in one folder, which is empty, or for a
document of `examples` a copy of that folder; `$ cd folder` alone goes on in another. A comment before a block says what
is different about it:

* `<!-- run until: words or words -->`: each line has a terminal of its own, and ends, or prints these words and goes
  on while the lines below it run; at the end Ctrl-C ends it. Ports are free ones (see `document_terminals.py`).
* `<!-- exits with 0, 10, 11 -->`: each line may end with any of these codes.
* `<!-- run with redis -->`: it runs by itself, with an empty store of that kind where it sets `QCTL_URL`. After a comma
  `until: words` may follow.
* `<!-- run with the wheel -->`: it installs; it runs where the wheel or the source archive is tested.
* `<!-- checked: why -->`: it needs what no test may touch; bash checks its form, and qctl each of its commands.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from document_terminals import run_terminals

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("examples/**/*.md")),
]
FENCE = re.compile(
    r"^(?:<!-- (?P<how>[^\n]+) -->\n+)?"
    r"```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<body>.*?)^```$",
    flags=re.MULTILINE | re.DOTALL,
)
RUNNABLE = {"python", "shell", "console"}
BASH = ("bash", "-euo", "pipefail", "-c")
HERE = Path(sys.executable).parent
"""The programs of the environment that the tests run in."""


HOW = re.compile(
    r"run with the (?P<wheel>wheel)|checked: (?P<checked>.+)|exits with (?P<codes>[\d, ]+)"
    r"|run (?:with (?P<store>\w+))?(?:(?:, )?until: (?P<until>.+))?"
)


class How(NamedTuple):
    """What is different about a block."""

    until: str | None = None
    """Words that its lines print before they go on."""
    codes: frozenset[int] = frozenset({0})
    """With which each of its lines may end."""
    store: str | None = None
    """The kind of store that it runs with by itself."""
    wheel: bool = False
    """It installs."""
    checked: str | None = None
    """Why it cannot be run."""

    @property
    def is_in_turn(self) -> bool:
        """Whether it runs with the other blocks of its document."""
        return not (self.store or self.wheel or self.checked)


class Block(NamedTuple):
    """One fenced block of a document."""

    line: int
    language: str
    title: str | None
    body: str
    how: How = How()


def name(document: Path) -> str:
    """A document's path from the root of the repository."""
    return str(document.relative_to(ROOT))


def all_blocks(document: Path) -> Iterator[Block]:
    """The blocks of a document that are to be written, run or checked."""
    text = document.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        if found["title"] or found["language"] in RUNNABLE:
            line = text.count("\n", 0, found.start("body"))
            yield Block(line, found["language"], found["title"], found["body"], how_of(found["how"]))


def how_of(words: str | None) -> How:
    """Read what a comment says of the block below it."""
    if words is None:
        return How()
    said = HOW.fullmatch(words)
    assert said is not None, f"<!-- {words} --> says nothing of a block"
    codes = frozenset(map(int, said["codes"].split(","))) if said["codes"] else frozenset({0})
    return How(said["until"], codes, said["store"], said["wheel"] is not None, said["checked"])


def blocks(document: Path) -> Iterator[Block]:
    """The blocks of a document that are written or run, one after the other."""
    return (block for block in all_blocks(document) if block.how.is_in_turn)


def served_blocks(document: Path) -> Iterator[Block]:
    """The blocks of a document that each run by itself, with a store."""
    return (block for block in all_blocks(document) if block.how.store)


def installing_blocks(document: Path) -> Iterator[Block]:
    """The blocks of a document that install."""
    return (block for block in all_blocks(document) if block.how.wheel)


def folder_for(document: Path, folder: Path) -> Path:
    """Prepare the folder in which the blocks of a document run; `folder` is empty."""
    if "examples" not in document.parts:
        return folder
    copy = folder / "examples"
    shutil.copytree(ROOT / "examples", copy, ignore=shutil.ignore_patterns("__pycache__", "*.db*"))
    return copy


def lone_modules(document: Path) -> Iterator[Block]:
    """Modules that a document writes, and that none of its other blocks names: each is to be imported by itself."""
    every = list(blocks(document))
    for block in every:
        if block.title and block.title.endswith(".py"):
            others = "".join(one.body for one in every if one != block)
            if not re.search(rf"\b{Path(block.title).stem}\b", others):
                yield block._replace(language="python", title=None)


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
    elif block.how.until:
        run_terminals(block.body, block.how.until, folder, environment_in(folder, programs))
    elif block.language == "python":
        run([str(programs / "python"), "-c", block.body], folder, block, programs)
    elif block.language == "shell":
        for script in [block.body] if block.how.codes == {0} else block.body.splitlines():
            run([*BASH, script], folder, block, programs)
    else:
        for command, expected in console_steps(block.body):
            if moved := re.fullmatch(r"cd (\S+)", command):
                folder = folder / moved[1]
                continue
            printed = run([*BASH, command], folder, block, programs)
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
    ended = subprocess.run(
        command,
        cwd=folder,
        env=environment_in(folder, programs),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,  # for a machine with much else to do
        check=False,
    )
    said = f"line {block.line}: exit {ended.returncode}\n{command[-1]}\n{ended.stdout}"
    assert ended.returncode in block.how.codes, said
    return ended.stdout


def environment_in(folder: Path, programs: Path) -> dict[str, str]:
    """The environment of a person who works in a folder."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("QCTL_", "PYTEST_"))}
    return inherited | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(folder),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "QCTL_OUTPUT": "table",  # as a person at a terminal sees it
    }


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
