"""`qctl demo:load`."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qctl import format as fmt
from qctl import output
from qctl.commands.choosing import confirm, require_writable
from qctl.commands.handing import flags_of, told
from qctl.commands.values import seconds
from qctl.context import Invocation
from qctl.exits import CommandFailed, Exit

if TYPE_CHECKING:
    from qcore.monitor.snapshots import QueueSnapshot
    from qctl.demo.traffic import Traffic

EXAMPLES = (
    "qctl demo:load --url sqlite:///demo.db",
    "qctl demo:load --hosts 5 --rate 40 --for 10m",
    "qctl demo:load --jobs 100 --hosts 0",
)
EXITS = (Exit.FAILED, Exit.USAGE, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.UNCONFIRMED, Exit.CONFLICT)
_APP = "qctl.demo.jobs"
_NAMES = ("web-1", "web-2", "images-1", "reports-1", "web-3", "images-2")
_SERVE = (
    ("orders,emails,partners", "2"), ("emails,orders,imports", "2"), ("images,imports,reports", "2"),
    ("reports,partners,images", "1"),
)  # fmt: skip
"""The queues that each host serves, and its processes; those after the fourth begin anew."""
_THREADS = "2"
_TICK_S = 0.25
_PATIENCE_S = 20.0
"""Seconds that a host has to end by itself."""


def run(
    ctx: typer.Context,
    hosts: Annotated[int, typer.Option("--hosts", min=0, max=20, metavar="N", help="Played by processes.")] = 3,
    rate: Annotated[float, typer.Option("--rate", min=0.0, max=1000.0, metavar="N", help="Jobs a second.")] = 10.0,
    jobs: Annotated[int, typer.Option("--jobs", min=0, metavar="N", help="To begin with.")] = 300,
    for_: Annotated[str | None, typer.Option("--for", metavar="TIME", help="End after so long.")] = None,
) -> Exit:
    """Let a made-up shop live on the store, to try things out.

    Jobs of several kinds come and go, some fail, some are tried again, some are due later; there are batches, chains
    and graphs, tags, locks, a rate limit and a paused queue. Hosts are played by processes with workers of their own.
    It goes on until Ctrl-C, or with --hosts 0 ends once the jobs are dispatched. qctl top and qctl dashboard show it.
    """
    call = Invocation.of(ctx)
    require_writable(call)
    lasts_s = seconds("--for", for_)
    traffic, names = _traffic(call, rate), [_name(number) for number in range(hosts)]
    traffic.fill(jobs)
    if names:
        _note_where(call, traffic, names)
        with told(call), _hosts(call, names) as played:
            _live(traffic, played, lasts_s)
    _report(call, traffic, names)
    return Exit.OK


def _traffic(call: Invocation, rate: float) -> Traffic:
    """Make sure that nobody else's jobs are here, and begin."""
    from qctl.demo.jobs import PAUSED, QUEUES
    from qctl.demo.traffic import Traffic

    stats = call.monitor.stats(None, call.flags.connection)
    others = [queue.name for queue in stats.queues if queue.name not in {*QUEUES, PAUSED} and _was_used(queue)]
    if others:
        where = f"{stats.backend.url or stats.backend.driver} holds queues that are no demo's"
        confirm(call, f"{where}; go on", [f"queue {name}" for name in others[:3]], else_="")
    call.actions.pause(PAUSED, None, "waits for the editor")
    return Traffic(rate)


def _was_used(queue: QueueSnapshot) -> bool:
    waiting = queue.pending + queue.delayed + queue.retrying + queue.processing
    return waiting + queue.completed + queue.failed + queue.cancelled > 0


def _name(number: int) -> str:
    return _NAMES[number] if number < len(_NAMES) else f"host-{number + 1}"


def _note_where(call: Invocation, traffic: Traffic, names: Sequence[str]) -> None:
    output.note(call, f"dispatched {fmt.plural(traffic.jobs, 'job')}; {', '.join(names)} begin to work")
    output.note(call, "see it in another terminal: qctl top, qctl dashboard; Ctrl-C ends it here")


@contextmanager
def _hosts(call: Invocation, names: Sequence[str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Let these hosts work within the block."""
    flags = flags_of(_with_app(call))
    played = []
    try:
        for number, name in enumerate(names):
            queues, processes = _SERVE[number % len(_SERVE)]
            words = ["work", "--queue", queues, "--processes", processes, "--threads", _THREADS, "--quiet", *flags]
            command = [sys.executable, "-m", "qctl.demo.host", name, *words]
            played.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True))  # noqa: S603  our own
        yield played
    finally:
        for one in played:
            one.terminate()
        for one in played:
            try:
                one.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                one.kill()


def _with_app(call: Invocation) -> Invocation:
    """The call, as a worker of the demo's jobs makes it."""
    return Invocation(flags=replace(call.flags, app=_APP))


def _live(traffic: Traffic, played: Sequence[subprocess.Popen[bytes]], lasts_s: float | None) -> None:
    """Dispatch until somebody says that it is enough.

    Raises:
        CommandFailed: a host did not stay.
    """
    is_over = threading.Event()
    with _heeding(is_over):
        began = before = time.monotonic()
        while not is_over.wait(_TICK_S):
            now = time.monotonic()
            traffic.tick(now - began, now - before)
            before = now
            gone = [one for one in played if one.poll() is not None]
            if gone:
                raise CommandFailed(f"a host ended with exit code {gone[0].returncode}", Exit.FAILED)
            if lasts_s is not None and now - began >= lasts_s:
                return


@contextmanager
def _heeding(is_over: threading.Event) -> Iterator[None]:
    """Let Ctrl-C and TERM end what is done within the block, in good order."""

    def end(_number: int, _frame: Any) -> None:
        is_over.set()

    before = {one: signal.signal(one, end) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _report(call: Invocation, traffic: Traffic, names: Sequence[str]) -> None:
    data = {"jobs": traffic.jobs, "flows": traffic.flows, "hosts": list(names)}
    words = f"dispatched {fmt.plural(traffic.jobs, 'job')}, {fmt.plural(traffic.flows, 'batch or chain')}"
    words = words.replace("batch or chains", "batches and chains")
    report = output.Report(schema="qctl.demo.load/1", data=data, text=words, backend=call.backend())
    output.show(call, report)
