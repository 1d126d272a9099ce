"""What `qctl top` and `qctl dashboard` have in common: how an app is shown, and what is said when it breaks off."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from qctl.context import Invocation
from qctl.exits import CommandFailed, Exit, WrongUsage

if TYPE_CHECKING:
    from qctl.screens.top.base import Base


def require_terminal(word: str, instead: str) -> None:
    """Refuse to draw where nobody would see it; `instead` says what to do there."""
    if not (_is_served() or (sys.stdin.isatty() and sys.stdout.isatty())):
        raise WrongUsage(f"qctl {word} needs a terminal", hint=instead)


def _is_served() -> bool:
    """Whether a browser is the terminal, as textual-serve has it."""
    return os.environ.get("TEXTUAL_DRIVER", "").endswith("WebDriver")


def theme_named(name: str | None) -> str | None:
    """Check that there is such a theme; None stays None."""
    from textual.theme import BUILTIN_THEMES

    if name is not None and name not in BUILTIN_THEMES:
        raise WrongUsage(f"there is no theme {name!r}", hint=f"themes are: {', '.join(sorted(BUILTIN_THEMES))}")
    return name


def repeated_flags(call: Invocation) -> list[str]:
    """The flags that a command which is shown has to repeat, so that it does the same.

    A password in the URL is masked: such a line is refused by the store until whoever runs it writes the password in.
    """
    from qcore.config.urls import mask_url

    flags = call.flags
    given = {
        "--config": flags.config,
        "--profile": flags.profile,
        "--app": flags.app,
        "--url": mask_url(flags.url) if flags.url else None,
        "--connection": flags.connection or (shown_connection(call) if len(call.settings.connections) > 1 else None),
    }
    return [word for name, value in given.items() if value for word in (name, value)]


def shown_connection(call: Invocation) -> str:
    """The connection that is shown, and alone is acted on."""
    return call.settings.connection(call.flags.connection).name


def show(app: Base, word: str, *, mouse: bool) -> None:
    """Run an app until it is left.

    Raises:
        CommandFailed: it broke off; where it did is kept in a file.
    """
    app.run(mouse=mouse)
    if app.crash is not None:
        path = _kept(app.crash, word)
        raise CommandFailed(
            f"qctl {word} broke off: {type(app.crash).__name__}: {app.crash}",
            Exit.FAILED,
            hint=f"where it did is in {path}" if path else "run it again with --debug to see where",
        ) from app.crash
    if app.return_code:
        raise SystemExit(app.return_code)


def _kept(error: BaseException, word: str) -> Path | None:
    """Write a traceback to the log of this user; returns the file, or None where none can be written."""
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "qctl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{word}.log").open("a", encoding="utf-8") as file:
            file.writelines(traceback.format_exception(error))
    except OSError:
        return None
    return folder / f"{word}.log"
