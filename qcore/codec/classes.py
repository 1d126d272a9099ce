"""Classes by name: which of them can travel, and how they are found and built again."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from enum import Enum, Flag
from functools import lru_cache
from importlib import import_module
from typing import Any, TypeVar

import msgspec

from qcore.errors import PayloadError

_Base = TypeVar("_Base")
MOVE_IT = "define it at the top of a module that the worker can import"


@lru_cache(maxsize=1024)
def class_path(cls: type) -> str:
    """The name under which a worker finds a class: `module:QualName`.

    Raises:
        PayloadError: no worker could import it (defined in a script, in a function, or hidden behind another
            name).
    """
    name = f'class "{cls.__qualname__}"'
    if cls.__module__ in {"__main__", "__mp_main__"}:
        raise PayloadError(f"{name} is defined in the script that runs (__main__)", hint=MOVE_IT)
    if "<" in cls.__qualname__:
        raise PayloadError(f"{name} is defined inside a function", hint=MOVE_IT)
    if _walk(sys.modules.get(cls.__module__), cls.__qualname__) is not cls:
        raise PayloadError(f'{name} is not what "{cls.__module__}" has under that name', hint=MOVE_IT)
    return f"{cls.__module__}:{cls.__qualname__}"


def find_class(path: str) -> type:
    """Import the class at `module:QualName`; nothing is called.

    Raises:
        PayloadError: not such a path, the module cannot be imported, or there is no class of that name in it.
    """
    module, colon, qualname = path.partition(":")
    parts = [*module.split("."), *qualname.split(".")]
    if not colon or not all(part.isidentifier() for part in parts) or module == "__main__":
        raise PayloadError(f'"{path}" is no class path', hint="one reads package.module:ClassName")
    try:
        found = _walk(import_module(module), qualname)
    except (Exception, SystemExit) as error:
        # A module may raise anything while it is imported, and a script even leaves: the worker must not.
        raise PayloadError(
            f'"{module}" cannot be imported: {type(error).__name__}: {error}',
            hint="the worker needs the code of the one who dispatched; is it deployed, and on its path?",
        ) from error
    if not isinstance(found, type):
        raise PayloadError(f'"{module}" has no class "{qualname}"', hint="was it renamed or moved?")
    return found


def is_dataclass(cls: type) -> bool:
    """Whether the class itself, not only a parent, was made a dataclass."""
    return "__dataclass_fields__" in vars(cls)


def find_enum(path: str) -> type[Enum]:
    """Find an enum class.

    Raises:
        PayloadError: the path leads to none.
    """
    return _kind(find_class(path), Enum, path, "enum")


def find_flag(path: str) -> type[Flag]:
    """Find a flag class.

    Raises:
        PayloadError: the path leads to none.
    """
    return _kind(find_class(path), Flag, path, "flag")


def find_entity(path: str) -> type:
    """Find a mapped class.

    Raises:
        PayloadError: the path leads to none.
    """
    cls = find_class(path)
    if not hasattr(cls, "_sa_class_manager"):
        raise _mismatch(path, "mapped entity")
    return cls


def build_struct(path: str, values: dict[str, Any]) -> msgspec.Struct:
    """Make a `msgspec.Struct` again, with exactly these values.

    Raises:
        PayloadError: the path leads to none, or the class has other fields now.
    """
    cls = _kind(find_class(path), msgspec.Struct, path, "msgspec.Struct")
    _check_fields(path, values, cls.__struct_fields__)
    struct = cls(**values)
    for name, value in values.items():
        if getattr(struct, name) is not value:  # its __post_init__ had another idea
            msgspec.structs.force_setattr(struct, name, value)
    return struct


def build_dataclass(path: str, values: dict[str, Any]) -> Any:
    """Make a dataclass instance again, with exactly these values.

    Its constructor runs where it takes nothing but fields, so that what `__post_init__` adds is there too.

    Raises:
        PayloadError: the path leads to none, or the class has other fields now.
    """
    cls = find_class(path)
    if not is_dataclass(cls):
        raise _mismatch(path, "dataclass")
    fields = {field.name: field for field in dataclasses.fields(cls)}
    _check_fields(path, values, tuple(fields))
    if _takes_its_fields(cls):
        instance = cls(**{name: value for name, value in values.items() if fields[name].init})
    else:
        instance = object.__new__(cls)
        values = _defaults(fields) | values
    for name, value in values.items():
        if getattr(instance, name, _NOTHING) is not value:
            object.__setattr__(instance, name, value)  # frozen ones too
    return instance


_NOTHING = object()


@lru_cache(maxsize=1024)
def _takes_its_fields(cls: type) -> bool:
    """Whether the constructor asks for fields alone: no `InitVar`, no signature of its own."""
    wanted = inspect.signature(cls).parameters.keys()
    return wanted == {field.name for field in dataclasses.fields(cls) if field.init}


def _defaults(fields: dict[str, dataclasses.Field[Any]]) -> dict[str, Any]:
    found = {name: field.default for name, field in fields.items() if field.default is not dataclasses.MISSING}
    for name, field in fields.items():
        if field.default_factory is not dataclasses.MISSING:
            found[name] = field.default_factory()
    return found


def _check_fields(path: str, values: dict[str, Any], fields: tuple[str, ...]) -> None:
    unknown = sorted(values.keys() - set(fields))
    if unknown:
        raise PayloadError(
            f'"{path}" has no field "{unknown[0]}" here',
            hint="the job was dispatched by another version of the code",
        )


def _kind(cls: type, base: type[_Base], path: str, word: str) -> type[_Base]:
    if not issubclass(cls, base):
        raise _mismatch(path, word)
    return cls


def _mismatch(path: str, word: str) -> PayloadError:
    return PayloadError(f'"{path}" is no {word}', hint="was it changed since the job was dispatched?")


def _walk(owner: Any, qualname: str) -> Any:
    """Follow a qualified name through classes alone, or return None."""
    for part in qualname.split("."):
        owner = getattr(owner, part, None)
        if not isinstance(owner, type):
            return None
    return owner
