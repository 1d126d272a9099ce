"""`qctl dashboard`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from qctl import output
from qctl.commands.showing import repeated_flags, require_terminal, show, theme_named
from qctl.commands.values import seconds
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

EXAMPLES = (
    "qctl dashboard",
    "qctl dashboard --page failed --delay 10s",
    "qctl dashboard --read-only",
)
EXITS = (Exit.USAGE, Exit.UNREACHABLE, Exit.CONFIGURATION)
_SHORTEST_S = 0.5


def run(
    ctx: typer.Context,
    page: Annotated[str, typer.Option("--page", metavar="NAME", help="Begin with this one.")] = "overview",
    delay: Annotated[str, typer.Option("--delay", "-d", metavar="TIME", help="Look again after so long.")] = "5s",
    read_only: Annotated[bool, typer.Option("--read-only", help="Look on; change nothing.")] = False,
    theme: Annotated[
        str | None, typer.Option("--theme", metavar="NAME", help="A theme, such as textual-light.")
    ] = None,
    no_mouse: Annotated[bool, typer.Option("--no-mouse", help="Leave the mouse to the terminal.")] = False,
) -> None:
    """Show Horizon's pages and more.

    Overview, queues, jobs by state, failed jobs, batches, chains and graphs, metrics, workers, limits and locks,
    health and tags. Digits or g and a letter go from page to page; ? lists the keys. What changes something shows
    the qctl command that does the same.
    """
    call = Invocation.of(ctx)
    every_s = max(_SHORTEST_S, seconds("--delay", delay) or 5.0)
    require_terminal("dashboard", "qctl dashboard --serve shows it in a browser; qctl stats --json is for programs")
    _show(call, page, every_s, read_only=read_only, theme=theme, mouse=not no_mouse)


def _show(call: Invocation, page: str, every_s: float, *, read_only: bool, theme: str | None, mouse: bool) -> None:
    from qctl.commands.flow_items import page_of
    from qctl.screens.dashboard.acting import PageDeeds
    from qctl.screens.dashboard.app import DashboardApp
    from qctl.screens.dashboard.sight import PageSource

    may_act = not (read_only or call.settings.read_only)
    deeds = PageDeeds(call.actions, call.flows, repeated_flags(call), call.settings.protected)
    app = DashboardApp(
        PageSource(call.manager, call.flags.connection),
        deeds=deeds if may_act else None,
        find_job=lambda job_id: call.monitor.job(job_id, call.flags.connection),
        find_flow=call.flows.find,
        draw_flow=partial(page_of, ascii_only=output.wants_ascii(call)),
        page=_page(page),
        every_s=every_s,
        ascii_only=output.wants_ascii(call),
        profile=call.profile,
        theme=theme_named(theme),
    )
    show(app, "dashboard", mouse=mouse)


def _page(name: str) -> str:
    from qctl.screens.dashboard.pages import PAGES

    names = [page.name for page in PAGES]
    if name.lower() not in names:
        raise WrongUsage(f"there is no page {name!r}", hint=f"pages are: {', '.join(names)}")
    return name.lower()
