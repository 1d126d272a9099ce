"""The commands of an application: the classes that its module defines or imports."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from qcore.errors import ConfigurationError

if TYPE_CHECKING:
    from qctl.console.command import Command
    from qctl.console.signature import Signature
    from qctl.context import Invocation


class Own(NamedTuple):
    """One command of the user."""

    kind: type[Command]
    signature: Signature

    @property
    def description(self) -> str:
        """Its line in the list: what the class says, else the first line of its own docstring."""
        documented = (self.kind.__dict__.get("__doc__") or "").strip().partition("\n")[0]
        return str(self.kind.description or documented)


@dataclass(frozen=True)
class OwnCommands:
    """What was found.

    Args:
        app: the module's name.
        commands: by name, in the order found.
        broken: why a name that was found cannot be run.
        failure: why the module could not be looked into.
    """

    app: str = ""
    commands: Mapping[str, Own] = field(default_factory=dict)
    broken: Mapping[str, ConfigurationError] = field(default_factory=dict)
    failure: ConfigurationError | None = None


def find(call: Invocation, *, silently: bool) -> OwnCommands:
    """Import the application of a call and list its commands; no error leaves, each is part of the answer.

    Args:
        call: whose flags and configuration name the application.
        silently: let it print nothing while it is imported.
    """
    app = ""
    try:
        with _silence() if silently else nullcontext():
            app = call.app_name() or ""
            if app:
                from qcore.manager.app import import_app  # a store is opened for whoever asks for it

                if call.on_open is not None:
                    call.on_open(call)
                import_app(app)
    except ConfigurationError as error:
        return OwnCommands(app, failure=error)
    if not app or "qctl.console.command" not in sys.modules:  # without it nobody can have derived one
        return OwnCommands(app)
    return listed(app, commands_in(sys.modules[app]))


@contextmanager
def _silence() -> Iterator[None]:
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        yield


def listed(app: str, kinds: Iterable[type[Command]]) -> OwnCommands:
    """List the commands of some classes, those that cannot be run apart."""
    from qctl.console.signature import parse

    commands: dict[str, Own] = {}
    broken: dict[str, ConfigurationError] = {}
    for kind in dict.fromkeys(kinds):
        try:
            own = Own(kind, parse(kind.signature, _name_of(kind)))
        except ConfigurationError as error:
            broken[_probable_name(kind)] = error
            continue
        name = own.signature.name
        other = commands.get(name)
        if other is None or issubclass(kind, other.kind):
            commands[name] = own
        elif not issubclass(other.kind, kind):
            broken[name] = ConfigurationError(
                f"two commands are named {name!r}: {_name_of(other.kind)} and {_name_of(kind)}",
                hint="rename one in its signature",
            )
    return OwnCommands(app, {name: own for name, own in commands.items() if name not in broken}, broken)


def commands_in(module: ModuleType) -> list[type[Command]]:
    """The commands that a module defines or imports."""
    from qctl.console.command import Command

    classes = (value for value in vars(module).values() if isinstance(value, type))
    return [one for one in classes if issubclass(one, Command) and one.signature]


def _name_of(kind: type[Command]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _probable_name(kind: type[Command]) -> str:
    """The name that a signature which cannot be read seems to begin with."""
    words = str(kind.signature).partition("{")[0].split()
    return words[0] if words else kind.__name__
