"""`qctl key:generate`."""

import base64
import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from qctl import output
from qctl.commands.choosing import confirm
from qctl.context import Invocation
from qctl.exits import CommandFailed, Exit

EXAMPLES = ("export QCTL_KEY=$(qctl key:generate)", "qctl key:generate --write .env")
EXITS = (Exit.FAILED, Exit.USAGE, Exit.UNCONFIRMED)
_NAME = "QCTL_KEY"
_BYTES = 32


def run(
    ctx: typer.Context,
    write: Annotated[
        str | None, typer.Option("--write", metavar="FILE", help="Put QCTL_KEY=... there, readable by you alone.")
    ] = None,
) -> None:
    """Make an app key.

    It signs jobs, and encrypts those that ask for it. Prints it, or with --write keeps it in a file and prints
    nothing of it; a key that stands there already is replaced once that is confirmed.
    """
    call = Invocation.of(ctx)
    key = "base64:" + base64.b64encode(secrets.token_bytes(_BYTES)).decode()
    if write is None:
        data: dict[str, str | None] = {"key": key, "file": None}
        output.show(call, output.Report(schema="qctl.key/1", data=data, text=key, name="key"))
        return
    path = Path(write)
    _write(call, path, key)
    data = {"key": None, "file": str(path)}
    output.show(call, output.Report(schema="qctl.key/1", data=data, text=f"wrote {_NAME} to {path}", name="file"))


def _write(call: Invocation, path: Path, key: str) -> None:
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        others = [line for line in lines if not line.startswith(f"{_NAME}=")]
        if len(others) < len(lines):
            confirm(
                call,
                f"replace the {_NAME} in {path}; jobs signed with it will be refused unless it is kept "
                "in QCTL_PREVIOUS_KEYS",
            )
        _replace(path, "\n".join([*others, f"{_NAME}={key}"]) + "\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise CommandFailed(f"cannot write {path}: {reason}", Exit.FAILED) from error


def _replace(path: Path, text: str) -> None:
    """Write beside it and rename, so that no crash leaves half a file; readable by its owner alone."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
