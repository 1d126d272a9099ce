"""`qctl top`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from qctl import output
from qctl.commands.choosing import require_queues
from qctl.commands.showing import repeated_flags, require_terminal, show, shown_connection, theme_named
from qctl.commands.values import seconds, split
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

if TYPE_CHECKING:
    from qcore.monitor.glance import Glance
    from qcore.monitor.snapshots import JobSnapshot
    from qctl.screens.feed import Source
    from qctl.screens.top.acting import Deeds

EXAMPLES = (
    "qctl top",
    "qctl top --queue emails,reports --delay 2s",
    "qctl top --once | head -20",
    "qctl top --record tuesday.jsonl",
    "qctl top --replay tuesday.jsonl",
)
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION)
_SHORTEST_S = 0.1
_APART_S = 0.5
"""Seconds between the two looks of --once."""


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
    _require_text(call)
    every_s = max(_SHORTEST_S, seconds("--delay", delay) or 1.0)
    seen = _Seen(split(queue or ()), host)
    source = _source(call, seen, record, replay, paced=not once)
    if once:
        _print_once(call, source, apart_s=0.0 if replay else _APART_S)
        return
    require_terminal("top", "qctl top --once prints one look; qctl stats --json is for programs")
    may_act = not (replay is not None or read_only or call.settings.read_only)
    deeds = _deeds(call, seen) if may_act else None
    _show(call, source, every_s, deeds, replayed=replay is not None, theme=theme, mouse=not no_mouse)


class _Seen(NamedTuple):
    """What is to be seen: all, if nothing is named."""

    queues: Sequence[str] = ()
    host: str | None = None

    def narrowed(self, glance: Glance) -> Glance:
        """A look without the workers of other hosts, and what they run."""
        import msgspec

        if self.host is None:
            return glance
        workers = tuple(one for one in glance.workers if one.host == self.host)
        is_running = glance.view == "processing"
        jobs = tuple(one for one in glance.jobs if not is_running or self._is_here(one))
        return msgspec.structs.replace(glance, workers=workers, jobs=jobs)

    def _is_here(self, job: JobSnapshot) -> bool:
        return job.worker is not None and job.worker.rsplit(":", 2)[0] == self.host


def _require_text(call: Invocation) -> None:
    """Refuse to print for programs: what these read is there already."""
    if call.flags.format or call.flags.output not in {None, "table", "plain"}:
        raise WrongUsage(
            "qctl top prints text alone", hint="qctl stats --json and qctl workers --json are for programs"
        )


def _source(call: Invocation, seen: _Seen, record: Path | None, replay: Path | None, *, paced: bool) -> Source:
    from qctl.screens.recording import Recorder, Replay

    if replay is not None:
        if record is not None:
            raise WrongUsage("--record and --replay exclude each other", hint="name one of them")
        return Replay(replay, paced=paced)
    _require_known(call, seen.queues)
    source: Source = _Live(call, seen)
    return source if record is None else Recorder(source, record)


def _require_known(call: Invocation, queues: Sequence[str]) -> None:
    """Refuse queues that are not there, beside some that are; where the store does not answer, the screen says so."""
    from qcore.errors import ConnectionFailed

    with suppress(ConnectionFailed):
        if queues and call.monitor.stats(connection=call.flags.connection).queues:
            require_queues(call, queues)


class _Live:
    """Looks at the store of a call."""

    def __init__(self, call: Invocation, seen: _Seen) -> None:
        from qcore.monitor.glance import Glancer

        self._glancer = Glancer(call.manager, call.flags.connection)
        self._seen = seen

    def look(self, view: str, words: str = "") -> Glance | None:
        """One look."""
        return self._seen.narrowed(self._glancer.look(view, self._seen.queues or None, words))

    def forget(self) -> None:
        """Let the next look read everything anew."""
        self._glancer.forget()


def _print_once(call: Invocation, source: Source, *, apart_s: float) -> None:
    from qctl.screens.top.plain import page

    looks = [source.look("")]
    time.sleep(apart_s)  # how fast things move is seen from one look to the next
    looks.append(source.look(""))
    seen = [one for one in looks if one is not None]
    output.write(page(seen, profile=call.profile, ascii_only=output.wants_ascii(call)) + "\n")


def _deeds(call: Invocation, seen: _Seen) -> Deeds:
    from qcore.filters import one_of
    from qcore.monitor.actions import EVERY_JOB
    from qctl.screens.top.acting import Deeds, on_queues

    here = one_of("host", [seen.host]) if seen.host else EVERY_JOB
    actions = call.actions_on(shown_connection(call))
    return Deeds(actions, repeated_flags(call), call.settings.protected, on_queues(seen.queues) & here)


def _show(
    call: Invocation,
    source: Source,
    every_s: float,
    deeds: Deeds | None,
    *,
    replayed: bool,
    theme: str | None,
    mouse: bool,
) -> None:
    from qctl.screens.top.app import TopApp

    app = TopApp(
        source,
        deeds=deeds,
        find_job=None if replayed else lambda job_id: call.monitor.job(job_id, call.flags.connection),
        every_s=every_s,
        ascii_only=output.wants_ascii(call),
        profile=call.profile,
        replayed=replayed,
        theme=theme_named(theme),
    )
    show(app, "top", mouse=mouse)
