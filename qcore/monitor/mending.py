"""Mending what the checks of health find, where that is safe: no job is lost, no setting of a server is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcore.manager.failures import until_none
from qcore.monitor.health import Verdict, silent_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from qcore.manager import QueueManager
    from qcore.monitor.health import Check, Observed


def mend(manager: QueueManager, seen: Observed, checks: Iterable[Check]) -> Mapping[str, str]:
    """Mend what can be mended safely: tables that are older, and what workers left that fell silent.

    Args:
        manager: whose connection was looked at.
        seen: what was seen of it.
        checks: of it; those that came out well are left alone.

    Returns:
        What was done, in one line, by the name of the check.

    Raises:
        ConnectionFailed: the store did not answer; what was done before stays done.
    """
    bad = [check.name for check in checks if check.verdict is not Verdict.OK]
    done = {name: _REPAIRS[name](manager, seen) for name in bad if name in _REPAIRS}
    return {name: said for name, said in done.items() if said}


def _update(manager: QueueManager, seen: Observed) -> str:
    """Bring the tables up to date, unless they are ahead of this version."""
    if seen.facts is None or not seen.facts.is_known_revision:
        return ""
    applied = manager.migrate(seen.connection)
    return f"brought the tables to revision {applied[-1]}" if applied else ""


def _relieve(manager: QueueManager, seen: Observed) -> str:
    """Give back the jobs of workers that fell silent, and forget these; one that comes back reports anew."""
    silent = silent_workers(seen)
    store = manager.look_at(seen.connection)
    jobs = until_none(lambda: len(store.reclaim()))
    store.dismiss([worker.id for worker in silent])
    return f"forgot {len(silent):,} silent; jobs given back: {jobs:,}"


_REPAIRS: Mapping[str, Callable[[QueueManager, Observed], str]] = {"migrations": _update, "stale": _relieve}
