"""The kinds of modules that are made, each with its test: what stands in them."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from qctl.making.naming import kebab, snake
from qctl.making.rendering import deriving, importing, render


class Made(NamedTuple):
    """What is to be written for one name."""

    module: str
    """What stands in the module."""
    test: str
    """What stands in its test."""
    then: tuple[str, ...] = ()
    """Commands to type after the test."""


_MEMBERS = {"batchable": "BatchableJob", "chainable": "ChainableJob", "secure": "SecureJob"}
_MIXED = {"unique": "ShouldBeUnique", "encrypted": "ShouldBeEncrypted"}
_SECURED = """\
        self.set_sensitive_fields(["subject"])
        self.set_required_permissions(["{permission}"])
"""
_UNIQUE = '''
    def unique_id(self) -> str:
        """While a job of this id waits or runs, another one is refused."""
        return self.subject
'''
_BATCHED = """\
        if self.batch is not None and self.batch.cancelled():
            return "cancelled"
"""
_CHAINED = """\
        before = self.get_previous_result()
        if before is not None:
            return f"done with {self.subject} after {before}"
"""
_TESTS = {
    "batchable": """

def test_a_batch_counts_it(queue_fake: QueueFake) -> None:
    jobs = [{name}(part) for part in ("one", "two")]
    batch(jobs).dispatch()
    queue_fake.assert_batched(jobs)
""",
    "chainable": """

def test_it_is_a_step_of_a_chain(queue_fake: QueueFake) -> None:
    jobs = [{name}(part) for part in ("one", "two")]
    chain(jobs).dispatch()
    queue_fake.assert_chained(jobs)
""",
    "following": """

def test_a_step_knows_what_was_before(queue_fake: QueueFake) -> None:
    jobs = [{name}(part) for part in ("one", "two")]
    chain_id = chain(jobs).dispatch()
    queue_fake.run()
    last = ChainMonitor(chain_id).get_status().steps[-1]
    assert JobRecord.find(last.job_id).result == "done with two after done with one"
""",
    "unique": """

def test_there_is_one_at_a_time(queue_fake: QueueFake) -> None:
    {name}.dispatch("a subject")
    {name}.dispatch("a subject")
    queue_fake.assert_pushed({name}, 1)
""",
}
_IMPORTED = {"batchable": ("batch",), "chainable": ("chain",), "following": ("ChainMonitor", "JobRecord")}
"""What a test takes from `qcore`, by what it tests."""


def job(name: str, module: str, traits: Collection[str] = ()) -> Made:
    """A job.

    Args:
        name: of the class.
        module: dotted.
        traits: of batchable, chainable, unique, encrypted, secure and async.
    """
    bases = [base for trait, base in _MEMBERS.items() if trait in traits] or ["Job"]
    bases += [base for trait, base in _MIXED.items() if trait in traits]
    is_member = "batchable" in traits or "chainable" in traits
    text = render(
        "job.py",
        name=name,
        imports=importing("qcore", bases),
        heading=deriving(name, bases),
        methods=(_SECURED.format(permission=snake(name)) if "secure" in traits else "")
        + (_UNIQUE if "unique" in traits else ""),
        async_="async " if "async" in traits else "",
        handle="_handle" if is_member else "handle",
        before=(_BATCHED if "batchable" in traits else "") + (_CHAINED if "chainable" in traits else ""),
    )
    grant = f" --grant {snake(name)}" if "secure" in traits else ""
    dispatch = f"qctl dispatch {module}:{name} '[\"a subject\"]'"
    return Made(text, _test_of_job(name, module, traits), (dispatch, f"qctl work --stop-when-empty{grant}"))


def _test_of_job(name: str, module: str, traits: Collection[str]) -> str:
    tested = {*traits}
    if "chainable" in traits and "secure" not in traits:  # which a test, that holds no permission, cannot run
        tested.add("following")
    more = "".join(test.format(name=name) for trait, test in _TESTS.items() if trait in tested)
    names = [one for trait, needed in _IMPORTED.items() if trait in tested for one in needed]
    imports = [importing("qcore", names)] if names else []
    imports += [importing("qcore.testing", ["QueueFake"]), "", importing(module, [name])]
    return render("job_test.py", name=name, imports="\n".join(imports), more=more)


def middleware(name: str, module: str) -> Made:
    """A middleware; arguments as of `job`."""
    imports = [importing("qcore", ["Job"]), "", importing(module, [name])]
    test = render("middleware_test.py", name=name, imports="\n".join(imports))
    return Made(render("middleware.py", name=name), test)


def command(name: str, module: str, prefix: str) -> Made:
    """A command of qctl; arguments as of `job`, and what stands before the `:` of its name."""
    typed = f"{prefix}:{kebab(name)}"
    imports = [importing("qctl.testing", ["CommandTester"]), "", importing(module, [name])]
    test = render("command_test.py", name=name, command=typed, imports="\n".join(imports))
    return Made(render("command.py", name=name, command=typed), test, (f"qctl {typed} --help",))


def workflow(name: str, module: str) -> Made:
    """A workflow; arguments as of `job`."""
    function, title = snake(name), kebab(name)
    imports = [
        importing("qcore", ["ChainMonitor", "JobRecord", "JobState"]),
        importing("qcore.testing", ["QueueFake"]),
        "",
        importing(module, ["Fetch", function]),
    ]
    called = f"from {module} import {function}; print({function}(['one', 'two']))"
    return Made(
        render("workflow.py", function=function, title=title),
        render("workflow_test.py", function=function, title=title, imports="\n".join(imports)),
        (f'python -c "{called}"', "qctl work --stop-when-empty"),
    )
