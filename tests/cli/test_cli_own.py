"""Users' own commands on the command line: found, listed, completed, run, and before the built-in ones."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from shop import ROOT, Schemas, Shop

COMMANDS = '''
from bakery import Bake
from qcore import QueueManager
from qctl import Command


class Pending(Command):
    signature = "queue:stats {--queue=default : Which queue}"
    description = "Display queue statistics"

    def handle(self):
        self.info(f"Pending: {QueueManager.get_stats(self.option('queue')).pending}")


class Version(Command):
    """Say what is baked with."""

    signature = "version"

    def handle(self):
        self.line("flour 1.0")
        return self.call("version")


class Talk(Command):
    signature = "shop:talk {name? : Whom to greet} {--C|connection=here : Whose} {--loud}"

    def handle(self):
        name = self.argument("name") or self.ask("Name?")
        drink = self.choice("Drink?", ["tea", "[red]milk"], "tea")
        word = self.secret("Password?") if self.option("loud") else ""
        if not self.confirm("Sure?"):
            return 9
        self.table(["name", "drink"], [[name, drink]])
        self.line(f"{len(word)} {self.option('connection')}")


class Count(Command):
    signature = "shop:count"

    def handle(self):
        self.with_progress_bar(range(3), lambda number: None)
        self.warn("counted")


class Torn(Command):
    signature = "shop:torn {--queue"


class Base(Command):
    """No command: it has no signature."""
'''
BAKERY = """
from qctl import Command


class Bake(Command):
    signature = "bake {what*}"
    description = "Bake with \\x1b[31mfire"

    def handle(self):
        self.line(",".join(self.argument("what")))
