"""The face of qcore: commands and screens. Light to import: a name costs what it costs when it is asked for."""

from qcore import __version__

__all__ = ["__version__"]
