"""Methods that work on the class as on an instance: called on the class, they act on the manager in force."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M")


class everywhere(Generic[M, P, R]):  # noqa: N801  reads as the decorator it is
    """Bind a method to the instance, or to `cls.current()` where there is none."""

    def __init__(self, method: Callable[Concatenate[M, P], R]) -> None:
        self._method = method
        self.__doc__ = method.__doc__
        self.__name__ = method.__name__

    def __get__(self, instance: M | None, owner: Any) -> Callable[P, R]:
        target = instance if instance is not None else owner.current()
        return self._method.__get__(target, owner)  # type: ignore[no-any-return]  # a function's __get__
