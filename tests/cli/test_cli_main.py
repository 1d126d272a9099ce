"""The command line as a whole: its table, its help, its global options, and what it costs to start."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path

import pytest
from shop import ROOT, Shop, command, compare
from typer.testing import CliRunner

from qctl import __version__
from qctl.commands.values import split
from qctl.context import FORMATS
from qctl.main import ALIASES, COMMANDS, app

HEAVY = {"textual", "sqlalchemy", "alembic", "pydantic", "redis", "rich", "psycopg", "cryptography"}


def test_the_version_is_the_distributions(shop: Shop) -> None:
    assert metadata.version("qctl") == __version__
    for words in (["--version"], ["-V"], ["--json", "--version"]):
        assert shop.qctl(*words).out == f"qctl {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_as_written(name: str, shop: Shop) -> None:
    text = shop.qctl(name, "--help", COLUMNS="80").out
    assert max(map(len, text.splitlines())) <= 80
    compare(f"help/{name.replace(':', '-')}.txt", text)


def test_the_list_of_commands_is_as_written(shop: Shop) -> None:
    text = shop.qctl("--help", COLUMNS="80").out
    assert max(map(len, text.splitlines())) <= 80
    compare("help/qctl.txt", text)
    assert shop.qctl(COLUMNS="80").out == text
    assert shop.qctl("help", COLUMNS="80").out == text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_explained(name: str) -> None:
    module = import_module(f"qctl.commands.{COMMANDS[name].module}")
    assert module.run.__doc__.partition("\n")[0] == COMMANDS[name].help
    assert len(module.EXAMPLES) >= 2
    assert all(re.search(rf"\bqctl {name}\b", example) for example in module.EXAMPLES)
    assert module.EXITS


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_an_alias_is_the_same_command(alias: str, name: str) -> None:
    told = [CliRunner().invoke(app, [word, "--help"]).stdout for word in (alias, name.split(maxsplit=1)[0])]
    assert told[0] == told[1]
    assert told[0].startswith("Usage: qctl")


def test_aliases_are_hidden(shop: Shop) -> None:
    assert "queue:" not in shop.qctl("--help").out


@pytest.mark.parametrize(
    ("word", "meant"), [("stat", "stats"), ("queue:wrok", "queue:work"), ("fialed", "failed"), ("resme", "resume")]
)
def test_an_unknown_command_is_guessed(word: str, meant: str, shop: Shop) -> None:
    assert shop.qctl(word, expect=2).err == f"error: no command '{word}'\nhint: did you mean '{meant}'?\n"


def test_an_unknown_command_that_resembles_none(shop: Shop) -> None:
    assert shop.qctl("zzzzz", expect=2).err.endswith("hint: qctl --help lists the commands\n")


@pytest.mark.parametrize(
    "words", [["--json", "version"], ["version", "--json"], ["-o", "json", "version"], ["version", "-o", "json"]]
)
def test_global_options_stand_before_and_after(words: list[str], shop: Shop) -> None:
    assert shop.qctl(*words).json()["schema"] == "qctl.version/1"


def test_the_later_one_wins(shop: Shop) -> None:
    assert shop.qctl("--json", "version", "-o", "name").lines()[0] == __version__


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["version", "--nope"], "no such option: --nope"),
        (["version", "-o", "yaml"], f"invalid value for '--output' / '-o': 'yaml' is none of {', '.join(FORMATS)}"),
        (["version", "--color", "blue"], "invalid value for '--color': 'blue' is none of auto, always, never"),
        (["show"], "missing argument 'ID'"),
        (["show", "a", "b"], "got unexpected extra argument(s) (b)"),
        (["jobs", "--limit", "none"], "invalid value for '--limit': 'none' is not a valid int"),
        (["jobs", "--limit", "0"], "invalid value for '--limit': 0 is not in the range 1<=x<=1000"),
        (["jobs", "--state", "lost"], "no state 'lost'"),
        (["pause", "q", "--for", "ever"], "--for: 'ever' is no duration; write 90, 90s, 5m, 1h30m or 2d"),
        (["work", "--backoff", ","], "--backoff names no time"),
        (["work", "--log", "xml"], "--log: 'xml' is none of pretty, json"),
        (["failed", "--retry", "--forget"], "--retry and --forget exclude each other"),
        (["retry"], "nothing to retry was named"),
        (["clear"], "no queue was named"),
        (["help", "everything"], "no help on 'everything'"),
    ],
)
def test_wrong_usage_is_one_line(words: list[str], message: str, shop: Shop) -> None:
    first, *rest = shop.qctl(*words, expect=2).err.splitlines()
    assert first.startswith(f"error: {message}")
    assert all(line.startswith("hint: ") for line in rest)


def test_wrong_usage_answers_in_json_too(shop: Shop, schemas: object) -> None:
    for words in (["bogus", "--json"], ["version", "--nope", "--json"], ["-o", "json", "jobs", "--limit", "0"]):
        ended = shop.qctl(*words, expect=2)
        schemas.check("error", ended.json())  # type: ignore[attr-defined]  # a Schemas
        assert ended.json()["error"]["exit"] == 2


def test_topics_of_help(shop: Shop) -> None:
    assert " 12  the worker reached its memory limit" in shop.qctl("help", "exit-codes").out
    assert "QCTL_URL" in shop.qctl("help", "config").out
    assert max(map(len, shop.qctl("help", "config").lines())) <= 80
    assert shop.qctl("help", "stats").out == shop.qctl("stats", "--help").out
    assert shop.qctl("help", "queue:work").lines()[0] == "Usage: qctl queue:work [OPTIONS]"


def imported_by(shop: Shop, *words: str) -> set[str]:
    """The top-level packages that a call imports, by what Python itself tells."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "qctl", *words],
        cwd=shop.folder,
        env=shop.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    names = re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", ended.stderr, flags=re.MULTILINE)
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("words", [["--help"], ["work", "--help"], ["dispatch", "--help"], ["help", "config"]])
def test_help_imports_nothing_heavy(words: list[str], shop: Shop) -> None:
    found = imported_by(shop, *words)
    assert "typer" in found
    assert found & HEAVY == set()


