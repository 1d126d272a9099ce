"""Public docstrings name the unit of each time and size, what comes back, and what is raised."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from raising import bases_of, function_in, is_ours, raised_by
from sources import site_module
from test_docstrings import public

from qcore.errors import QueueError, QueueFullError
from qcore.manager.hooks import Hooks
from qcore.workflows.pending import Pending

TIME_OR_SIZE = re.compile(
    r"_s$|_bytes$|seconds|delay(?!ed)|timeout|ttl|pause|wait|older|until|window|grace|sleep|lease|size|memory|percent"
    r"|runtime|cap$|base$|backoff|since"
)
UNIT = re.compile(
    r"\b(seconds?|s|ms|minutes?|hours?|timedelta|datetime|instant|bytes?|[kM]B|MiB|percent|per cent|jobs)\b|0 to 100"
)
GIVES = re.compile(
    r"\b([Rr]eturns?|[Gg]ives|[Yy]ields)\b"
    r"|^(Return|Give|Whether|Count|Name|Tell|List|Find|The|A|An|What|Which|How|Each|Every|Those)\b"
    r"|\bfor (a|the) block\b",
)
"""What the first sentences say that come before all else: the thing, or a verb that is followed by it."""
SAYS_NOTHING = {"None", "Self", "NoReturn", "Never", "Iterator[None]", "AsyncIterator[None]"}
FOREIGN = re.compile(r"\b(Laravel|Horizon|RFC|PEP|ITU|NIST|Oban)\b")
"""Whose rules are followed here, or left on purpose."""


class Part(NamedTuple):
    """A public function, method, property or constructor, with what is said of it."""

    name: str
    function: Any
    told: str
    owner: type | None = None
    is_property: bool = False

    @property
    def signature(self) -> inspect.Signature:
        return inspect.signature(self.function)


def parts() -> Iterator[Part]:
    """Everything that can be called, each once."""
    things = [one.values[0] for one in public()]
    found: dict[Any, Part] = {}
    for thing in things:
        for part in parts_of(thing) if inspect.isclass(thing) else functions_of(thing):
            found.setdefault(part.function, part)
    yield from found.values()


def functions_of(thing: Any) -> Iterator[Part]:
    function = inspect.unwrap(thing) if inspect.isroutine(thing) else None
    if inspect.isfunction(function):
        yield Part(function.__qualname__, function, inspect.getdoc(thing) or "")


def parts_of(cls: type) -> Iterator[Part]:
    """What a class and those of ours that it derives from define for others."""
    for kind in filter(is_ours, cls.__mro__):
        for name, value in vars(kind).items():
            if name.startswith("_") and name != "__init__":
                continue
            function = function_in(value)
            if function is not None:
                told = inspect.getdoc(kind if name == "__init__" else function) or ""
                yield Part(f"{kind.__qualname__}.{name}", function, told, kind, isinstance(value, property))


ALL = list(parts())
CLASSES = [one.values[0] for one in public() if inspect.isclass(one.values[0])]
attributes_of = site_module("attributes").attributes_of


def told_of(part: Part, argument: str) -> str:
    """What is said of an argument: its own lines, or all where arguments have no lines of their own."""
    own = re.search(rf"^ *{argument}(?:, \w+)*: (.*(?:\n {{6,}}.*)*)", part.told, re.MULTILINE)
    return own[1] if own else "" if "Args:" in part.told and part.name.endswith("__init__") else part.told


def test_each_time_and_size_has_its_unit() -> None:
    assert [f"{part.name}({name})" for part in ALL for name in without_unit(part)] == []


def without_unit(part: Part) -> Iterator[str]:
    """Arguments that are times or sizes, and of which no unit is told."""
    for name, parameter in part.signature.parameters.items():
        kind = str(parameter.annotation)
        is_time = re.search(r"\b(Seconds|When|BackoffLike|timedelta)\b", kind) is not None
        is_size = TIME_OR_SIZE.search(name) is not None and re.search(r"\b(int|float)\b", kind) is not None
        if (is_time or is_size) and not UNIT.search(told_of(part, name)):
            yield name


def test_what_comes_back_is_told() -> None:
    assert [part.name for part in ALL if not tells_what_it_gives(part)] == []


def tells_what_it_gives(part: Part) -> bool:
    """Whether it says what it returns, where it returns anything: in a section, or before everything else."""
    given = part.signature.return_annotation
    is_nothing = given is inspect.Signature.empty or str(given) in SAYS_NOTHING
    has_section = re.search(r"^(Returns|Yields):$", part.told, re.MULTILINE) is not None
    first = part.told.partition("\n\n")[0]
    return part.is_property or is_nothing or has_section or GIVES.search(first) is not None


def test_what_is_raised_is_told() -> None:
    """What it raises itself, or by private functions of its module and methods of its class."""
    assert [f"{part.name}: {error}" for part in ALL for error in untold_errors(part)] == []


def untold_errors(part: Part) -> list[str]:
    """Errors that it raises, and of which it says nothing: neither of them, nor of what they derive from."""
    told = part.told
    if re.search(r"\braises as\b|\b(?:as|returns and raises) (?:what |that |it )?(?:`?[\w.]+`?) (?:does|raises)", told):
        return []  # it says whose errors are meant
    if part.owner is not None and part.name.partition(".")[2].startswith("assert_"):
        told += " AssertionError" if "AssertionError" in (inspect.getdoc(part.owner) or "") else ""
    if part.owner is not None and issubclass(part.owner, Pending):
        told += inspect.getdoc(Pending) or ""
    raised = raised_by(part.function, part.owner)
    return sorted(error for error in raised if not is_told(error, told) and error not in CANNOT.get(part.name, ()))


CANNOT = {
    "Actions.prune": {"FilterError"},  # it writes the filter itself
    "ChainMonitor.get_status": {"ConfigurationError"},  # its id was one when it was made
    "JobBatch.fresh": {"ConfigurationError"},
    "JobTester.assert_deleted": {"ConfigurationError"},  # no delay is given
    "JobTester.assert_failed": {"ConfigurationError"},
    **{f"Hooks.{name}": {"ConfigurationError"} for name in vars(Hooks)},  # each listens to an event that is one
}
"""What is raised where it is called from elsewhere, and cannot be from here."""


def is_told(error: str, told: str) -> bool:
    """Whether a docstring names an error, or one that stands for it."""
    return any(re.search(rf"\b{name}\b", told) for name in bases_of(error) - {"BaseException"})


def test_every_attribute_is_told_of() -> None:
    """What an exported class writes down as an attribute has a string below it, or a line in the class's `Args:`."""
    assert [f"{cls.__name__}.{one.name}" for cls in CLASSES for one in silent_attributes(cls)] == []


