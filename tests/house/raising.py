"""Which errors a function of ours raises by name, itself or by what it calls, as far as its source tells."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

import qcore

OUR_ERRORS = {"AssertionError", "TypeError", "ValueError", "AttributeError", "KeyError", "TimeoutError"}
"""Of Python's own errors those that stand for wrong use, and the one that a wait ends by."""
TRUSTED = ("qcore.crypto",)
"""Not followed: they see to what their callers have checked already."""


def is_ours(thing: Any) -> bool:
    return str(getattr(thing, "__module__", "")).startswith(("qcore", "qctl"))


def function_in(value: Any) -> Any:
    """The function behind what a class or module holds; None where there is none of ours."""
    for attribute in ("__func__", "fget", "function", "func", "_method"):
        value = getattr(value, attribute, value)
    function = inspect.unwrap(value) if callable(value) else None
    written = inspect.isfunction(function) and is_ours(function) and not function.__code__.co_filename.startswith("<")
    return function if written else None


def raised_by(function: Any, owner: type | None, seen: set[Any] | None = None) -> set[str]:
    """The names of errors that a call may raise; what is caught on the way is none.

    Followed are functions that a module's or the function's own imports name, constructors, and methods called on
    `self` or `cls`. Not followed: what is called on any other value, such as a store, or handed on.
    """
    seen = set() if seen is None else seen
    if function in seen or function.__module__.startswith(TRUSTED):
        return set()
    seen.add(function)
    return _Reader(function, owner, seen).raised(_tree(function).body)


@cache
def _tree(function: Any) -> Any:
    return ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]


class _Reader:
    """Reads one function."""

    def __init__(self, function: Any, owner: type | None, seen: set[Any]) -> None:
        self._function, self._owner, self._seen = function, owner, seen
        self._known = {**function.__globals__, **dict(_imported(_tree(function)))}

    def raised(self, nodes: list[Any]) -> set[str]:
        """What these nodes raise, one by one."""
        return set().union(*(self._by(node) for node in nodes)) if nodes else set()

    def _by(self, node: Any) -> set[str]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            return set()  # run later, by somebody else
        if isinstance(node, ast.Try):
            return self._tried(node)
        found = self.raised(list(ast.iter_child_nodes(node)))
        if isinstance(node, ast.Raise) and (name := _error_in(node)) is not None:
            found.add(name)
        if isinstance(node, ast.Call):
            for other, owner in self._called(node.func):
                found |= raised_by(other, owner, self._seen)
        return found

    def _tried(self, node: ast.Try) -> set[str]:
        caught = {name for handler in node.handlers for name in _names_in(handler) if not _raises_again(handler)}
        tried = {name for name in self.raised(node.body) if not _is_among(name, caught)}
        rest = [*node.orelse, *node.finalbody, *(part for handler in node.handlers for part in handler.body)]
        return tried | self.raised(rest)

    def _called(self, call: ast.expr) -> Iterator[tuple[Any, type | None]]:
        """The functions of ours behind a call, each with the class it belongs to."""
        if isinstance(call, ast.Name):
            target, owner = self._known.get(call.id), None
        elif isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name):
            holder = self._owner if call.value.id in {"self", "cls"} else self._known.get(call.value.id)
            is_holder = inspect.ismodule(holder) or inspect.isclass(holder)
            target = inspect.getattr_static(holder, call.attr, None) if is_holder else None
            owner = holder if inspect.isclass(holder) else None
        else:
            return
        if inspect.isclass(target):
            if is_ours(target) and not issubclass(target, BaseException):
                made = (
                    function_in(vars(kind).get(n)) for kind in target.__mro__ for n in ("__init__", "__post_init__")
                )
                yield from ((one, target) for one in made if one is not None)
        elif (function := function_in(target)) is not None:
            yield function, owner


def _imported(tree: Any) -> Iterator[tuple[str, Any]]:
    """What a function imports of ours for itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("qcore"):
            for one in node.names:
                yield one.asname or one.name, getattr(import_module(node.module), one.name, None)


def _error_in(node: ast.Raise) -> str | None:
    """The class that a statement raises, where it is one of ours or one that stands for wrong use."""
    kind = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    name = getattr(kind, "id", getattr(kind, "attr", ""))
    return name if name in OUR_ERRORS or name in qcore.__all__ else None


def _names_in(handler: ast.ExceptHandler) -> set[str]:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {getattr(kind, "id", getattr(kind, "attr", "BaseException")) for kind in kinds}


def _raises_again(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))


def bases_of(name: str) -> set[str]:
    """An error's own name, and those of what it derives from."""
    import builtins

    kind = getattr(qcore, name, None) or getattr(builtins, name)
    return {base.__name__ for base in kind.__mro__} - {"object"}


def _is_among(name: str, caught: set[str]) -> bool:
    return bool(bases_of(name) & caught)
