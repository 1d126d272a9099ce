"""The attributes of classes and what is said of each: the string that stands below it."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple


class Attribute(NamedTuple):
    """One attribute, as its class writes it."""

    name: str
    line: str
    """With its type and its default, where it has them."""
    told: str | None
    """The string below it, or below that of a base which it overrides; None where there is none."""
    owner: type


def attributes_of(cls: type) -> Iterator[Attribute]:
    """The public attributes that a class itself writes down: fields, members of an enum, and those of its `__init__`.

    Of those in `__init__` only the ones with a string below them: others are its arguments, which that tells of.
    """
    tree = _tree(cls)
    yield from (_filled(one) for one in _in(tree.body, cls) if not one.name.startswith("_"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            found = _in(node.body, cls, "self.")
            yield from (one for one in found if one.told is not None and not one.name.startswith("_"))


def _filled(one: Attribute) -> Attribute:
    """The same with what a base says of it, where its own class says nothing."""
    bases = [base for base in one.owner.__mro__[1:] if base.__module__.startswith(("qcore", "qctl"))]
    told = (other.told for base in bases for other in attributes_of(base) if other.name == one.name and other.told)
    return one if one.told is not None else one._replace(told=next(told, None))


@cache
def _tree(cls: type) -> ast.ClassDef:
    return next(node for node in ast.parse(inspect.getsource(cls)).body if isinstance(node, ast.ClassDef))


def _in(body: list[ast.stmt], cls: type, of: str = "") -> Iterator[Attribute]:
    """What is assigned in a body, with the string that follows it."""
    for node, after in zip(body, [*body[1:], None], strict=True):
        target: Any = node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
        written = "" if target is None else ast.unparse(target)
        if not written.startswith(of) or not written.removeprefix(of).isidentifier():
            continue
        told = _string(after)
        if told is None and isinstance(node, ast.Assign) and not isinstance(node.value, ast.Constant):
            continue  # another name for a method, or the like
        name = written.removeprefix(of)
        yield Attribute(name, _line(node, name) if of else ast.unparse(node), told, cls)


def _line(node: ast.stmt, name: str) -> str:
    """An attribute of an instance, without what the constructor makes it of."""
    return f"{name}: {ast.unparse(node.annotation)}" if isinstance(node, ast.AnnAssign) else name


def _string(node: ast.stmt | None) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return inspect.cleandoc(node.value.value)
    return None