def silent_attributes(cls: type) -> Iterator[Any]:
    for kind in filter(is_ours, cls.__mro__):
        told = (inspect.getdoc(kind) or "").partition("Args:\n")[2]
        for one in attributes_of(kind):
            if one.told is None and not re.search(rf"^ +{one.name}: ", told, re.MULTILINE):
                yield one


def test_fields_have_their_units() -> None:
    """A field that is a time or a size says its unit: in its name, or in what is said of it."""
    for cls in CLASSES:
        for one in (found for kind in filter(is_ours, cls.__mro__) for found in attributes_of(kind)):
            is_number = re.search(r": .*\b(int|float|Seconds|When|BackoffLike|Backoff)\b", one.line) is not None
            if is_number and TIME_OR_SIZE.search(one.name) and not one.name.endswith(("_s", "_bytes", "_mb", "_us")):
                told = (one.told or "") + (inspect.getdoc(one.owner) or "")
                assert UNIT.search(told) or UNIT.search(told.lower()), f"{cls.__name__}.{one.name}: in which unit?"


def test_whose_rule_is_followed_stands_at_its_source() -> None:
    """A docstring that speaks of a rule of others says so where it is looked for; those that must are listed."""
    everything = {part.name: part.told for part in ALL} | {cls.__name__: inspect.getdoc(cls) or "" for cls in CLASSES}
    assert [name for name, told in everything.items() if names_another_source(told)] == []
    assert [name for name in sorted(WITH_SOURCE) if "Source:" not in everything[name]] == []


def names_another_source(told: str) -> bool:
    return FOREIGN.search(told.partition("Source:")[0]) is not None


WITH_SOURCE = {
    "ShouldBeEncrypted", "ShouldBeUnique", "ShouldBeUniqueUntilProcessing", "SecureJob", "RateLimit", "JobBatch",
    "BatchableJob", "batch", "chain", "workflow", "WorkerOptions", "JobStats", "QueueFake", "JobTester",
    "WithoutOverlapping", "ThrottlesExceptions", "ThrottleMiddleware", "FailOnException", "Skip",
    "SkipIfBatchCancelled", "Choices.debounce", "Job.failed", "Job.dispatch_now", "Job.release", "Job.snooze",
    "Job.delete", "define_queue", "Pending.then", "Pending.catch", "Pending.finally_", "PendingBatch.allow_failures",
    "JobBatch.add", "JobBatch.cancel", "on",
}  # fmt: skip
"""What Laravel, a paper or a standard has too: it says whose rule it is, and where ours is another on purpose."""


def elsewhere() -> None:
    raise QueueFullError("full")


class Odd:
    """Breaks each rule once, as Laravel does not."""

    silent: int = 0
    wait: float = 0.0
    """For so long."""

    def pause(self, delay: float) -> None:
        """Go slowly."""

    def number(self) -> int:
        """Be there."""
        raise ValueError

    def deep(self) -> None:
        """Go on."""
        self._deeper()

    def _deeper(self) -> None:
        raise TypeError("no")

    def abroad(self) -> str:
        """Build it, and say which one; what is given back stands nowhere."""
        elsewhere()
        return ""

    def caught(self) -> None:
        """Go on whatever happens there."""
        try:
            elsewhere()
        except QueueError:
            return

    def as_that(self) -> None:
        """Go on; raises as `abroad` does."""
        elsewhere()


def test_what_is_missing_is_found() -> None:
    for one in (elsewhere, *filter(inspect.isfunction, vars(Odd).values())):
        one.__module__ = "qcore"  # as if they were ours
    odd = {
        name: Part(name, getattr(Odd, name), inspect.getdoc(getattr(Odd, name)) or "", Odd)
        for name in vars(Odd)
        if inspect.isfunction(getattr(Odd, name))
    }
    assert list(without_unit(odd["pause"])) == ["delay"]
    assert not tells_what_it_gives(odd["number"])
    assert untold_errors(odd["number"]) == ["ValueError"]
    assert untold_errors(odd["deep"]) == ["TypeError"]
    assert untold_errors(odd["abroad"]) == ["QueueFullError"]
    assert untold_errors(odd["caught"]) == untold_errors(odd["as_that"]) == []
    assert not tells_what_it_gives(odd["abroad"])
    assert [one.name for one in attributes_of(Odd) if one.told is None] == ["silent"]
    assert names_another_source(inspect.getdoc(Odd) or "")