def test_the_version_imports_next_to_nothing(shop: Shop) -> None:
    assert imported_by(shop, "--version") & {"typer", "json", "asyncio", "msgspec"} == set()


def test_one_command_imports_no_other() -> None:
    program = (
        "import sys\nfrom qctl.main import app\nfrom typer.testing import CliRunner\n"
        "CliRunner().invoke(app, ['version'])\n"
        "print(sorted(name for name in sys.modules if name.startswith('qctl.commands.')))"
    )
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "['qctl.commands.version']"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("qctl stat", {"stats"}),
        ("qctl stats --qu", {"--queue", "--quiet"}),
        ("qctl work --stop", {"--stop-when-empty"}),
    ],
)
def test_the_shell_completes(typed: str, expected: set[str], shop: Shop) -> None:
    environment = {
        "_QCTL_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    ended = shop.call(env=environment)
    assert set(ended.out.split()) == expected
    assert ended.err == ""


def test_completion_of_an_unknown_command_is_silent(shop: Shop) -> None:
    environment = {"_QCTL_COMPLETE": "complete_bash", "COMP_WORDS": "qctl bogus --x", "COMP_CWORD": "2"}
    assert shop.call(env=environment).err == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_shown(shop: Shop, shell: str) -> None:
    """Also where no shell is above it: in cron, or an installer."""
    ended = shop.call("--show-completion", shell)
    assert ended.code == 0
    assert "_QCTL_COMPLETE" in ended.out


def test_names_are_split_at_commas() -> None:
    assert split(["high, default", "", "high"]) == ["high", "default"]
    assert split(None) == []


def test_the_tool_is_installed() -> None:
    assert Path(command()[0]).exists()
