"""`qctl dashboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qctl import output
from qctl.commands.dashboard_serve import Asked
from qctl.commands.dashboard_serve import serve as serve_it
from qctl.commands.showing import repeated_flags, require_terminal, show, shown_connection, theme_named
from qctl.commands.values import seconds
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

EXAMPLES = (
    "qctl dashboard",
    "qctl dashboard --page failed --delay 10s",
    "qctl dashboard --read-only",
    "qctl dashboard --serve --port 8001",
)
EXITS = (Exit.FAILED, Exit.USAGE, Exit.UNREACHABLE, Exit.CONFIGURATION)
_SHORTEST_S = 0.5


def run(  # noqa: PLR0913, PLR0917  each is an option
    ctx: typer.Context,
    page: Annotated[str, typer.Option("--page", metavar="NAME", help="Begin with this one.")] = "overview",
    delay: Annotated[str, typer.Option("--delay", "-d", metavar="TIME", help="Look again after so long.")] = "5s",
    read_only: Annotated[bool, typer.Option("--read-only", help="Look on; change nothing.")] = False,
    theme: Annotated[
        str | None, typer.Option("--theme", metavar="NAME", help="A theme, such as textual-light.")
    ] = None,
    no_mouse: Annotated[bool, typer.Option("--no-mouse", help="Leave the mouse to the terminal.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Show it in a browser instead.")] = False,
    host: Annotated[str, typer.Option("--host", metavar="HOST", help="For --serve: where to listen.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, metavar="PORT", help="For --serve: where to listen.")
    ] = 8000,
    path: Annotated[str, typer.Option("--path", metavar="PATH", help="For --serve: where it is.")] = "/horizon",
    auth: Annotated[
        Path | None, typer.Option("--auth", metavar="FILE", help="For --serve: a secret that lets in, again and again.")
    ] = None,
    sessions: Annotated[
        int, typer.Option("--sessions", min=1, metavar="N", help="For --serve: browsers at a time, a process each.")
    ] = 8,
    idle: Annotated[
        str, typer.Option("--idle", metavar="TIME", help="For --serve: close without a key for so long.")
    ] = "1h",
    writable: Annotated[
        bool, typer.Option("--writable", help="For --serve to others than this host: let them act too.")
    ] = False,
) -> None:
    """Show Horizon's pages and more, here or in a browser.

    Overview, queues, jobs by state, failed jobs, batches, chains and graphs, metrics, workers, limits and locks,
    health, tags and events. Digits or g and a letter go from page to page; ? lists the keys. What changes something
    shows the qctl command that does the same. --serve shows it at http://127.0.0.1:8000/horizon, to whoever has the URL
    that it prints, and the numbers as JSON at /horizon/api/stats, workers, failed, batches, chains, health and events.
    """
    call = Invocation.of(ctx)
    page, theme = _page(page), theme_named(theme)
    every_s = max(_SHORTEST_S, seconds("--delay", delay) or 5.0)
    if serve:
        words = ["--page", page, "--delay", f"{every_s:g}s", *(["--theme", theme] if theme else [])]
        words += ["--read-only"] if read_only else []
        asked = Asked(host, port, path, auth, sessions, seconds("--idle", idle) or 3600.0, writable)
        serve_it(call, asked, words)
        return
    require_terminal("dashboard", "qctl dashboard --serve shows it in a browser; qctl stats --json is for programs")
    _show(call, page, every_s, read_only=read_only, theme=theme, mouse=not no_mouse)


def _show(call: Invocation, page: str, every_s: float, *, read_only: bool, theme: str | None, mouse: bool) -> None:
    from qctl.screens.dashboard.acting import PageDeeds
    from qctl.screens.dashboard.app import DashboardApp
    from qctl.screens.dashboard.sight import PageSource

    may_act = not (read_only or call.settings.read_only)
    deeds = PageDeeds(
        call.actions_on(shown_connection(call)), call.flows, call.tags, repeated_flags(call), call.settings.protected
    )
    app = DashboardApp(
        PageSource(call.manager, call.flags.connection),
        deeds=deeds if may_act else None,
        find_job=lambda job_id: call.monitor.job(job_id, call.flags.connection),
        find_flow=call.flows.find,
        page=page,
        every_s=every_s,
        ascii_only=output.wants_ascii(call),
        profile=call.profile,
        theme=theme,
    )
    show(app, "dashboard", mouse=mouse)


def _page(name: str) -> str:
    from qctl.screens.dashboard.pages import PAGES

    names = [page.name for page in PAGES]
    if name.lower() not in names:
        raise WrongUsage(f"there is no page {name!r}", hint=f"pages are: {', '.join(names)}")
    return name.lower()
