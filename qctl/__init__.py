"""The face of qcore: commands and screens. Light to import: a name costs what it costs when it is asked for."""

from typing import TYPE_CHECKING, Any

from qcore import __version__

if TYPE_CHECKING:
    from qctl.console.command import Command

__all__ = ["Command", "__version__"]


def __getattr__(name: str) -> Any:
    if name != "Command":
        raise AttributeError(f"module 'qctl' has no attribute {name!r}")
    from qctl.console.command import Command

    globals()[name] = Command
    return Command
