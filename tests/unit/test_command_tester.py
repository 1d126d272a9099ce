"""What a command can say, ask and call, as `CommandTester` shows it."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from functools import partialmethod
from typing import Any

import pytest

from qcore import ConfigurationError, Job, QueueManager, dispatcher
from qctl import Command
from qctl.testing import CommandTester


@pytest.fixture(autouse=True)
def manager() -> Iterator[QueueManager]:
    before = dispatcher.install(None)
    manager = QueueManager.configure(url="memory://")
    yield manager
    manager.close()
    dispatcher.install(before)


class Noop(Job):
    def handle(self) -> None: ...


def doing(handle: Any, signature: str = "do") -> CommandTester:
    return CommandTester(type("Do", (Command,), {"signature": signature, "handle": handle}))


# -- what is given -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signature", "line", "arguments", "options"),
    [
        ("do {user}", "do ann", {"user": "ann"}, {}),
        ("do {user?}", "do", {"user": None}, {}),
        ("do {user=ann}", "do", {"user": "ann"}, {}),
        ("do {user=ann}", "do ''", {"user": ""}, {}),
        ("do {user*}", "do ann bob", {"user": ["ann", "bob"]}, {}),
        ("do {user?*}", "do", {"user": []}, {}),
        ("do {user=*ann,bob}", "do", {"user": ["ann", "bob"]}, {}),
        ("do {user=*ann,bob}", "do eve", {"user": ["eve"]}, {}),
        ("do {dry-run?} {--dry-run}", "do x --dry-run", {"dry-run": "x"}, {"dry-run": True}),
        ("do {--loud}", "do", {}, {"loud": False}),
        ("do {--l|loud}", "do -l", {}, {"loud": True}),
        ("do {--queue=}", "do", {}, {"queue": None}),
        ("do {--queue=}", "do --queue=a", {}, {"queue": "a"}),
        ("do {--queue=a}", "do", {}, {"queue": "a"}),
        ("do {--queue=a}", "do --queue=", {}, {"queue": ""}),
        ("do {--Q|queue=}", "do -Q a", {}, {"queue": "a"}),
        ("do {--id=*}", "do", {}, {"id": []}),
        ("do {--id=*}", "do --id 1 --id=2", {}, {"id": ["1", "2"]}),
        ("do {--id=*3,4}", "do", {}, {"id": ["3", "4"]}),
        ("do {user?} {--loud}", "do -- --loud", {"user": "--loud"}, {"loud": False}),
    ],
)
def test_what_is_given(signature: str, line: str, arguments: dict[str, Any], options: dict[str, Any]) -> None:
    seen: list[Any] = []

    def handle(self: Command) -> None:
        seen.extend([self.arguments(), self.options()])
        assert {name: self.argument(name) for name in arguments} == arguments
        assert {name: self.option(name) for name in options} == options

    doing(handle, signature).run(line).assert_successful()
    assert seen == [arguments, options]


@pytest.mark.parametrize(
    ("signature", "line", "message"),
    [
        ("do {user}", "do", "missing argument 'USER'"),
        ("do {user*}", "do", "missing argument 'USER...'"),
        ("do", "do ann", "got unexpected extra argument(s) (ann)"),
        ("do {--queue=}", "do --queue", "option '--queue' requires an argument"),
        ("do {--loud}", "do --soft", "no such option: --soft"),
    ],
)
def test_wrong_usage(signature: str, line: str, message: str) -> None:
    result = doing(lambda self: None, signature).run(line).assert_exit_code(2)
    assert result.errors.lower().startswith(f"error: {message}".lower())
    assert result.output == ""


def test_what_the_signature_does_not_have() -> None:
    for name, ask in (("argument", Command.argument), ("option", Command.option)):
        result = doing(partialmethod(ask, name="nope"), "do {a} {--b}").run("do x")
        result.assert_exit_code(5).assert_errors_contain(f"no {name} 'nope' in signature 'do {{a}} {{--b}}'", "there: ")


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (3, 3), (255, 255)])
def test_what_handle_returns_is_the_exit_code(returned: int | None, code: int) -> None:
    assert doing(lambda self: returned).run("do").exit_code == code


@pytest.mark.parametrize("returned", [True, "done", 256, -1, 1.0])
def test_what_is_no_exit_code(returned: Any) -> None:
    doing(lambda self: returned).run("do").assert_exit_code(5).assert_errors_contain(f"returned {returned!r}")


def test_an_error_is_one_line_and_exit_1() -> None:
    result = doing(lambda self: 1 // 0).run("do").assert_exit_code(1)
    assert result.errors.startswith("error: unexpected ZeroDivisionError")
    assert "Traceback" not in result.errors


def test_a_command_that_leaves_by_itself() -> None:
    assert doing(lambda self: sys.exit(4)).run("do").exit_code == 4
    assert doing(lambda self: sys.exit()).run("do").exit_code == 0
    assert doing(lambda self: sys.exit("no")).run("do").exit_code == 1


def test_a_command_without_handle() -> None:
    CommandTester(type("Do", (Command,), {"signature": "do"})).run("do").assert_exit_code(1)


# -- what is said --------------------------------------------------------------------------------------------------


def talk(self: Command) -> None:
    self.line("line")
    self.info("info")
    self.warn("warn")
    self.error("error")


def test_where_each_goes() -> None:
    result = doing(talk).run("do")
    assert (result.output, result.errors) == ("line\ninfo\n", "warn\nerror\n")


def test_quiet_leaves_data_and_what_is_wrong() -> None:
    result = doing(talk).run("do --quiet")
    assert (result.output, result.errors) == ("line\n", "warn\nerror\n")


@pytest.mark.parametrize("flag", ["--json", "-o ndjson", "-o csv", "--format {x}"])
def test_beside_what_programs_read_there_is_nothing_for_people(flag: str) -> None:
    result = doing(talk).run(f"do {flag}")
    assert (result.output, result.errors) == ("line\n", "info\nwarn\nerror\n")


def test_nothing_in_a_text_is_interpreted() -> None:
    def handle(self: Command) -> None:
        self.info("[bold]a[/] \x1b[31mred\x07 \u202e")
        self.table(["[b]H\x1b"], [["[red]x\x1b[2J"]])
        self.warn("\x1b]0;title\x07")

    result = doing(handle).run("do -o table")
    assert "[bold]a[/] \\x1b[31mred\\x07 \\u202e\n" in result.output
    assert "[b]H\\x1b" in result.output
    assert "[red]x\\x1b[2J" in result.output
    assert result.errors == "\\x1b]0;title\\x07\n"


def test_colours_are_the_tools_own() -> None:
    result = doing(talk).run("do --color always")
    assert result.output == "line\n\x1b[32minfo\x1b[0m\n"
    assert result.errors == "\x1b[33mwarn\x1b[0m\n\x1b[31merror\x1b[0m\n"


def test_texts_of_several_lines_and_of_none() -> None:
    def handle(self: Command) -> None:
        self.line("a\nb")
        self.line()
        self.line(3)

    assert doing(handle).run("do").output == "a\nb\n\n3\n"


def fruit(self: Command) -> None:
    self.table(["name", "count"], [("apple", 3), ("fig", None)])


def test_a_table_in_every_format() -> None:
    run = doing(fruit).run
    assert run("do").output == "apple\t3\nfig\t\n"
    assert run("do -o table").output.splitlines()[0].split() == ["name", "count"]
    assert run("do -o csv").output == "name,count\napple,3\nfig,\n"
    assert run("do -o name").output == "apple\nfig\n"
    assert run("do --format '{count} {name}'").output == "3 apple\n fig\n"
    assert '"rows": [{"name": "apple", "count": 3}, {"name": "fig", "count": null}]' in run("do --json").output
    assert len(run("do -o ndjson").output.splitlines()) == 2


def test_an_empty_table() -> None:
    assert doing(lambda self: self.table(["a"], [])).run("do").assert_successful().output == ""


def test_a_table_that_does_not_fit_its_headings() -> None:
    doing(lambda self: self.table(["a"], [[1, 2]])).run("do").assert_exit_code(5).assert_errors_contain("2 cells")
    doing(lambda self: self.table(["a", "a"], [])).run("do").assert_exit_code(5).assert_errors_contain("twice")


def test_a_progress_bar_calls_for_each_and_is_not_drawn_off_a_terminal() -> None:
    def handle(self: Command) -> None:
        self.line(self.with_progress_bar(range(3), lambda number: number * 2))
        self.line(self.with_progress_bar(iter("ab"), str.upper))

    result = doing(handle).run("do")
    assert (result.output, result.errors) == ("[0, 2, 4]\n['A', 'B']\n", "")


# -- what is asked -------------------------------------------------------------------------------------------------


def questions(self: Command) -> None:
    self.line(self.ask("Name?", "Ann"))
    self.line(self.choice("Which?", ["red", "blue"], "red"))
    self.line(self.confirm("Sure?"))


@pytest.mark.parametrize(
    ("answers", "output"),
    [
        (["Bob", "blue", True], "Bob\nblue\nTrue\n"),
        (["", "", ""], "Ann\nred\nFalse\n"),
        ([" Bob ", 2, "YES"], "Bob\nblue\nTrue\n"),
        (["Bob", "green", "3", "1", "maybe", "n"], "Bob\nred\nFalse\n"),
    ],
)
def test_answers(answers: list[str], output: str) -> None:
    assert doing(questions).run("do", answers=answers).assert_successful().output == output


def test_questions_are_expected_in_order() -> None:
    expecting = doing(questions).expects_question("Name?", "Bob").expects_question("Which?", "blue")
    result = expecting.run("do", answers=[True])
    assert result.output == "Bob\nblue\nTrue\n"
    assert result.questions == ("Name?", "Which?", "Sure?")


def test_another_question_than_expected_fails() -> None:
    with pytest.raises(AssertionError, match=r"asked 'Name\?', and not 'Age\?'"):
        doing(questions).expects_question("Age?", "3").run("do")


def test_more_questions_than_answers_fail_even_if_the_command_goes_on() -> None:
    def handle(self: Command) -> None:
        try:
            self.ask("Name?")
        except AssertionError:
            self.info("never mind")

    with pytest.raises(AssertionError, match=r"asked 'Name\?', and no answer was left"):
        doing(handle).run("do")


def test_fewer_questions_than_answers_fail() -> None:
    with pytest.raises(AssertionError, match="left: 'Name\\?', 'x'"):
        doing(lambda self: None).expects_question("Name?", "Ann").run("do", answers=["x"])


def test_expectations_are_for_one_run() -> None:
    twice = doing(lambda self: self.line(self.ask("Name?")))
    assert twice.expects_question("Name?", "Ann").run("do").output == "Ann\n"
    assert twice.expects_question("Name?", "Bob").run("do").output == "Bob\n"


def test_yes_confirms_without_a_question() -> None:
    result = doing(lambda self: self.line(self.confirm("Sure?"))).run("do --yes")
    assert (result.output, result.questions) == ("True\n", ())


def test_a_secret_keeps_its_blanks_and_is_not_printed() -> None:
    result = doing(lambda self: self.line(len(self.secret("Password?")))).run("do", answers=[" pass "])
    assert result.output == "6\n"
    assert "pass " not in result.errors


def test_a_choice_without_sense() -> None:
    doing(lambda self: self.choice("W?", []) and None).run("do").assert_exit_code(5)
    doing(lambda self: self.choice("W?", ["a"], "b") and None).run("do").assert_exit_code(5)


# -- what is called ------------------------------------------------------------------------------------------------


def test_a_built_in_command_is_called_with_the_flags_of_the_outer_one() -> None:
    Noop.dispatch()
    for line, word in (("do", "--json"), ("do --json", "--ascii")):
        result = doing(lambda self: self.call("stats", self.argument("word")), "do {word}").run(f"{line} -- {word}")
        result.assert_successful()
        assert '"schema": "qctl.stats/1"' in result.output
        assert '"pending": 1' in result.output


def test_the_exit_code_of_what_was_called_comes_back() -> None:
    def handle(self: Command) -> None:
        self.line(self.call("stats", "nowhere"))
        self.line(self.call("bogus"))
        self.line(self.call("version", "--nope"))

    result = doing(handle).run("do").assert_successful()
    assert result.output == "3\n2\n2\n"
    assert result.errors.count("error: ") == 3


def test_users_commands_call_each_other_and_ask() -> None:
    class Outer(Command):
        signature = "outer"

        def handle(self) -> int:
            return self.call("inner", 7)

    class Inner(Command):
        signature = "inner {number}"

        def handle(self) -> int:
            return int(self.argument("number")) + int(self.ask("How many?"))

    assert CommandTester(Outer, Inner).run("outer", answers=[2]).exit_code == 9


def test_inside_a_command_of_a_built_ins_name_that_name_is_the_built_in() -> None:
    def handle(self: Command) -> int:
        self.line("mine")
        return self.call("version", "-o", "name")

    result = doing(handle, "version").run("version").assert_successful()
    assert result.output.splitlines()[0] == "mine"
    assert result.output.count("mine") == 1
    assert len(result.output.splitlines()) > 1


def test_what_is_called_with_another_store_leaves_ours_in_force(manager: QueueManager) -> None:
    def handle(self: Command) -> None:
        self.call("stats", "--url", "memory://", "--json")
        assert QueueManager.current() is manager

    doing(handle).run("do").assert_successful()


# -- the tester itself ---------------------------------------------------------------------------------------------


def test_the_installed_manager_stays_in_force_and_open(manager: QueueManager) -> None:
    Noop.dispatch()
    doing(lambda self: self.line(QueueManager.get_stats("default").pending)).run("do").assert_successful()
    assert QueueManager.current() is manager
    assert QueueManager.get_stats("default").pending == 1


def test_a_fake_stays_in_force() -> None:
    class Fake:
        def __init__(self) -> None:
            self.taken: list[Any] = []

        def dispatch(self, jobs: Any, *, session: Any = None) -> list[str]:
            self.taken.extend(jobs)
            return ["id" for _ in jobs]

        def dispatch_now(self, job: Any) -> None: ...

    fake = Fake()
    with dispatcher.using(fake):
        doing(lambda self: Noop.dispatch() and None).run("do").assert_successful()
    assert len(fake.taken) == 1


def test_what_a_command_configures_ends_with_it(manager: QueueManager) -> None:
    doing(lambda self: QueueManager.configure(url="null://") and None).run("do").assert_successful()
    assert QueueManager.current() is manager


def test_a_module_is_searched_for_commands() -> None:
    module = types.ModuleType("shop")
    module.Fruit = type("Fruit", (Command,), {"signature": "fruit", "handle": fruit})  # type: ignore[attr-defined]
    module.Base = type("Base", (Command,), {})  # type: ignore[attr-defined]  # without a signature: no command
    module.other = 3  # type: ignore[attr-defined]
    assert CommandTester(module).run("fruit").output.startswith("apple")


def test_a_signature_that_cannot_be_read_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"Do: signature 'do \{', character 4"):
        doing(lambda self: None, "do {")


def test_two_commands_of_one_name_are_told_at_once() -> None:
    kinds = [type(name, (Command,), {"signature": "do"}) for name in ("A", "B")]
    with pytest.raises(ConfigurationError, match=r"two commands are named 'do': .*\.A and .*\.B"):
        CommandTester(*kinds)


def test_what_derives_from_a_command_takes_its_place() -> None:
    base = type("Base", (Command,), {"signature": "do", "handle": lambda self: 1})
    better = type("Better", (base,), {"handle": lambda self: 2})
    assert CommandTester(base, better).run("do").exit_code == CommandTester(better, base).run("do").exit_code == 2


def test_assertions_say_what_was_printed() -> None:
    result = doing(talk).run(["do"])
    result.assert_output_contains("line", "info").assert_errors_contain("warn").assert_output_lacks("warn")
    wrong: list[Callable[[], object]] = [
        lambda: result.assert_exit_code(1),
        result.assert_failed,
        lambda: result.assert_output_contains("warn"),
        lambda: result.assert_errors_contain("info"),
        lambda: result.assert_output_lacks("line"),
    ]
    for fails in wrong:
        with pytest.raises(AssertionError, match=r"(?s)-- stdout\nline\ninfo\n\n-- stderr\nwarn"):
            fails()


def test_what_is_no_command_is_said() -> None:
    with pytest.raises(TypeError, match=r"expected a command class or a module that holds some, not <.*Do object at"):
        CommandTester(type("Do", (Command,), {"signature": "do"})())  # type: ignore[arg-type]  # the point
