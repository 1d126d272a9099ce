"""Writing new files: all of them or, where one would take the place of another, none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from qctl import output
from qctl.context import Invocation
from qctl.exits import CommandFailed, Exit, NotConfirmed

_COLUMNS = (output.Column("FILE", "file", whole=True),)


def write_all(files: Mapping[Path, str], *, force: bool, packages: Sequence[Path] = ()) -> list[Path]:
    """Write files with the folders that they need.

    Args:
        files: what is to stand in each.
        force: take the place of files that are there.
        packages: folders that are to be made as packages, each with an empty `__init__.py`.

    Returns:
        What was written, in order.

    Raises:
        NotConfirmed: one is there already; nothing was written.
        CommandFailed: one cannot be written.
    """
    there = [path for path in files if path.exists() or path.is_symlink()]
    if there and not force:
        others = f" (and {len(there) - 1} more)" if len(there) > 1 else ""
        raise NotConfirmed(f"{there[0]}{others} is there already; nothing was written", hint="--force writes it anew")
    whole = {folder / "__init__.py": "" for folder in packages} | dict(files)
    blocking = [one for path in whole for one in path.parents if one.exists() and not one.is_dir()]
    if blocking:
        raise CommandFailed(f"{blocking[0]} is no folder; nothing was written", Exit.FAILED, hint="move it elsewhere")
    for path, text in whole.items():
        _write(path, text, force=force)
    return list(whole)


def _write(path: Path, text: str, *, force: bool) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w" if force else "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise CommandFailed(f"cannot write {path}: {error.strerror}", Exit.FAILED) from error


def tell(call: Invocation, files: Sequence[Path], next_steps: Sequence[str], *, note: str = "") -> None:
    """Say what was made, and what to type next.

    Args:
        call: of the command.
        files: that were written.
        next_steps: commands.
        note: what to do by hand before.
    """
    names = [path.as_posix() for path in files]
    lines = [f"made {name}" for name in names]
    lines += [note] if note else []
    lines += [f"next: {step}" if not index else f"      {step}" for index, step in enumerate(next_steps)]
    report = output.Report(
        schema="qctl.made/1",
        data={"files": names, "note": note or None, "next": list(next_steps)},
        items=[{"file": name} for name in names],
        item_schema="qctl.made.item/1",
        columns=_COLUMNS,
        name="file",
        text="\n".join(lines) if output.format_of(call) in {"table", "plain"} else None,
    )
    output.show(call, report)
