"""The reference of the Python names, made from their docstrings and signatures."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

from attributes import Attribute, attributes_of

MODULES = ("qcore", "qcore.middleware", "qcore.testing")
"""Modules that have a page of their own: all that is in their `__all__`."""
OTHERS = {
    "qctl": ("Command",),
    "qctl.testing": ("CommandTester", "CommandResult"),
    "qcore.worker": ("WorkerOptions", "SupervisorOptions", "StopReason", "WorkerObserver"),
    "qcore.security": ("authorize_job",),
    "qcore.integrations.starlette": ("AfterResponse", "lifespan"),
    "qcore.integrations.flask": ("Queue",),
    "qcore.integrations.django.manager": ("DjangoManager",),
    "qcore.integrations.django.middleware": ("after_response",),
    "qcore.monitor": ("ActionResult", "Actions", "Metrics", "Monitor"),
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
"""What the functions and events of `qcore` give, and nobody makes: on its page, after what can be imported from it."""
SECTION = re.compile(r"^(Args|Returns|Raises|Yields|Attributes):$")
HEADINGS = {"Args": "Arguments"}
_WIDEST = 100


def module_page(module: str) -> str:
    """A page of everything that a module makes public.

    Args:
        module: its dotted name; it has an `__all__`.
    """
    imported = import_module(module)
    lines = [f"# {module}", "", plain(inspect.getdoc(imported) or "")]
    for name in imported.__all__:
        lines += ["", *entry(module, name)]
    for home, names in RETURNED.items() if module == "qcore" else ():
        for name in names:
            lines += ["", *entry(home, name)]
    return "\n".join(lines) + "\n"


def others_page() -> str:
    """A page of the public names of the other modules."""
    lines = [
        "# qctl, workers and frameworks",
        "",
        "What modules beside `qcore`, `qcore.middleware` and `qcore.testing` offer.",
    ]
    for module, names in OTHERS.items():
        for name in names:
            lines += ["", *entry(module, name)]
    return "\n".join(lines) + "\n"


def entry(module: str, name: str) -> Iterator[str]:
    """What there is to say of a public name: how it is called, its docstring, and its methods where it is a class."""
    thing = getattr(import_module(module), name)
    yield f"## {name}"
    yield ""
    if inspect.isclass(thing) or inspect.isroutine(thing):
        yield from _called(f"from {module} import {name}", _signature(name, thing))
        yield from told(thing)
    else:
        yield from _called(f"from {module} import {name}", "")
        yield plain(f"`{thing!r}`" if isinstance(thing, str) else inspect.getdoc(thing) or "")
    if inspect.isclass(thing):
        if derived := bases(thing):
            yield from ("", f"Derives from {', '.join(f'`{base}`' for base in derived)}, and has what these have.")
        own = vars(thing).get("__init__")
        if inspect.getdoc(own) and own.__doc__:
            yield from told(own)
        held = attributes(thing)
        yield from _attributes(held)
        for member, value in sorted(members(thing).items()):
            if member in held or issubclass(thing, BaseException):
                continue
            yield from ("", f"### {name}.{member}", "")
            if not isinstance(value, property) and callable(getattr(thing, member)):
                yield from _called(_signature(member, getattr(thing, member)))
            yield from told(getattr(thing, member) if not isinstance(value, property) else value)


def attributes(cls: type) -> dict[str, Attribute]:
    """What a class holds that something is said of below it, with that of bases that have no entry of their own."""
    found = {one.name: one for kind in _kinds(cls) for one in attributes_of(kind)}
    return {name: one for name, one in found.items() if one.told is not None}


def _attributes(held: dict[str, Attribute]) -> Iterator[str]:
    if held:
        yield from ("", "**Attributes**", "")
    for one in held.values():
        first, *more = (one.told or "").splitlines()
        yield f"- `{one.line}`: {plain(first)}"
        yield from (f"  {plain(line)}" if line else "" for line in more)


def _kinds(cls: type) -> list[type]:
    """A class, and the bases of ours that no other entry tells of, the outermost first."""
    kinds = [kind for kind in cls.__mro__ if kind.__module__.startswith(("qcore", "qctl"))]
    told_elsewhere = {base for kind in kinds if kind is not cls and kind in _public() for base in kind.__mro__}
    return [kind for kind in reversed(kinds) if kind not in told_elsewhere]


def members(cls: type) -> dict[str, Any]:
    """What a class offers: its methods and properties, and those of bases of ours that have no entry of their own."""
    return {
        name: value
        for kind in _kinds(cls)
        for name, value in vars(kind).items()
        if not name.startswith("_") and not inspect.ismemberdescriptor(value) and hasattr(value, "__get__")
    }


def bases(cls: type) -> list[str]:
    """The public classes that a class derives from directly, which tell the rest of what it offers."""
    return [base.__name__ for base in cls.__bases__ if base in _public()]


@cache
def _public() -> frozenset[type]:
    """The classes that have an entry on the page of a module."""
    things = (getattr(import_module(module), name) for module in MODULES for name in import_module(module).__all__)
    return frozenset(thing for thing in things if inspect.isclass(thing))


def told(thing: Any) -> Iterator[str]:
    """A docstring as Markdown: its sections become lists."""
    section = ""
    for line in (inspect.getdoc(thing) or "").splitlines():
        if heading := SECTION.match(line):
            section = heading[1]
            yield from ("", f"**{HEADINGS.get(section, section)}**", "")
        elif section and line and not line.startswith(" "):
            section = ""
            yield from ("", plain(line))
        elif section and re.match(r"^ {4}\S", line):
            yield _item(line.strip(), section)
        elif section:
            yield f"  {plain(line.strip())}" if line.strip() else ""
        else:
            yield plain(line)


def plain(text: str) -> str:
    """Text in which no letter outside of code means anything to Markdown but the code itself."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(piece if piece.startswith("`") else _escaped(piece) for piece in pieces)


def _escaped(text: str) -> str:
    return re.sub(r"([<\[\]*_])", r"\\\1", text)


def _item(line: str, section: str) -> str:
    named = re.match(r"^(\*{0,2}\w+(?: \([^)]*\))?): (.*)$", line)
    if named and section != "Returns":
        return f"- `{named[1]}`: {plain(named[2])}"
    return plain(line) if section in {"Returns", "Yields"} else f"- {plain(line)}"


def _called(*lines: str) -> Iterator[str]:
    yield from ("```python", *(line for line in lines if line), "```", "")


def _signature(name: str, thing: Any) -> str:
    """How a thing is called, a line to each argument where one line would be long."""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):  # one that C code builds
        return ""
    line = _bare(f"{name}{signature}")
    return line if len(line) <= _WIDEST else _broken(name, signature)


def _broken(name: str, signature: inspect.Signature) -> str:
    taken = [str(parameter) for parameter in signature.parameters.values()]
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        taken.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    returned = "" if signature.return_annotation is signature.empty else f" -> {signature.return_annotation}"
    return _bare(f"{name}(\n" + "".join(f"    {one},\n" for one in taken) + f"){returned}")


def _bare(line: str) -> str:
    """A signature without the quotes round its types."""
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", line)
