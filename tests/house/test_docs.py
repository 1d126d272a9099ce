"""The documents stay true: every command stands in them, every block runs, every link leads somewhere.

`tests/documents.py` says how a document tells what to do with a block.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from document_terminals import run_terminals
from documents import (
    DOCUMENTS,
    ROOT,
    Block,
    How,
    all_blocks,
    blocks,
    comparable,
    console_steps,
    expected_pattern,
    folder_for,
    how_of,
    installing_blocks,
    lone_modules,
    name,
    run_block,
    served_blocks,
    with_store,
)
from fakes.store import fresh_url
from servers.postgresql import PostgreSQL

from qcore.config.options import CONNECTION, OPTIONS, SUPERVISOR
from qctl.main import ALIASES, COMMANDS

REFERENCE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
CHECKED = {
    ("docs/deploy/README.md", "it changes the system"),
    ("docs/deploy/README.md", "it needs a Docker daemon"),
    ("README.md", "it is what runs this"),
}
"""Blocks that no test may run, and why: there is no other."""
GOING_ON = {path for path in DOCUMENTS if any(block.how.until for block in blocks(path))}
"""Documents whose blocks start servers and screens."""
IN_TURN = [
    pytest.param(path, id=name(path), marks=[pytest.mark.slow] if path in GOING_ON else [])
    for path in DOCUMENTS
    if any(blocks(path))
]


@pytest.mark.timeout(900)  # the longest has a hundred commands, each a process
@pytest.mark.parametrize("document", IN_TURN)
def test_blocks_run(document: Path, tmp_path: Path) -> None:
    folder = folder_for(document, tmp_path)
    for block in blocks(document):
        folder = run_block(block, folder)
    for module in lone_modules(document):
        run_block(module, folder)


SERVED = [pytest.param(block, id=f"{name(path)}:{block.line}") for path in DOCUMENTS for block in served_blocks(path)]


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize("block", SERVED)
def test_a_block_runs_with_its_store(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = fresh_url(str(block.how.store), tmp_path)
    if block.how.store == "postgresql":
        for variable, value in as_its_own_tools_want_it(url).items():
            monkeypatch.setenv(variable, value)
    run_block(with_store(block, url), tmp_path)


def as_its_own_tools_want_it(url: str) -> dict[str, str]:
    """The variables that lead PostgreSQL's own programs to the server at a URL, and to themselves."""
    server = urlsplit(url)
    programs = Path(PostgreSQL.find("createdb") or "createdb").parent
    path = f"{os.environ['PATH']}{os.pathsep}{programs}"
    return {"PGHOST": str(server.hostname), "PGPORT": str(server.port), "PGUSER": str(server.username), "PATH": path}


def test_a_block_with_a_store_gets_it(tmp_path: Path) -> None:
    how = How(store="redis")
    block = Block(1, "shell", None, "export QCTL_URL=redis://localhost:6379/0\nqctl migrate\n", how)
    run_block(with_store(block, f"sqlite:///{tmp_path}/own.db"), tmp_path)
    assert (tmp_path / "own.db").exists()


CHECKS = [
    pytest.param(block, id=f"{name(path)}:{block.line}")
    for path in DOCUMENTS
    for block in all_blocks(path)
    if block.how.checked
]


@pytest.mark.parametrize("block", CHECKS)
def test_a_block_that_is_not_run_has_the_form_of_one(block: Block, tmp_path: Path) -> None:
    """Bash reads it, qctl takes each command of its own, and make has each target."""
    subprocess.run(["bash", "-n", "-c", block.body], check=True)
    for words in re.findall(r"\bqctl (\w[^|&#\n]*)", block.body):
        if words.split()[0].partition(" ")[0] in COMMANDS:
            asked = [sys.executable, "-m", "qctl", *shlex.split(words), "--help"]
            subprocess.run(asked, cwd=tmp_path, check=True, capture_output=True)
    for target in re.findall(r"^make ([\w-]+)", block.body, flags=re.MULTILINE):
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_every_block_is_run() -> None:
    """Counted line by line, so that no fence escapes by its form: indented, with tildes, under another name."""
    opened = re.compile(
        r"^\s*(?:`{3,}|~{3,})\s*(?:py|pycon|python3?|sh|shell|bash|zsh|fish|console|\S+ title=.*)\b", re.MULTILINE
    )
    found = {name(document): len(opened.findall(document.read_text(encoding="utf-8"))) for document in DOCUMENTS}
    checked = {(name(document), one.how.checked) for document in DOCUMENTS for one in all_blocks(document)}
    assert {one for one in checked if one[1] is not None} == CHECKED
    run = {
        name(document): sum(len(list(kind(document))) for kind in (blocks, served_blocks, installing_blocks))
        for document in DOCUMENTS
    }
    assert sum(found.values()) - sum(run.values()) == len(CHECKED)
    assert {one for one in found if found[one] != run[one]} == {document for document, _ in CHECKED}
    assert sum(run.values()) > 180


@pytest.mark.slow
def test_every_installing_block_is_tested_with_the_wheel() -> None:
    """Where `tests/packaging` looks for them."""
    assert {name(path) for path in DOCUMENTS if any(installing_blocks(path))} == {
        "README.md",
        "docs/getting-started.md",
        "docs/how-to/postgresql.md",
        "docs/how-to/redis.md",
        "docs/metrics.md",
        "docs/tutorial.md",
    }


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
    assert how_of("run with redis, until: Ctrl-C") == How("Ctrl-C", store="redis")
    assert how_of("exits with 0, 10").codes == {0, 10}
    with pytest.raises(AssertionError, match="says nothing of a block"):
        how_of("not run: for no reason")


def test_a_line_that_goes_on_goes_on_to_the_end_of_its_block(tmp_path: Path) -> None:
    lines = "export WORD=on\necho ready $WORD; cat\necho here > made  # while that runs\ncat made\n"
    run_terminals(lines, "ready on", tmp_path, dict(os.environ))
    with pytest.raises(AssertionError, match="no line printed 'ready' and went on"):
        run_terminals("true", "ready", tmp_path, dict(os.environ))
    with pytest.raises(AssertionError, match="false: exit 1"):
        run_terminals("echo ready; cat\nfalse", "ready", tmp_path, dict(os.environ))
    with pytest.raises(AssertionError, match="exit 3 after Ctrl-C"):
        run_terminals("trap 'exit 3' INT; echo ready; read x", "ready", tmp_path, dict(os.environ))


def test_ports_of_the_documents_are_free_ones(tmp_path: Path) -> None:
    run_terminals("echo :8000 9400 :8000 ready > said; cat said -", "ready", tmp_path, dict(os.environ))
    first, second, third = re.findall(r"\d+", (tmp_path / "said").read_text())
    assert first == third != "8000"
    assert second not in {first, "9400"}
