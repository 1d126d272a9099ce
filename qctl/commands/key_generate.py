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

EXAMPLES = ("export QCTL_KEY=$(qctl key:generate)", "qctl key:generate --write .env", "qctl key:generate --ed25519")
EXITS = (Exit.FAILED, Exit.USAGE, Exit.UNCONFIRMED)
_NAME = "QCTL_KEY"
_PAIR = ("QCTL_SIGNING_KEY", "QCTL_VERIFY_KEYS")
_BYTES = 32


def run(
    ctx: typer.Context,
    write: Annotated[
        str | None, typer.Option("--write", metavar="FILE", help="Put QCTL_KEY=... there, readable by you alone.")
    ] = None,
    ed25519: Annotated[
        bool, typer.Option("--ed25519", help="A pair: one half signs jobs, the other only verifies them.")
    ] = False,
) -> None:
    """Make an app key.

    It signs jobs, and encrypts those that ask for it. Prints it, or with --write keeps it in a file and prints
    nothing of it; a key that stands there already is replaced once that is confirmed.
    """
    call = Invocation.of(ctx)
    made = _made_pair() if ed25519 else {_NAME: "base64:" + base64.b64encode(secrets.token_bytes(_BYTES)).decode()}
    shown = None if write is None else dict.fromkeys(made)
    if write is not None:
        _write(call, Path(write), made)
    text = f"wrote {' and '.join(made)} to {write}" if write is not None else _lines(made)
    values = list((shown or made).values())
    keys = {"signing_key": values[0], "verify_key": values[1]} if ed25519 else {"key": values[0]}
    data = {**keys, "file": None if write is None else str(Path(write))}
    schema = "qctl.key_pair/1" if ed25519 else "qctl.key/1"
    name = "file" if write is not None else next(iter(keys))
    output.show(call, output.Report(schema=schema, data=data, text=text, name=name))


def _made_pair() -> dict[str, str]:
    from qcore.crypto.pair import generate_pair

    return dict(zip(_PAIR, generate_pair(), strict=True))


def _lines(made: dict[str, str]) -> str:
    """A key by itself, to be assigned by whoever asked; a pair as the two assignments."""
    return "\n".join(f"{name}={key}" for name, key in made.items()) if len(made) > 1 else made[_NAME]


def _write(call: Invocation, path: Path, made: dict[str, str]) -> None:
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        others = [line for line in lines if not line.startswith(tuple(f"{name}=" for name in made))]
        if len(others) < len(lines):
            _confirm(call, path, made)
        _replace(path, "\n".join([*others, *(f"{name}={key}" for name, key in made.items())]) + "\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise CommandFailed(f"cannot write {path}: {reason}", Exit.FAILED) from error


def _confirm(call: Invocation, path: Path, made: dict[str, str]) -> None:
    kept = "QCTL_PREVIOUS_KEYS" if _NAME in made else "QCTL_VERIFY_KEYS"
    confirm(
        call,
        f"replace the {' and '.join(made)} in {path}; jobs signed with it will be refused unless it is kept in {kept}",
    )


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
