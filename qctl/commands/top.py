"""`qctl top`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qctl import output
from qctl.commands.showing import repeated_flags, require_terminal, show, theme_named
from qctl.commands.values import seconds, split
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

if TYPE_CHECKING:
    from qcore.monitor.glance import Glance
    from qctl.screens.feed import Source

EXAMPLES = (
    "qctl top",
    "qctl top --queue emails,reports --delay 2s",
    "qctl top --once | head -20",
    "qctl top --record tuesday.jsonl",
    "qctl top --replay tuesday.jsonl",
)
EXITS = (Exit.USAGE, Exit.UNREACHABLE, Exit.CONFIGURATION)
_SHORTEST_S = 0.1


def run(
    ctx: typer.Context,
    queue: Annotated[list[str] | None, typer.Option("--queue", metavar="QUEUE", help="Only this one.")] = None,
    host: Annotated[str | None, typer.Option("--host", metavar="HOST", help="Only workers of this host.")] = None,
    delay: Annotated[str, typer.Option("--delay", "-d", metavar="TIME", help="Look again after so long.")] = "1s",
    once: Annotated[bool, typer.Option("--once", "-b", help="Print one look as plain text, and end.")] = False,
    record: Annotated[
        Path | None, typer.Option("--record", metavar="FILE", help="Keep what is seen in a file.")
    ] = None,
    replay: Annotated[Path | None, typer.Option("--replay", metavar="FILE", help="Show what was kept.")] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Look on; change nothing.")] = False,
    theme: Annotated[
        str | None, typer.Option("--theme", metavar="NAME", help="A theme, such as textual-light.")
    ] = None,
    no_mouse: Annotated[bool, typer.Option("--no-mouse", help="Leave the mouse to the terminal.")] = False,
) -> None:
    """Watch queues, workers and jobs, and act on them.

    The htop of queues: meters, queues with how fast they move, workers as a tree, running, failed and delayed jobs.
    ? lists the keys. What changes something shows the qctl command that does the same.
    """
    call = Invocation.of(ctx)
    every_s = max(_SHORTEST_S, seconds("--delay", delay) or 1.0)
    source = _source(call, split(queue or ()), host, record, replay, paced=not once)
    if once:
        _print_once(call, source)
        return
    require_terminal("top", "qctl top --once prints one look; qctl stats --json is for programs")
    _show(call, source, every_s, replayed=replay is not None, read_only=read_only, theme=theme, mouse=not no_mouse)


def _source(
    call: Invocation, queues: list[str], host: str | None, record: Path | None, replay: Path | None, *, paced: bool
) -> Source:
    from qctl.screens.recording import Recorder, Replay

    if replay is not None:
        if record is not None:
            raise WrongUsage("--record and --replay exclude each other", hint="name one of them")
        return Replay(replay, paced=paced)
    source: Source = _Live(call, queues, host)
    return source if record is None else Recorder(source, record)


class _Live:
    """Looks at the store of a call."""

    def __init__(self, call: Invocation, queues: list[str], host: str | None) -> None:
        from qcore.monitor.glance import Glancer

        self._glancer = Glancer(call.manager, call.flags.connection)
        self._queues = queues or None
        self._host = host

    def look(self, view: str, words: str = "") -> Glance | None:
        """One look."""
        import msgspec

        glance = self._glancer.look(view, self._queues, words)
        if self._host is None:
            return glance
        return msgspec.structs.replace(glance, workers=tuple(one for one in glance.workers if one.host == self._host))

    def forget(self) -> None:
        """Let the next look read everything anew."""
        self._glancer.forget()


def _print_once(call: Invocation, source: Source) -> None:
    from qctl.screens.top.plain import page

    glance = source.look("")
    if glance is not None:
        output.write(page(glance, profile=call.profile, ascii_only=output.wants_ascii(call)) + "\n")


def _show(
    call: Invocation,
    source: Source,
    every_s: float,
    *,
    replayed: bool,
    read_only: bool,
    theme: str | None,
    mouse: bool,
) -> None:
    from qctl.screens.top.acting import Deeds
    from qctl.screens.top.app import TopApp

    may_act = not (replayed or read_only or call.settings.read_only)
    protected = call.settings.protected if not replayed else ()
    app = TopApp(
        source,
        deeds=Deeds(call.actions, repeated_flags(call), protected) if may_act else None,
        find_job=None if replayed else lambda job_id: call.monitor.job(job_id, call.flags.connection),
        every_s=every_s,
        ascii_only=output.wants_ascii(call),
        profile=call.profile,
        replayed=replayed,
        theme=theme_named(theme),
    )
    show(app, "top", mouse=mouse)
