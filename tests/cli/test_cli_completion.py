"""Completion: in the shells themselves, where they are installed, and what bash makes of colons."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pexpect
import pytest
from shop import Shop, command

from qctl.completing import rejoin

SHELLS = {
    "bash": (["--norc", "--noprofile", "-i"], "source {}"),
    "zsh": (["-f", "-i"], "autoload -U compinit; compinit -u -D; source {}"),
    "fish": (["--no-config", "-i"], "source {}"),
}
OWN = """
from qctl import Command

class Greet(Command):
    signature = "shop:greet {--loudly}"
    def handle(self): ...
"""


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, shop: Shop) -> Iterator[pexpect.spawn[str]]:
    """An interactive shell that has read the script that `qctl` prints for it."""
    name = request.param
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    (shop.folder / "shop.py").write_text(OWN)
    script = shop.folder / f"qctl.{name}"
    script.write_text(shop.call(env={"_QCTL_COMPLETE": f"source_{name}"}).out)
    words, load = SHELLS[name]
    where = command()[0].rpartition("/")[0]
    environment = shop.environment | {"PATH": f"{where}:{shop.environment['PATH']}", "TERM": "dumb", "PS1": "$ "}
    child = pexpect.spawn(
        program, words, cwd=str(shop.folder), env=environment, encoding="utf-8", dimensions=(50, 200), timeout=30
    )
    child.sendline(load.format(script))
    child.sendline("echo rea''dy")
    child.expect_exact("ready\r\n")
    yield child
    child.close(force=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("qctl supervi", "qctl supervise "),
        ("qctl make:wor", "qctl make:workflow "),
        ("qctl make:job --batch", "qctl make:job --batchable "),
        ("qctl shop:gr", "qctl shop:greet "),
        ("qctl shop:greet --lo", "qctl shop:greet --loudly "),
    ],
)
def test_the_shell_completes_what_is_typed(typed: str, completed: str, shell: pexpect.spawn[str]) -> None:
    shell.send(f"{typed}\t")
    shell.expect_exact(completed)


@pytest.mark.parametrize(
    ("words", "place", "whole", "at", "prefix"),
    [
        (["qctl", "make", ":", "j"], 3, ["qctl", "make:j"], 1, "make:"),
        (["qctl", "make", ":", ""], 3, ["qctl", "make:"], 1, "make:"),
        (["qctl", "make", ":"], 2, ["qctl", "make:"], 1, "make:"),
        (["qctl", "make", ":", "job", ""], 4, ["qctl", "make:job"], 2, ""),
        (["qctl", "make", ":", "job", "--b"], 4, ["qctl", "make:job", "--b"], 2, ""),
        (["qctl", "a", ":", "b", ":", "c"], 5, ["qctl", "a:b:c"], 1, "a:b:"),
        (["qctl", "--url", "redis", ":", "//x", "st"], 5, ["qctl", "--url", "redis://x", "st"], 3, ""),
    ],
)
def test_words_that_bash_took_apart(words: list[str], place: int, whole: list[str], at: int, prefix: str) -> None:
    environ = {"_QCTL_COMPLETE": "complete_bash", "COMP_WORDS": "\n".join(words), "COMP_CWORD": str(place)}
    assert rejoin(environ) == prefix
    assert environ["COMP_WORDS"].split("\n") == whole
    assert environ["COMP_CWORD"] == str(at)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"_QCTL_COMPLETE": "complete_bash", "COMP_WORDS": "qctl\nmake:j", "COMP_CWORD": "1"},
        {"_QCTL_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "qctl make:j"},
    ],
)
def test_words_that_are_whole_stay_so(environ: dict[str, str]) -> None:
    before = dict(environ)
    assert rejoin(environ) == ""
    assert environ == before


@pytest.mark.parametrize("name", SHELLS)
def test_the_script_of_each_shell_is_shown(name: str, shop: Shop) -> None:
    told = shop.call(env={"_QCTL_COMPLETE": f"source_{name}"})
    assert (told.code, told.err) == (0, "")
    assert f"_QCTL_COMPLETE=complete_{name}" in told.out


def completed(shop: Shop, line: str) -> list[str]:
    """What is offered for a line; without a word of trouble, and without a store made for it."""
    words = line.split(" ")
    before = set(shop.folder.glob("*.db*"))
    told = shop.call(
        env={"_QCTL_COMPLETE": "complete_bash", "COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
    )
    assert (told.code, told.err) == (0, "")
    assert set(shop.folder.glob("*.db*")) <= before
    return told.out.split()


def offered(shop: Shop, line: str) -> list[str]:
    """What is offered at last: an answer that takes longer than somebody waits is there when he asks again."""
    for _ in range(50):
        if found := completed(shop, line):
            return found
    raise AssertionError(f"nothing is offered for {line!r}")


def test_choices_are_completed(shop: Shop) -> None:
    assert completed(shop, "qctl -o js") == ["json"]
    assert completed(shop, "qctl stats --color n") == ["never"]
    assert completed(shop, "qctl jobs --state p") == ["processing", "pending"]
    assert completed(shop, "qctl batch r") == ["retry"]


def test_queues_and_ids_are_completed(shop: Shop) -> None:
    shop.qctl("dispatch", "shop:Add", "[1]", "--queue", "emails")
    shop.qctl("dispatch", "shop:Add", "[1]")
    shop.qctl("dispatch", "shop:Boom", "--queue", "reports")
    shop.qctl("work", "--stop-when-empty", "--queue", "reports", "--tries", "1")
    for line in ("qctl pause e", "qctl resume e", "qctl clear default e", "qctl stats --queue e"):
        assert offered(shop, line) == ["emails"]
    assert offered(shop, "qctl queue:pause ") == ["default", "emails", "reports", "small"]
    assert offered(shop, "qctl --url sqlite:///queue.db pause e") == ["emails"]
    [failed] = shop.qctl("failed", "-o", "name").lines()
    assert offered(shop, f"qctl retry {failed[:4]}") == [failed]


@pytest.mark.parametrize(
    "line",
    [
        "qctl pause ",
        "qctl --url sqlite:///none.db pause ",
        "qctl --url redis://127.0.0.1:1/0 retry ",
        "qctl --url nonsense batch show ",
        "qctl --app nowhere clear ",
        "qctl --config none.toml resume --worker ",
    ],
)
def test_where_nothing_can_be_asked_nothing_is_offered(line: str, shop: Shop) -> None:
    assert completed(shop, line) == []


@pytest.mark.parametrize(
    ("shell", "file"),
    [("bash", ".bash_completions/qctl.sh"), ("zsh", ".zfunc/_qctl"), ("fish", ".config/fish/completions/qctl.fish")],
)
def test_the_shell_that_is_named_is_installed(shell: str, file: str, shop: Shop) -> None:
    told = shop.qctl("--install-completion", shell)
    assert told.out == f"{shell} completion installed in {shop.folder / file}; it begins with the next shell\n"
    assert f"_QCTL_COMPLETE=complete_{shell}" in (shop.folder / file).read_text()


@pytest.mark.parametrize("words", [["--install-completion"], ["--show-completion"], ["completion"]])
def test_a_shell_that_is_not_known_is_refused(words: list[str], shop: Shop) -> None:
    assert shop.qctl(*words, "nushell", expect=2).err == (
        "error: cannot complete in 'nushell'\nhint: there are: bash, zsh, fish, powershell, pwsh\n"
    )


def test_a_completion_that_cannot_be_installed(shop: Shop) -> None:
    (shop.folder / ".zfunc").write_text("no folder")
    assert "error: cannot install what completes in zsh: " in shop.qctl("--install-completion", "zsh", expect=1).err
