"""The user's application module: jobs, queue definitions and settings, found by name."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from qcore.config import Settings
from qcore.errors import ConfigurationError
from qcore.jobs.classes import JobClasses

_SETTINGS = ("QUEUE_CONFIG", "STORES")


def make_here_importable() -> None:
    """Let the modules of the working directory be imported, as `python -m` does."""
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def import_app(name: str) -> ModuleType:
    """Import the module that `--app` names, with the working directory importable.

    Raises:
        ConfigurationError: there is no such module, or importing it failed.
    """
    make_here_importable()
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"app {name!r}: no module named {error.name!r}",
            hint="run from the folder that holds it, or set PYTHONPATH; --app takes a module's dotted name",
        ) from error
    except (Exception, SystemExit) as error:  # a script leaves while it is imported
        raise ConfigurationError(f"app {name!r}: importing it failed: {type(error).__name__}: {error}") from error


def settings_of(app: ModuleType) -> dict[str, Any]:
    """Read `QUEUE_CONFIG` and `STORES` of the application module, where it has them."""
    return {name: getattr(app, name) for name in _SETTINGS if hasattr(app, name)}


def classes_of(settings: Settings) -> JobClasses:
    """Say whose jobs may run: those of the modules that are allowed, or else of the application module.

    That is its top-level package, and what importing it has imported. With neither, any module's.
    """
    if settings.allowed_modules is not None:
        return JobClasses(settings.allowed_modules)
    if settings.app is None:
        return JobClasses()
    return JobClasses((settings.app.partition(".")[0],), frozenset(sys.modules))
