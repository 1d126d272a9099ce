"""The one configuration file: where it is looked for, and whether it may be believed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from qcore.errors import ConfigurationError

NAME = "qctl.toml"
_PROJECT = "pyproject.toml"
_ROOTS = (".git", ".hg", ".svn", ".jj")


class Source(NamedTuple):
    """A file that was read."""

    path: Path
    label: str
    """How it is named in origins and errors."""
    tree: Mapping[str, Any]


def find_source(explicit: str | Path | None, cwd: Path, environ: Mapping[str, str]) -> Source | None:
    """Read the first file there is: the one that was named, qctl.toml, pyproject.toml, the user's own.

    qctl.toml and pyproject.toml are looked for from `cwd` up to the root of its repository; outside of one in
    `cwd` alone.

    Raises:
        ConfigurationError: it is missing, unreadable, no TOML, or anybody could have written it.
    """
    if explicit:
        path = cwd / Path(explicit).expanduser()
        return _source(path, _label(path, cwd))
    for path in (folder / NAME for folder in _upwards(cwd)):
        if _is_file(path):
            return _source(_trusted(path), _label(path, cwd))
    for path in (folder / _PROJECT for folder in _upwards(cwd)):
        if _is_file(path) and b"qctl" in _bytes(path):  # parsing costs 10 ms, and most projects have no such table
            source = _source(path, f"{_label(path, cwd)} [tool.qctl]")
            if source.tree:
                _trusted(path)
                return source
    own = _user_file(environ)
    return _source(_trusted(own), str(own)) if own and _is_file(own) else None


def _source(path: Path, label: str) -> Source:
    import tomllib

    try:
        tree: Mapping[str, Any] = tomllib.loads(_bytes(path).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{label}: not UTF-8 (byte {error.start})", hint="save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{label}: not valid TOML: {error}", hint=f"mend {path}") from error
    if path.name == _PROJECT:
        tool = tree.get("tool", {})
        tree = tool.get("qctl", {}) if isinstance(tool, dict) else {}
    return Source(path, label, tree)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{path}: {error.strerror or error}", hint="give --config or QCTL_CONFIG a file that can be read"
        ) from error


def _trusted(path: Path) -> Path:
    """Refuse a file that was found, not named, where anybody may put one: it could name any module to import."""
    for place in (path.parent, path):
        if os.name == "posix" and place.stat().st_mode & stat.S_IWOTH:
            raise ConfigurationError(
                f"{path}: refused, since anybody may write to {place}",
                hint=f'close it with: chmod o-w "{place}"; or name the file with --config',
            )
    return path


def _upwards(cwd: Path) -> Iterator[Path]:
    folders = [cwd, *cwd.parents]
    for count, folder in enumerate(folders, 1):
        if any((folder / root).exists() for root in _ROOTS):
            return iter(folders[:count])
    return iter(folders[:1])


def _user_file(environ: Mapping[str, str]) -> Path | None:
    folder, home = environ.get("XDG_CONFIG_HOME"), environ.get("HOME")
    if not folder and not home:
        return None
    return (Path(folder) if folder else Path(str(home)) / ".config") / "qctl" / "config.toml"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may not be looked into holds no settings for us
        return False


def _label(path: Path, cwd: Path) -> str:
    return path.name if path.parent == cwd else str(path)
