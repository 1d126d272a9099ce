"""Everything that is public says what it is: each name, each method, and each argument of a constructor."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

PUBLIC = ("qcore", "qcore.middleware", "qcore.testing", "qctl")
OTHERS = {
    "qctl.testing": ("CommandTester", "CommandResult"),
    "qcore.worker": ("WorkerOptions", "SupervisorOptions", "StopReason", "WorkerObserver"),
    "qcore.security": ("authorize_job",),
    "qcore.monitor": ("ActionResult", "Actions", "Metrics", "Monitor"),
    "qcore.integrations.starlette": ("AfterResponse", "lifespan"),
    "qcore.integrations.flask": ("Queue",),
    "qcore.integrations.django.manager": ("DjangoManager",),
    "qcore.integrations.django.middleware": ("after_response",),
}
"""Public names of modules that have no page of their own."""
RETURNED = {
    "qcore.workflows.batch": ("PendingBatch",),
    "qcore.workflows.chain": ("PendingChain",),
    "qcore.workflows.graph": ("PendingGraph",),
    "qcore.workflows.following": ("ChainStatus", "StepStatus"),
    "qcore.manager.stats": ("QueueStats",),
    "qcore.monitor.metrics": ("JobStats", "QueueFigures"),
    "qcore.records": ("QueueDefinition",),
    "qcore.backoff": ("Exponential",),
    "qcore.states": ("Outcome",),
}
"""What public functions and events give, and nobody imports."""


def public() -> Iterator[Any]:
    """Every public name, as a parameter of a test."""
    for module in PUBLIC:
        for name in import_module(module).__all__:
            yield pytest.param(getattr(import_module(module), name), id=f"{module}.{name}")
    for module, names in [*OTHERS.items(), *RETURNED.items()]:
        for name in names:
            yield pytest.param(getattr(import_module(module), name), id=f"{module}.{name}")


FOUND = {"JobBatch", "JobRecord", "Skip", "PendingBatch", "PendingChain", "PendingGraph"}
"""Classes that a method of their own makes (`find`, `when`), or a function, and no user."""
CLASSES = [one for one in public() if inspect.isclass(one.values[0])]


def is_ours(thing: Any) -> bool:
    return str(getattr(thing, "__module__", "")).startswith(("qcore", "qctl"))


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """What a class and those of ours that it derives from define for others: methods and properties."""
    for kind in filter(is_ours, cls.__mro__):
        for name, value in vars(kind).items():
            if not name.startswith("_") and not inspect.ismemberdescriptor(value) and hasattr(value, "__get__"):
                yield name, value


@pytest.mark.parametrize("thing", [one for one in public() if not isinstance(one.values[0], str)])
def test_it_says_what_it_is(thing: Any) -> None:
    if inspect.isclass(thing) or inspect.isroutine(thing):
        assert inspect.getdoc(thing)


@pytest.mark.parametrize("cls", CLASSES)
def test_each_of_its_methods_says_what_it_does(cls: type) -> None:
    silent = {name for name, _ in members(cls) if not inspect.getdoc(getattr(cls, name))}
    assert silent == set()


@pytest.mark.parametrize("cls", CLASSES)
def test_each_argument_of_its_constructor_is_told_of(cls: type) -> None:
    """Of those written as `__init__`; the fields of plain values say themselves what they are."""
    own = next((kind for kind in cls.__mro__ if "__init__" in vars(kind)), object)
    is_value = hasattr(own, "__dataclass_fields__") or issubclass(own, BaseException)
    if not is_ours(own) or is_value or cls.__name__ in FOUND:
        return
    taken = [name for name in inspect.signature(own).parameters if name not in {"args", "kwargs"}]
    told = (inspect.getdoc(own) or "").partition("Args:\n")[2]
    assert {name for name in taken if not re.search(rf"^ +{name}: ", told, re.MULTILINE)} == set()
