"""Public docstrings name the unit of each time and size, what comes back, and what is raised."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple

from test_docstrings import is_ours, public

from qcore.manager.stats import QueueStats
from qcore.monitor.metrics import JobStats, QueueFigures
from qcore.workflows.batch import PendingBatch
from qcore.workflows.chain import PendingChain
from qcore.workflows.graph import PendingGraph
from qcore.workflows.pending import Pending

RETURNED = (PendingBatch, PendingChain, PendingGraph, QueueStats, JobStats, QueueFigures)
"""Classes that nobody imports, since public functions make their values."""
TIME_OR_SIZE = re.compile(
    r"_s$|_bytes$|seconds|delay(?!ed)|timeout|ttl|pause|wait|older|until|window|grace|sleep|lease|size|memory|percent"
    r"|runtime|cap$|base$|backoff|since"
)
UNIT = re.compile(
    r"\b(seconds?|s|ms|minutes?|hours?|timedelta|datetime|instant|bytes?|[kM]B|MiB|percent|per cent|jobs)\b|0 to 100"
)
GIVES = re.compile(
    r"\b(returns?|gives?|yields?|whether|tells?|how many|which|what)\b|^(The|A|An|Those|Each|Every)\b"
    r"|^(Count|Name|Find|List|Make|Build|Open|Read|Ask)\b|\b(for|of|in) (a|the) block\b",
    re.IGNORECASE | re.MULTILINE,
)
SAYS_NOTHING = {"None", "Self", "NoReturn", "Never"}
OUR_ERRORS = {"AssertionError", "TypeError", "ValueError", "AttributeError", "KeyError"}


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
    things = [one.values[0] for one in public()] + list(RETURNED)
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
                told = inspect.getdoc(kind if name == "__init__" else getattr(kind, name)) or ""
                yield Part(f"{kind.__qualname__}.{name}", function, told, kind, isinstance(value, property))


def function_in(value: Any) -> Any:
    """The function behind what a class holds; None where there is none of ours."""
    for attribute in ("__func__", "fget", "function", "func"):
        value = getattr(value, attribute, value)
    function = inspect.unwrap(value) if callable(value) else None
    written = inspect.isfunction(function) and is_ours(function) and not function.__code__.co_filename.startswith("<")
    return function if written else None


ALL = list(parts())


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
    """Whether it says what it returns, where it returns anything."""
    given = part.signature.return_annotation
    is_nothing = given is inspect.Signature.empty or str(given) in SAYS_NOTHING
    return part.is_property or is_nothing or GIVES.search(part.told) is not None


def test_what_is_raised_is_told() -> None:
    """What it raises itself, or by private functions of its module and methods of its class."""
    assert [f"{part.name}: {error}" for part in ALL for error in untold_errors(part)] == []


def untold_errors(part: Part) -> list[str]:
    """Errors that it raises, and says nothing of."""
    told = part.told
    if part.name.partition(".")[2].startswith("assert_") and told.startswith("Fail "):
        told += " AssertionError"
    if part.owner is not None and issubclass(part.owner, Pending):
        told += inspect.getdoc(Pending) or ""
    return sorted(error for error in raised_by(part.function, part.owner, set()) if error not in told)


def raised_by(function: Any, owner: type | None, seen: set[Any]) -> set[str]:
    """The errors that a function raises by name, and so do the private ones that it calls."""
    if function in seen:
        return set()
    seen.add(function)
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    found = {name for node in ast.walk(tree) if isinstance(node, ast.Raise) and (name := error_in(node)) is not None}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (other := private_in(node.func, function, owner)) is not None:
            found |= raised_by(other, owner, seen)
    return found


def error_in(node: ast.Raise) -> str | None:
    """The class that a statement raises, where it is one of ours or one that stands for wrong use."""
    kind = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    name = getattr(kind, "id", getattr(kind, "attr", ""))
    import qcore

    return name if name in OUR_ERRORS or name in qcore.__all__ else None


def private_in(call: ast.expr, function: Any, owner: type | None) -> Any:
    """The private function of the same module, or method of the same class, that is called; None for any other."""
    if isinstance(call, ast.Name) and call.id.startswith("_"):
        found = function.__globals__.get(call.id)
    elif isinstance(call, ast.Attribute) and call.attr.startswith("_") and isinstance(call.value, ast.Name):
        found = getattr(owner, call.attr, None) if call.value.id in {"self", "cls"} else None
    else:
        return None
    found = function_in(found)
    return found if found is not None and str(found.__module__).startswith("q") else None


def test_fields_of_results_have_their_units() -> None:
    """A field that is a time or a size says its unit: in its name, or in what stands below it."""
    for cls in RETURNED:
        source = inspect.getsource(cls)
        for name in getattr(cls, "__struct_fields__", ()):
            if TIME_OR_SIZE.search(name) and name in cls.__annotations__:
                below = re.search(rf'^    {name}: .*\n(?:    """(.*?)""")?', source, re.MULTILINE | re.DOTALL)
                told = (below[1] if below and below[1] else "") + (inspect.getdoc(cls) or "")
                assert name.endswith(("_s", "_bytes")) or UNIT.search(told), f"{cls.__name__}.{name}: in which unit?"


class Odd:
    """Breaks each rule once."""

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


def test_what_is_missing_is_found() -> None:
    for one in (Odd.pause, Odd.number, Odd.deep, Odd._deeper):
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
