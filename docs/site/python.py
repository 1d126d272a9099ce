"""The reference of the Python names, made from their docstrings and signatures."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

OTHERS = {
    "qctl": ("Command",),
    "qctl.testing": ("CommandTester", "CommandResult"),
    "qcore.worker": ("WorkerOptions", "SupervisorOptions"),
    "qcore.integrations.starlette": ("AfterResponse", "lifespan"),
    "qcore.integrations.flask": ("Queue",),
}
"""Public names of modules that have no page of their own."""
SECTION = re.compile(r"^(Args|Returns|Raises|Yields|Attributes):$")
HEADINGS = {"Args": "Arguments"}


def module_page(module: str) -> str:
    """A page of everything that a module makes public.

    Args:
        module: its dotted name; it has an `__all__`.
    """
    imported = import_module(module)
    lines = [f"# {module}", "", plain(inspect.getdoc(imported) or "")]
    for name in imported.__all__:
        lines += ["", *entry(module, name)]
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
        if issubclass(thing, BaseException):
            return
        own = vars(thing).get("__init__")
        if inspect.getdoc(own) and own.__doc__:
            yield from told(own)
        for member, value in sorted(members(thing).items()):
            yield from ("", f"### {name}.{member}", "")
            if not isinstance(value, property) and callable(getattr(thing, member)):
                yield from _called(_signature(member, getattr(thing, member)))
            yield from told(getattr(thing, member) if not isinstance(value, property) else value)


def members(cls: type) -> dict[str, Any]:
    """What a class, and those of ours that it derives from, offer: methods and properties."""
    found: dict[str, Any] = {}
    for kind in reversed(cls.__mro__):
        if not kind.__module__.startswith(("qcore", "qctl")):
            continue
        for name, value in vars(kind).items():
            if not name.startswith("_") and not inspect.ismemberdescriptor(value) and hasattr(value, "__get__"):
                found[name] = value
    return found


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
    line = f"{name}{signature}".replace("'", "")
    return line if len(line) <= 100 else _broken(name, signature)


def _broken(name: str, signature: inspect.Signature) -> str:
    taken = "".join(f"    {parameter},\n" for parameter in signature.parameters.values()).replace("'", "")
    returned = "" if signature.return_annotation is signature.empty else f" -> {signature.return_annotation}"
    return f"{name}(\n{taken}){returned}".replace("'", "")
