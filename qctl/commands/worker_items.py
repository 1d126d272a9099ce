"""Workers as commands show them, and how they are chosen and told what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from qctl import format as fmt
from qctl import output
from qctl.exits import NotFound, WrongUsage
from qctl.output import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qcore.monitor.snapshots import RunningSnapshot, WorkerSnapshot
    from qctl.context import Invocation

EVERYBODY = "*"
"""Stands for all workers."""
_STYLES = {"paused": "yellow", "stopping": "red"}
_SHOWN = 10


def _percent(number: float) -> str:
    return f"{number:.0f} %"


COLUMNS = (
    Column("WORKER", "id", human=lambda worker: worker.rpartition(":")[2], whole=True),
    Column("HOST:PID", "address"),
    Column("STATE", "state", style=lambda state: _STYLES.get(state, "")),
    Column("QUEUES", "queues", human=", ".join),
    Column("JOB", "job", style=lambda _: "cyan"),
    Column("BUSY", "busy_percent", human=_percent, right=True),
    Column("RSS", "rss_bytes", human=fmt.size, right=True),
    Column("CPU", "cpu_percent", human=_percent, right=True),
    Column("JOBS", "jobs", human=fmt.count, right=True),
    Column("HEARTBEAT", "heartbeat_age_s", human=lambda age_s: f"{fmt.duration(age_s)} ago", right=True),
)


class Told(NamedTuple):
    """Whom a command was left for."""

    address: str
    connection: str
    workers: list[WorkerSnapshot]


def all_workers(call: Invocation) -> list[WorkerSnapshot]:
    """The workers that report to the connections in use."""
    return [worker for connection in call.connections_in_use() for worker in call.monitor.workers(connection)]


def item_of(worker: WorkerSnapshot) -> dict[str, Any]:
    """What every list tells of a worker."""
    return {
        "id": worker.id,
        "supervisor": worker.supervisor,
        "host": worker.host,
        "pid": worker.pid,
        "address": f"{worker.host}:{worker.pid}",
        "connection": worker.connection,
        "state": worker.state,
        "queues": list(worker.queues),
        "job": _longest(worker.running),
        "running": [
            {
                "id": one.id,
                "job": one.job,
                "name": one.name,
                "queue": one.queue,
                "attempt": one.attempt,
                "runtime_s": one.runtime_s,
            }
            for one in worker.running
        ],
        "places": worker.places,
        "jobs": worker.jobs,
        "failures": worker.failures,
        "busy_percent": worker.busy_percent,
        "cpu_percent": worker.cpu_percent,
        "rss_bytes": worker.rss_bytes,
        "started_at": worker.started_at,
        "uptime_s": worker.uptime_s,
        "heartbeat_age_s": worker.heartbeat_age_s,
        "jobs_per_min": worker.jobs_per_min,
    }


def tell(call: Invocation, words: Sequence[str], command: str) -> None:
    """Leave a command for workers, and report it.

    Args:
        call: of the command.
        words: ids of workers or supervisors, their last part, or host:pid; `*` for all.
        command: `pause`, `continue`, `restart` or `terminate`.

    Raises:
        NotFound: one of them is not there; nobody was told.
    """
    told = _chosen(call, words)
    for one in told:
        call.actions_on(one.connection).command(one.address, command)
    workers = list({worker.id: worker for one in told for worker in one.workers}.values())
    who = "all workers" if EVERYBODY in words else ", ".join(dict.fromkeys(one.address for one in told))
    data = {
        "command": command,
        "addresses": list(dict.fromkeys(one.address for one in told)),
        "workers": [worker.id for worker in workers],
    }
    text = f"told {who}: {command}" if workers else "there are no workers"
    output.show(
        call, output.Report(schema="qctl.command/1", data=data, text=text, name="command", backend=call.backend())
    )


def supervisors_of(call: Invocation, words: Sequence[str]) -> list[str]:
    """The supervisors of these workers, each once.

    Raises:
        NotFound: one of them is not there.
    """
    return list(dict.fromkeys(one.workers[0].supervisor for one in _chosen(call, words) if one.workers))


def worker_at(call: Invocation, word: str) -> WorkerSnapshot:
    """The one worker that a word names: itself, the job that it runs, or the supervisor that has no other.

    Raises:
        NotFound: it is not there.
        WrongUsage: it is a supervisor with several.
    """
    known = all_workers(call)
    for worker in known:
        if any(word == job.id for job in worker.running):
            return worker
    [told] = _found(word, known)
    if len(told.workers) > 1:
        ids = ", ".join(one.id.rpartition(":")[2] for one in told.workers[:_SHOWN])
        raise WrongUsage(f"{word} has {len(told.workers)} workers", hint=f"name one: {ids}")
    return told.workers[0]


def _chosen(call: Invocation, words: Sequence[str]) -> list[Told]:
    known = all_workers(call)
    if EVERYBODY in words:
        connections = dict.fromkeys(worker.connection for worker in known)
        return [Told(EVERYBODY, one, [worker for worker in known if worker.connection == one]) for one in connections]
    return [told for word in dict.fromkeys(words) for told in _found(word, known)]


def _found(word: str, known: Sequence[WorkerSnapshot]) -> list[Told]:
    """Find one worker, or a supervisor with all that are under it."""
    for worker in known:
        if word in {worker.id, worker.id.rpartition(":")[2], f"{worker.host}:{worker.pid}"}:
            return [Told(worker.id, worker.connection, [worker])]
    under = [one for one in known if word in {one.supervisor, one.supervisor.rpartition(":")[2]}]
    if not under:
        there = ", ".join(worker.id for worker in known[:_SHOWN]) + (", ..." if len(known) > _SHOWN else "")
        raise NotFound(f"no worker {word!r}", hint=f"there are: {there}" if known else "no worker reports here")
    supervisor = under[0].supervisor
    return [Told(supervisor, under[0].connection, under)]


def _longest(running: Sequence[RunningSnapshot]) -> str | None:
    """The job that has run longest, and how many run beside it."""
    if not running:
        return None
    first = max(running, key=lambda one: one.runtime_s)
    others = f" +{len(running) - 1}" if len(running) > 1 else ""
    return f"{first.name} {fmt.duration(first.runtime_s)}{others}"
