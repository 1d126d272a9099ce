"""Where new files go: into the package of the application, and its tests beside it."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from typing import NamedTuple

from qcore.errors import ConfigurationError
from qcore.manager.app import make_here_importable
from qctl.exits import CommandFailed, Exit, WrongUsage
from qctl.making.naming import NOT_OURS


class Home(NamedTuple):
    """The package that new modules go into."""

    package: str
    """Its dotted name."""
    folder: Path
    """Relative to the working directory."""
    app: str | None
    """The configured application module, where there is one."""

    @property
    def is_of_the_app(self) -> bool:
        """Whether workers of the application may run what lies here without being told to."""
        return self.app is None or self.package.partition(".")[0] == self.app.partition(".")[0]

    @property
    def new_packages(self) -> list[Path]:
        """Its folder and those of the packages around it, as far as they are not there yet; outermost first."""
        return [folder for folder in self.chain if not folder.exists()]

    @property
    def chain(self) -> list[Path]:
        """Its folder and those of the packages around it, outermost first."""
        return [self.folder, *self.folder.parents][self.package.count(".") :: -1]


def home_of(app: str | None, kind: str, package: str | None) -> Home:
    """Say where a new module goes: the package asked for, else `KIND` in the application's package, else `KIND` here.

    Args:
        app: the configured application module; it is not imported.
        kind: `jobs`, `commands`, …
        package: the dotted name that was asked for, below the working directory.

    Raises:
        WrongUsage: what was asked for is no package.
        ConfigurationError: the application is not in this folder.
        CommandFailed: there is a module of that name.
    """
    if package is not None:
        return _checked(Home(package, _folder_of(package, app), app))
    root, folder = _package_of(app) if app else ("", Path())
    return _checked(Home(f"{root}.{kind}" if root else kind, folder / kind, app))


def _folder_of(package: str, app: str | None) -> Path:
    """The folder of a package that was asked for: in that of the application where it has its name, else here."""
    first, *others = package.split(".")
    if not all(re.fullmatch(r"[A-Za-z_]\w*", part, re.ASCII) and not iskeyword(part) for part in (first, *others)):
        raise WrongUsage(f"--package: {package!r} is no package", hint="write it with dots: shop.jobs")
    if first in NOT_OURS or first in sys.stdlib_module_names:
        raise WrongUsage(
            f"--package: {first!r} is the name of another package", hint="write one of your own: shop.jobs"
        )
    if app and first == app.partition(".")[0]:
        root, folder = _package_of(app)
        return (folder if root else Path(first)).joinpath(*others)
    make_here_importable()
    spec = find_spec(first) if first not in sys.modules else sys.modules[first].__spec__
    places = [*(spec.submodule_search_locations or [spec.origin or ""])] if spec is not None else []
    if places and not any(Path(one).is_relative_to(Path.cwd()) for one in places):
        raise WrongUsage(
            f"--package: {first!r} is installed in {Path(places[0]).parent}", hint="write one of your own: shop.jobs"
        )
    return Path(first, *others)


def _package_of(app: str) -> tuple[str, Path]:
    """The top-level package of an application and its folder; no name where that is a module, which holds no others."""
    name = app.partition(".")[0]
    make_here_importable()
    spec = find_spec(name) if sys.modules.get(name) is None else sys.modules[name].__spec__
    if spec is None:
        raise ConfigurationError(
            f"app {app!r}: no module named {name!r}", hint="run it in the folder that holds the application"
        )
    found = next(iter(spec.submodule_search_locations or ()), None)
    folder = Path(found) if found is not None else Path(spec.origin or "").parent
    here = Path.cwd()
    if not folder.is_relative_to(here):
        raise ConfigurationError(
            f"app {app!r} lies in {folder}, outside of this folder",
            hint="run it in the folder that holds the application",
        )
    return (name if found is not None else ""), folder.relative_to(here)


def _checked(home: Home) -> Home:
    for folder in home.chain:
        module = folder.with_suffix(".py")
        if module.exists():
            raise CommandFailed(
                f"{module} is a module, and {folder}/ would hide it", Exit.FAILED, hint="--package names another place"
            )
    return home
