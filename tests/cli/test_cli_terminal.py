"""The tool on a terminal: tables, colour, questions, and what a reader who leaves does to it."""

from __future__ import annotations

import signal
import subprocess

import pexpect
import pytest
from shop import Shop, command

pytestmark = pytest.mark.slow


def test_a_terminal_gets_a_table(busy: Shop) -> None:
    shown, code = busy.on_terminal("stats")
    assert code == 0
    assert "QUEUE" in shown
    assert "database" in shown.splitlines()[0]
    assert "\x1b[" in shown
    assert "\t" not in shown


@pytest.mark.parametrize(
    ("words", "env"),
    [(["--no-color"], {}), (["--color", "never"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"})],
)
def test_a_table_without_colour(words: list[str], env: dict[str, str], busy: Shop) -> None:
    shown, code = busy.on_terminal("stats", *words, **env)
    assert (code, "\x1b" in shown) == (0, False)


def test_a_table_in_ascii(busy: Shop) -> None:
    shown, _ = busy.on_terminal("stats", "--ascii", "--no-color")
    assert shown.isascii()


def test_a_table_fits_eighty_columns(busy: Shop) -> None:
    for words in (["stats"], ["jobs"], ["failed"]):
        shown, _ = busy.on_terminal(*words, "--no-color", columns=80)
        assert max(map(len, shown.splitlines()[words == ["stats"] :])) <= 80  # but for the address of the store
    assert busy.failed_ids()[0] in shown


def test_json_on_a_terminal_is_indented(busy: Shop) -> None:
    shown, _ = busy.on_terminal("stats", "--json")
    assert '\n  "schema": "qctl.stats/1",\n' in shown


def test_an_empty_list_is_a_friendly_line(shop: Shop) -> None:
    assert shop.on_terminal("failed") == ("no failed jobs\n", 0)


def test_an_error_is_a_line_without_json(busy: Shop) -> None:
    shown, code = busy.on_terminal("stats", "nope")
    assert code == 3
    assert shown.startswith("error: no queue 'nope'\n")


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, 0), ("YES", 0, 0), ("n", 6, 2), ("", 6, 2)])
def test_a_question_is_asked_first(answer: str, code: int, left: int, busy: Shop) -> None:
    sample = busy.failed_ids()
    child = busy.spawn("flush")
    child.expect_exact("drop 2 failed jobs of every queue? [y/N] ")
    assert all(job_id in child.before for job_id in sample)
    child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == code
    assert busy.count("failed") == left


def test_clear_asks_and_names_the_queue(busy: Shop) -> None:
    child = busy.spawn("queue:clear", "default")
    child.expect_exact("drop 2 waiting jobs of default? [y/N] ")
    child.sendline("y")
    child.expect("dropped 2 jobs")
    child.wait()
    assert busy.count("pending") == 0


def test_an_interrupted_question_changes_nothing(busy: Shop) -> None:
    child = busy.spawn("flush")
    child.expect_exact("[y/N] ")
    for _ in range(10):  # one that comes just before the interpreter reads is noticed only with the next key
        child.sendintr()
        if child.expect_exact(["interrupted", pexpect.TIMEOUT], timeout=2) == 0:
            break
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert busy.count("failed") == 2


def test_retry_never_asks(busy: Shop) -> None:
    assert busy.on_terminal("failed", "--retry") == ("retried 2 jobs\n", 0)


def test_a_worker_shows_a_line_a_job(busy: Shop) -> None:
    busy.qctl("retry", "all")
    shown, code = busy.on_terminal("work", "--queue", "default,mail", "--tries", "1", "--stop-when-empty")
    assert code == 0
    lines = shown.strip().split("\n")
    assert "serves default, mail; Ctrl-C stops it" in lines[0]
    ended = [line.rpartition("\x1b[2K")[2] for line in lines[1:-1]]
    assert [line.split()[1] for line in ended] == ["\x1b[32mDONE\x1b[0m", *["\x1b[31mFAIL\x1b[0m"] * 2]
    assert ended[1].endswith("ValueError: no \\x1b[31mink")
    assert "RUNNING" in shown
    assert lines[-1].startswith("stopped (empty): 3 attempts in")


def test_a_quiet_worker_says_nothing(busy: Shop) -> None:
    assert busy.on_terminal("work", "--stop-when-empty", "--quiet") == ("", 0)


def test_a_worker_stops_at_the_first_interrupt(shop: Shop) -> None:
    child = shop.spawn("work")
    child.expect_exact("Ctrl-C stops it")
    child.sendintr()
    child.expect_exact("stopped (signal): 0 attempts")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def piped(shop: Shop, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `qctl` is the tool; its exit code is the tool's."""
    tool = " ".join(command())
    return subprocess.run(
        ["bash", "-c", f'qctl() {{ {tool} "$@"; }}; {line}'],
        cwd=shop.folder,
        env=shop.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("words", ["--help", "jobs", "jobs --json", "jobs -o table", "help config", "--version"])
def test_a_reader_may_leave(words: str, busy: Shop) -> None:
    ended = piped(busy, f"qctl {words} | head -c 1 >/dev/null; exit ${{PIPESTATUS[0]}}")
    assert (ended.returncode, ended.stderr) == (0, "")
    ended = piped(busy, f"{{ exec 3>&1; qctl {words} 3>&- ; }} | exec true; exit ${{PIPESTATUS[0]}}")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_worker_whose_reader_left_stops(busy: Shop) -> None:
    ended = piped(busy, "qctl work --log json | head -1; exit ${PIPESTATUS[0]}")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert '"event": "started"' in ended.stdout


def test_a_full_disk_is_said(busy: Shop) -> None:
    ended = piped(busy, "qctl jobs > /dev/full")
    assert ended.returncode == 1
    assert ended.stderr == "error: cannot write to standard output: No space left on device\n"


def test_a_closed_stdout_is_said(busy: Shop) -> None:
    ended = piped(busy, "qctl jobs >&-")
    assert ended.returncode == 1
    assert ended.stderr == "error: cannot write: standard output is closed\n"


def test_closed_stdin_and_stderr_hurt_nobody(busy: Shop) -> None:
    ended = piped(busy, "qctl stats -o name <&- 2>&-")
    assert (ended.returncode, ended.stdout) == (0, "default\nmail\nsmall\n")
    assert piped(busy, "qctl flush <&-").returncode == 6
    assert piped(busy, "qctl stats nope 2>&-").returncode == 3
    assert piped(busy, "qctl stats nope 2>/dev/full").returncode == 3


@pytest.mark.parametrize("locale", [{"LANG": "C"}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"PYTHONIOENCODING": "ascii"}])
def test_any_locale_will_do(locale: dict[str, str], busy: Shop) -> None:
    busy.qctl("pause", "mail", "--reason", "Größe 日本")
    for words in (["stats"], ["stats", "-o", "table"], ["stats", "--json"], ["--help"], ["work", "--help"]):
        ended = busy.qctl(*words, **locale)
        assert ended.out
    busy.qctl("stats", "--json", **locale).json()


def test_a_terminated_command_dies_of_its_signal(shop: Shop) -> None:
    words = [*command(), "retry", "-"]
    with subprocess.Popen(words, cwd=shop.folder, env=shop.environment, stdin=subprocess.PIPE) as child:
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=30) == -signal.SIGTERM
