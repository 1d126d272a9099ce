"""Job classes by name: what a worker can import, and which of it the application allows."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from importlib import import_module
from typing import Any

from qcore.errors import PayloadError, UnknownJobClass
from qcore.jobs.job import Job

_OWN = "qcore"
ANY = "*"
"""Among the modules that are allowed: every one is."""


class JobClasses:
    """Finds job classes by their paths; what is not allowed is not even imported.

    Args:
        modules: those whose classes may be run, and what lies below them; None allows every module.
        known: further modules, imported already, so that looking into them runs nothing.
    """

    def __init__(self, modules: Iterable[str] | None = None, known: Collection[str] = ()) -> None:
        self._modules = None if modules is None else (_OWN, *modules)
        self._known = known
        self._found: dict[str, type[Job]] = {}

    def find(self, path: str) -> type[Job]:
        """Find the job class of a path; nothing but a `Job` or an `@job` function is ever returned.

        Raises:
            UnknownJobClass: there is none, or its module is not allowed.
        """
        cls = self._found.get(path)
        if cls is None:
            self.check(path)
            cls = _found(path)
            self.check(f"{cls.__module__}:{cls.__qualname__}")  # a name may lead into a module that is not allowed
            self._found[path] = cls
        return cls

    def forget(self) -> None:
        """Look for each class anew."""
        self._found.clear()

    def check(self, path: str) -> None:
        """See that what a path leads to may be imported and run here; raises as `find` does."""
        module = path.partition(":")[0]
        if self._modules is None or ANY in self._modules or module in self._known:
            return
        if not any(module == one or module.startswith(f"{one}.") for one in self._modules):
            raise UnknownJobClass(
                f"{path}: {module!r} is none of the modules whose jobs may run here",
                hint="if it should be, import it in the app module, or name it in allowed_modules",
            )


_every = JobClasses()
_paths: dict[type[Job], str] = {}


def resolve(path: str) -> type[Job]:
    """Find the job class of a path that somebody named here, in whatever module; raises as `JobClasses.find` does."""
    return _every.find(path)


def class_path(cls: type[Job]) -> str:
    """Return `module:QualName` of a job class that a worker can import.

    Raises:
        PayloadError: it is defined in `__main__` or inside a function, or its name leads elsewhere.
    """
    path = _paths.get(cls)
    if path is None:
        path = _paths[cls] = _checked_path(cls)
    return path


def _checked_path(cls: type[Job]) -> str:
    module, name = cls.__module__, cls.__qualname__
    if module == "__main__":
        raise PayloadError(
            f"{name} is defined in __main__, where no worker can import it",
            hint="move it to a module of its own and import it from there",
        )
    if "<locals>" in name:
        raise PayloadError(
            f"{module}:{name} is defined inside a function, where no worker can import it",
            hint="move it to the top level of its module",
        )
    if _lookup(sys.modules.get(module), name) is not cls:
        raise PayloadError(f"{module}:{name} is not what that name leads to", hint="import the job under its own name")
    return f"{module}:{name}"


def _lookup(module: Any, name: str) -> Any:
    found = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return getattr(found, "job_class", found)


def _found(path: str) -> type[Job]:
    module_name, colon, name = path.partition(":")
    if not colon or not name or not module_name:
        raise UnknownJobClass(f"{path!r} is no class path", hint="write it as module:Class")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        raise UnknownJobClass(
            f"{path}: no module named {missing!r}",
            hint="start the worker where it can be imported, or set --app",
        ) from error
    except (Exception, SystemExit) as error:  # a script leaves while it is imported: the worker must not
        raise UnknownJobClass(f"{path}: importing {module_name} failed: {type(error).__name__}: {error}") from error
    cls = _lookup(module, name)
    if not (isinstance(cls, type) and issubclass(cls, Job)) or cls is Job:
        raise UnknownJobClass(f"{path}: there is no job of that name", hint="was it renamed or moved after dispatch?")
    return cls
