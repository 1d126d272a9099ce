"""`qctl supervise`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcore.errors import ConfigurationError
from qctl.commands.choosing import require_writable
from qctl.commands.work import options_of, reach, serve
from qctl.commands.worklog import log_format, observer_of
from qctl.context import Invocation
from qctl.exits import CommandFailed, Exit, NotFound

if TYPE_CHECKING:
    from qcore.config import SupervisorSettings
    from qcore.worker import WorkerOptions

EXAMPLES = ("qctl supervise", "qctl supervise default reports --log json")
EXITS = (Exit.USAGE, Exit.NOT_FOUND, Exit.UNREACHABLE, Exit.CONFIGURATION, Exit.CONFLICT)
_OWN = ("max_time", "max_jobs", "memory", "tries", "timeout")
"""What a pool says for itself, or leaves to [worker]."""


def run(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Which; else all of them.")] = None,
    log: Annotated[str | None, typer.Option("--log", metavar="FORMAT", help="pretty or json.")] = None,
) -> Exit:
    """Run the balanced pools of the configuration.

    Each [supervisors.NAME] in qctl.toml is one: processes move to the queues that take longest to clear. Signals are
    those of qctl work; HUP reads code and configuration anew.
    """
    call = Invocation.of(ctx)
    log_as = log_format(call, log)
    return serve(call, log_as, lambda: _run(call, names or [], log_as))


def _run(call: Invocation, names: list[str], log: str) -> Exit:
    require_writable(call)
    pools = _chosen(call, names)
    reach(call, [pool.connection or call.manager.connection_of(queue).name for pool in pools for queue in pool.queues])
    return _supervise(call, pools, log)


def _chosen(call: Invocation, names: list[str]) -> "list[SupervisorSettings]":
    pools = call.settings.supervisors
    if not pools:
        raise CommandFailed(
            "no supervisor is configured",
            Exit.CONFIGURATION,
            hint='write [supervisors.default] with queues = "high,default" into qctl.toml',
        )
    for name in names:
        if name not in pools:
            raise NotFound(f"no supervisor {name!r}", hint=f"there are: {', '.join(pools)}")
    chosen = [pools[name] for name in dict.fromkeys(names or pools)]
    for pool in chosen:
        _require_bounds(pool)
    return chosen


def _require_bounds(pool: "SupervisorSettings") -> None:
    from qcore.worker.options import complaint

    for name, field, value in (
        ("max_processes", "processes", pool.max_processes),
        ("threads", "threads", pool.threads),
        ("async", "async_jobs", pool.async_),
    ):
        found = complaint(field, value)
        if found is not None:
            raise ConfigurationError(f"supervisors.{pool.name}.{name}: {found[0]}", hint=found[1])


def _supervise(call: Invocation, pools: "list[SupervisorSettings]", log: str) -> Exit:
    from qcore.worker.pool import Pool, run_pools

    code = run_pools(
        [Pool(pool, _options(call, pool)) for pool in pools],
        manager=call.manager,
        memory_hard_mb=call.settings.worker.memory_hard,
        observer=lambda: observer_of(call, log),
        say=observer_of(call, log).trouble,
    )
    return Exit(code)


def _options(call: Invocation, pool: "SupervisorSettings") -> "WorkerOptions":
    """What the pool says, else `[worker]`, else the worker's own defaults."""
    import msgspec

    chosen: dict[str, Any] = msgspec.structs.asdict(call.settings.worker)
    chosen |= {name: value for name in _OWN if (value := getattr(pool, name)) is not None}
    if pool.threads or pool.async_:
        chosen |= {"threads": pool.threads, "async_": pool.async_}
    return options_of(chosen)
