"""Names of what is made: a class, and the module, the words and the project that follow from it."""

from __future__ import annotations

import builtins
import keyword
import re
import sys
from contextlib import suppress
from importlib.metadata import requires

import qcore
from qctl.exits import WrongUsage

_IN_TEMPLATES = frozenset({"Around", "Combine", "Command", "CommandTester", "Fetch", "Inside", "Iterator", "QueueFake"})
"""What templates import or define with a capital, beside what comes from `qcore`.

Their other names begin with a small letter, as no class does. A function may collide with those of its own templates:
they are called like the class of what they hold, such as `queue_fake`, and what is in small letters like a class that
has its name already is refused.
"""
_FOR_PYTEST = "conftest"
NOT_OURS = frozenset({"qcore", "qctl", "test", "tests"})
"""Packages that nothing new may be put into, nor hide."""
_TOOLS = frozenset({"hatchling", "mypy", "pip", "pytest", "ruff"})
"""What a new project is tested and built with."""
_LONGEST = 40
"""Letters of a name: what is made of it fits in the lines of a formatted file."""


def class_name(name: str, *, is_function: bool = False) -> str:
    """Return a name that a new class may have.

    Args:
        name: as it was given.
        is_function: its form with `_` becomes the name of a function.

    Raises:
        WrongUsage: it is no class name in ASCII letters and digits, or it is another's, or pytest takes it for a test.
    """
    stem = snake(name)
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name):
        raise WrongUsage(f"{name!r} is no name of a class", hint=f"write {_meant(name, is_function)}")
    if len(name) > _LONGEST:
        raise WrongUsage(f"{name[:20]!r}... has {len(name)} letters", hint=f"{_LONGEST} at the most")
    if len(name) == 1:
        raise WrongUsage(f"{name!r} says too little", hint="write what it does, such as SendEmail")
    if name.startswith("Test") or stem.startswith("test"):
        raise WrongUsage(f"{name!r}: pytest takes what begins so for a test", hint="write what it does, such as TryOut")
    taken = name in _taken() or hasattr(builtins, name)
    if taken or (is_function and (stem in {snake(one) for one in _taken()} or hasattr(builtins, stem))):
        raise WrongUsage(f"{name!r} is the name of something else", hint=f"write My{name}, or what it does")
    if keyword.iskeyword(stem) or stem == _FOR_PYTEST:
        raise WrongUsage(f"{name!r}: no module can be called {stem}", hint=f"write {name}Job, or what it does")
    return name


def project_name(name: str) -> str:
    """Return the package of a project of this name: `my-shop` is `my_shop`.

    Raises:
        WrongUsage: it is no name of a package, or another package has it.
    """
    package = name.replace("-", "_")
    if not re.fullmatch(r"[a-z]([a-z0-9_]*[a-z0-9])?", package) or keyword.iskeyword(package):
        wanted = snake(_camel(name)) or "shop"
        raise WrongUsage(f"{name!r} is no name of a package", hint=f"small letters, digits and -: {wanted}")
    if len(package) > _LONGEST:
        raise WrongUsage(f"{name[:20]!r}... has {len(name)} letters", hint=f"{_LONGEST} at the most")
    if package in NOT_OURS | _TOOLS | _needed() or package in sys.stdlib_module_names:
        raise WrongUsage(f"{name!r} is the name of another package", hint=f"write my-{name}, or what it does")
    return package


def snake(name: str) -> str:
    """`SendHTTPRequest` is `send_http_request`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def kebab(name: str) -> str:
    """`SendHTTPRequest` is `send-http-request`."""
    return snake(name).replace("_", "-")


def _needed() -> frozenset[str]:
    """What qctl itself imports, as far as it is installed under a name like that."""
    required = (re.match(r"[\w.-]+", one) for one in requires("qctl") or ())
    return frozenset(one.group().lower().replace("-", "_") for one in required if one is not None)


def _taken() -> frozenset[str]:
    return _IN_TEMPLATES.union(qcore.__all__)


def _meant(name: str, is_function: bool) -> str:
    """A name that may be had: the one that was probably meant, if there is such."""
    meant = _camel(name)
    with suppress(WrongUsage):
        return class_name(meant, is_function=is_function) if meant != name else "SendEmail"
    return "SendEmail"


def _camel(name: str) -> str:
    """What was probably meant: `send-email` is `SendEmail`."""
    words = re.findall(r"[A-Za-z][A-Za-z0-9]*", name) if name.isascii() else []
    return "".join(word[0].upper() + word[1:] for word in words)