"""


@pytest.fixture
def own(tmp_path: Path) -> Shop:
    """A folder whose application has commands, some of another module, one torn."""
    shop = Shop.opened(tmp_path)
    (tmp_path / "bakery.py").write_text(BAKERY)
    (tmp_path / "shop.py").write_text((tmp_path / "shop.py").read_text() + COMMANDS)
    return shop


def broken(shop: Shop, how: str = "raise ValueError('no oven')") -> Shop:
    (shop.folder / "shop.py").write_text(how)
    return shop


# -- found and run -------------------------------------------------------------------------------------------------


def test_a_command_is_found_where_it_is_defined_and_where_it_is_imported(own: Shop) -> None:
    own.qctl("dispatch", "shop:Add", "[1]", "--queue", "emails")
    assert own.qctl("queue:stats", "--queue=emails").out == "Pending: 1\n"
    assert own.qctl("bake", "bread", "cake").out == "bread,cake\n"


@pytest.mark.parametrize(
    "words", [["--app", "shop", "bake", "x"], ["bake", "x", "--app=shop"], ["bake", "--app", "shop", "x"]]
)
def test_the_application_may_be_named_anywhere_on_the_line(words: list[str], own: Shop) -> None:
    assert own.qctl(*words, QCTL_APP="").out == "x\n"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("qctl.toml", 'app = "shop"'),
        ("qctl.toml", '[profile.prod]\napp = "shop"'),
        ("pyproject.toml", '[tool.qctl]\napp = "shop"'),
        (".config/qctl/config.toml", 'app = "shop"'),
        ("other.toml", 'app = "shop"'),
    ],
)
def test_the_application_may_be_named_in_a_file(file: str, text: str, own: Shop) -> None:
    (own.folder / file).parent.mkdir(parents=True, exist_ok=True)
    (own.folder / file).write_text(text)
    flags = {"other.toml": ["--config", file]}.get(file, ["--profile", "prod"] if "prod" in text else [])
    assert own.qctl("bake", "x", *flags, QCTL_APP="").out == "x\n"
    assert "Commands of shop:" in own.qctl(*flags, "--help", QCTL_APP="").out


def test_what_an_application_logs_while_it_is_imported_is_shown(own: Shop) -> None:
    with (own.folder / "shop.py").open("a") as file:
        file.write("import logging\nlogging.getLogger('qcore').warning('oven is cold')\n")
    assert own.qctl("bake", "x").err == "warning: oven is cold\n"
    assert own.qctl("stats").err == "warning: oven is cold\n"


def test_its_store_is_the_one_of_the_flags(own: Shop) -> None:
    own.qctl("dispatch", "shop:Add", "[1]", "--url", "sqlite:///other.db")
    assert own.qctl("queue:stats").out == "Pending: 0\n"
    assert own.qctl("queue:stats", "--url", "sqlite:///other.db").out == "Pending: 1\n"
    assert own.qctl("--url", "sqlite:///other.db", "queue:stats").out == "Pending: 1\n"


def test_a_command_that_asks_no_store_opens_none(own: Shop) -> None:
    own.qctl("bake", "x", "--url", "redis://127.0.0.1:1/0")
    assert not (own.folder / "queue.db").exists()


def test_a_users_command_wins_and_calls_the_built_in_one(own: Shop) -> None:
    assert own.qctl("version").out.startswith("flour 1.0\nqctl\t")
    assert "Pending" not in own.qctl("stats").out  # only `queue:stats` was taken
    assert not own.qctl("version", QCTL_APP="").out.startswith("flour")


def test_an_unknown_command_is_guessed_among_the_users_too(own: Shop) -> None:
    assert own.qctl("shop:tolk", expect=2).err == "error: no command 'shop:tolk'\nhint: did you mean 'shop:talk'?\n"


def test_wrong_usage_of_a_users_command(own: Shop) -> None:
    assert own.qctl("bake", expect=2).err == "error: missing argument 'WHAT...'\nhint: qctl bake --help\n"
    assert own.qctl("bake", "--json", expect=2).json()["error"]["exit"] == 2


def test_its_own_option_takes_the_place_of_a_global_one(own: Shop) -> None:
    assert own.qctl("shop:talk", "Ann", "--connection", "there", "-y").lines()[-1] == "0 there"


def test_a_table_as_json_is_as_published(own: Shop, schemas: Schemas) -> None:
    printed = own.qctl("shop:talk", "Ann", "-y", "--json").out
    table, _, rest = printed.rpartition("\n0 ")
    assert rest == "here\n"
    schemas.check("table", json.loads(table))


# -- what cannot be run --------------------------------------------------------------------------------------------


def test_a_bad_signature_is_told_to_whoever_calls_it_and_in_the_list(own: Shop) -> None:
    message = "shop.Torn: signature 'shop:torn {--queue', character 11: no } closes this {"
    assert own.qctl("shop:torn", expect=5).err == f"error: {message}\n"
    assert own.qctl("bake", "x").err == ""
    listed = " ".join(own.qctl("--help").out.split())
    assert f"shop:torn Broken: {message}" in listed


@pytest.mark.parametrize("how", ["raise ValueError('no oven')", "import nowhere", "raise SystemExit(3)", "def ("])
def test_a_broken_application_breaks_no_built_in_command(how: str, shop: Shop) -> None:
    broken(shop, how)
    for words in (["version"], ["help", "exit-codes"], ["stats", "--help"], ["key:generate"]):
        assert shop.qctl(*words).err == ""
    listed = shop.qctl("--help")
    assert listed.err == ""
    assert "Commands of shop:\n  None: app 'shop': " in listed.out
    first, *rest = shop.qctl("bake", "x", expect=5).err.splitlines()
    assert first.startswith("error: no built-in command 'bake'; app 'shop': ")
    assert len(rest) <= 1


def test_a_configuration_that_cannot_be_read_breaks_no_help(shop: Shop) -> None:
    (shop.folder / "qctl.toml").write_text("app = [")
    assert "None: qctl.toml: not valid TOML" in shop.qctl("--help", QCTL_APP="").out
    assert "qctl" in shop.qctl("version", QCTL_APP="").out
    assert shop.qctl("bake", expect=5, QCTL_APP="").err.startswith("error: no built-in command 'bake'; qctl.toml: ")


def test_two_commands_of_one_name(own: Shop) -> None:
    with (own.folder / "shop.py").open("a") as file:
        file.write('class Other(Command):\n    signature = "bake"\n')
    ended = own.qctl("bake", "x", expect=5)
    assert ended.err.startswith("error: two commands are named 'bake': bakery.Bake and shop.Other\n")


# -- help and completion -------------------------------------------------------------------------------------------


def test_the_list_has_a_heading_for_them(own: Shop) -> None:
    builtin, _, told = own.qctl("--help", COLUMNS="80").out.partition("\nCommands of shop:\n")
    assert max(map(len, told.splitlines())) <= 80
    assert re.findall(r"^  ([a-z:]+)", told, flags=re.MULTILINE) == [
        "bake", "queue:stats", "version", "shop:talk", "shop:count", "shop:torn"
    ]  # fmt: skip
    assert "Display queue statistics" in told
    assert "Say what is baked with." in told
    assert "\\x1b[31mfire" in told
    assert "\x1b" not in told
    assert "\n  version" not in builtin
    assert own.qctl("help", COLUMNS="80").out.endswith(told)


def test_an_application_without_commands_adds_nothing(shop: Shop) -> None:
    assert "Commands of" not in shop.qctl("--help").out


def test_help_is_made_of_the_signature(own: Shop) -> None:
    text = own.qctl("shop:talk", "--help", COLUMNS="80").out
    assert text.startswith("Usage: qctl shop:talk [OPTIONS] [NAME]\n")
    assert re.search(r"^  \[NAME\] +Whom to greet$", text, flags=re.MULTILINE)
    assert re.search(r"^  -C, --connection CONNECTION +Whose \[default: here\]$", text, flags=re.MULTILINE)
    assert re.search(r"^  --loud", text, flags=re.MULTILINE)
    assert "    6  a question had nobody to answer it" in text
    assert own.qctl("help", "shop:talk", COLUMNS="80").out == text
    assert own.qctl("queue:stats", "--help").out.startswith("Usage: qctl queue:stats [OPTIONS]\n\n  Display queue stat")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("qctl shop:", {"shop:talk", "shop:count"}),
        ("qctl sh", {"show", "shop:talk", "shop:count"}),
        ("qctl shop:talk --lo", {"--loud"}),
        ("qctl --app shop ba", {"batches", "batch", "bake"}),
    ],
)
def test_the_shell_completes(typed: str, expected: set[str], own: Shop) -> None:
    with (own.folder / "shop.py").open("a") as file:
        file.write("import sys\nprint('noise')\nprint('noise', file=sys.stderr)\n")
    app = "" if "--app" in typed else "shop"
    ended = own.call(env=completing(typed) | {"QCTL_APP": app})
    assert set(ended.out.split()) == expected
    assert ended.err == ""


def test_completion_beside_a_broken_application_is_silent(shop: Shop) -> None:
    ended = broken(shop).call(env=completing("qctl stat"))
    assert (ended.out.split(), ended.err) == (["stats"], "")


def completing(typed: str) -> dict[str, str]:
    number = str(len(typed.split()) - 1)
    return {"_QCTL_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": number}


# -- what it costs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["--help"], ["version"], ["stats", "--help"]])
@pytest.mark.parametrize("file", [None, "pyproject.toml", "qctl.toml"])
def test_without_an_application_nothing_is_looked_for(words: list[str], file: str | None, tmp_path: Path) -> None:
    if file:
        (tmp_path / file).write_text(
            '[tool.qctl]\nurl = "sqlite:///x.db"' if file[0] == "p" else 'url = "sqlite:///x.db"'
        )
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "qctl", *words],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    names = re.findall(r"^import time: .*\| +(\S+)$", ended.stderr, flags=re.MULTILINE)
    assert "qctl.main" in names
    unwanted = ("qctl.console", "qcore.config", "qcore.manager", "tomllib")
    assert [name for name in names if name.startswith(unwanted)] == []


def test_the_package_itself_stays_light() -> None:
    program = "import sys, qctl; print(sorted(m for m in sys.modules if m.startswith(('qctl', 'typer', 'rich'))))"
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "['qctl']"


def test_deriving_a_command_needs_no_command_line() -> None:
    program = "import sys\nfrom qctl import Command\nprint({'typer', 'rich', 'sqlalchemy'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"


# -- questions -----------------------------------------------------------------------------------------------------


def test_without_a_terminal_a_question_needs_a_default(own: Shop) -> None:
    ended = own.qctl("shop:talk", expect=6, stdin="Ann\n")
    assert ended.err.startswith("error: 'Name?' needs an answer, and there is no terminal to ask on\nhint: ")
    assert own.qctl("shop:talk", "Ann", expect=9).out == ""
    assert own.qctl("shop:talk", "Ann", "-y").out == "Ann\ttea\n0 here\n"
    assert own.qctl("shop:talk", "Ann", "--loud", "-y", expect=6).err.startswith("error: 'Password?' needs an answer")


def test_no_interaction_is_heard_on_a_terminal(own: Shop) -> None:
    text, code = own.on_terminal("shop:talk", "--no-interaction")
    assert code == 6
    assert "'Name?' needs an answer, and --no-interaction was given" in text
    assert own.on_terminal("shop:talk", "Ann", "-n")[1] == 9
    own.qctl("dispatch", "shop:Add", "[1]")
    assert own.on_terminal("clear", "default", "-n")[1] == 6
    assert own.count("pending") == 1


def test_on_a_terminal_a_person_answers(own: Shop) -> None:
    child = own.spawn("shop:talk", "--loud")
    for question, answer in (
        ("Name? ", "Ann"),
        ("choose [tea]: ", "4"),
        ("'4' is none of them", None),
        ("choose [tea]: ", "2"),
        ("Password? ", "secret!"),
        ("Sure? [y/N] ", "perhaps"),
        ("Sure? [y/N] ", "y"),
    ):
        child.expect_exact(question)
        if answer is not None:
            child.sendline(answer)
    child.expect_exact("[red]milk")
    child.expect_exact("7 here")
    child.wait()
    assert child.exitstatus == 0


def test_an_answer_that_never_comes(own: Shop) -> None:
    child = own.spawn("shop:talk")
    child.expect_exact("Name? ")
    child.sendeof()
    child.expect_exact("error: 'Name?' was not answered")
    child.wait()
    assert child.exitstatus == 6


def test_a_question_can_be_interrupted(own: Shop) -> None:
    child = own.spawn("shop:talk")
    child.expect_exact("Name? ")
    child.sendintr()
    child.expect_exact("interrupted")
    child.wait()
    assert child.exitstatus == 130


def test_a_bar_is_drawn_on_a_terminal_alone(own: Shop) -> None:
    text, code = own.on_terminal("shop:count", "--color", "never")
    assert code == 0
    assert "shop:count" in text
    assert "counted" in text
    assert "shop:count" not in own.on_terminal("shop:count", "--quiet")[0]
    assert own.qctl("shop:count").err == "counted\n"
