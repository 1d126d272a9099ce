"""`qctl dashboard --serve`: the same screens in a browser."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from qcore.errors import ConfigurationError
from qctl import output
from qctl.commands.handing import QCTL, flags_of, told
from qctl.context import Invocation
from qctl.exits import CommandFailed, Exit, WrongUsage

if TYPE_CHECKING:
    from qctl.screens.dashboard.web.server import DashboardServer

_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_SHORTEST_SECRET = 16
_OF_OTHERS = 0o077


class Asked(NamedTuple):
    """What the command line said of serving."""

    host: str
    port: int
    path: str
    auth: Path | None
    sessions: int
    idle_s: float
    writable: bool


def serve(call: Invocation, asked: Asked, words: Sequence[str]) -> None:
    """Serve until Ctrl-C; `words` are options of `qctl dashboard` that each browser's screens get too."""
    server = server_of(call, asked, words)
    call.manager.settings.connection(call.flags.connection)  # what is wrong with it is said now, not in a browser
    from aiohttp import web

    def listening(_: str) -> None:
        output.note(call, f"serving {server.address}; Ctrl-C ends it", even_quiet=True)
        server.invite()

    app = server._make_app()  # noqa: SLF001  the way in that its library has
    try:
        with told(call):
            web.run_app(app, host=asked.host, port=asked.port, print=listening, access_log=None)  # said once it listens
    except OSError as error:
        reason = error.strerror or error
        raise CommandFailed(
            f"--host {asked.host} --port {asked.port}: cannot listen there: {reason}", Exit.FAILED
        ) from error


def server_of(call: Invocation, asked: Asked, words: Sequence[str]) -> DashboardServer:
    """Check what was asked, and make the server of it.

    Raises:
        WrongUsage: it makes no sense, or would be open to a network without a secret.
        ConfigurationError: what serves it is not installed, or the secret is none.
    """
    path = asked.path.rstrip("/")
    if not _PATH.fullmatch(path) or path == "/healthz":
        raise WrongUsage(f"--path {asked.path!r} is no path", hint="write --path /horizon")
    is_local = _is_loopback(asked.host)
    if not is_local and asked.auth is None:
        raise WrongUsage(
            f"--host {asked.host} can be reached from elsewhere, and there is no --auth",
            hint="name a file with a secret: --auth FILE; or reach 127.0.0.1 by an ssh tunnel",
        )
    secret = None if asked.auth is None else _secret_in(asked.auth)
    try:
        from qctl.screens.dashboard.web.guard import Guard
        from qctl.screens.dashboard.web.server import DashboardServer, Site
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"--serve needs {error.name}", hint="pip install 'qctl[web]'") from None
    flags = flags_of(call)
    read_only = [] if is_local or asked.writable else ["--read-only"]
    site = Site(
        [*QCTL, "dashboard", *flags, *words, *read_only],
        QCTL,
        flags,
        asked.host,
        asked.port,
        path,
        asked.sessions,
        asked.idle_s,
    )
    return DashboardServer(
        site, Guard(secret), lambda url: output.note(call, f"open {url} (works once)", even_quiet=True)
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _secret_in(path: Path) -> str:
    try:
        if path.stat().st_mode & _OF_OTHERS:
            raise ConfigurationError(f"{path} can be read by others", hint=f"chmod 600 {shlex.quote(str(path))}")
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigurationError(
            f"--auth {path}: {reason}", hint="write a secret of 16 characters or more to it"
        ) from None
    if len(secret) < _SHORTEST_SECRET:
        raise ConfigurationError(
            f"--auth {path}: a secret has {_SHORTEST_SECRET} characters or more", hint="openssl rand -hex 16"
        )
    return secret
