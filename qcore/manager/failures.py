"""Acting on failed jobs, wherever among several stores they are: by id, or all that match."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from qcore import events
from qcore.states import JobState

T = TypeVar("T")

if TYPE_CHECKING:
    from qcore.drivers import Store
    from qcore.records import StoredJob

STEP = 500
"""Jobs that one call of a store is asked to change."""

Act = Callable[["Store", Sequence[str]], Sequence[str]]
"""Changes jobs of one store; returns the ids of those that it changed."""


def act_on_ids(stores: Iterable[Store], ids: Sequence[str], act: Act) -> set[str]:
    """Act on these jobs: each store is asked only for what the ones before it did not have.

    Returns:
        The ids that were changed.
    """
    done: set[str] = set()
    wanted = list(dict.fromkeys(ids))
    for store in stores:
        for piece in pieces(wanted):
            done.update(act(store, piece))
        wanted = [job_id for job_id in wanted if job_id not in done]
        if not wanted:
            break
    return done


def act_on_all(stores: Sequence[Store], act: Act, *, queue: str | None, limit: int | None = None) -> tuple[int, int]:
    """Act on every failed job, or a queue's, or the newest `limit` of all stores together.

    Jobs are read by cursor, so that one that fails again meanwhile is not met twice.

    Returns:
        How many were found, and how many changed.
    """
    found = merge(*(_failed(store, queue, limit) for store in stores), key=_newest_first)
    return act_on_found(((store, job.id) for store, job in islice(found, limit)), act)


def act_on_found(found: Iterable[tuple[Store, str]], act: Act) -> tuple[int, int]:
    """Act on jobs as they are found, each given with its store.

    Returns:
        How many were found, and how many changed.
    """
    matched = changed = 0
    for piece in pieces(found):
        matched += len(piece)
        for store in {id(store): store for store, _ in piece}.values():
            changed += len(act(store, [job_id for owner, job_id in piece if owner is store]))
    return matched, changed


def still_failed(store: Store, ids: Iterable[str], done: Iterable[str]) -> list[str]:
    """Those that were not put back although they have failed: others hold their unique keys."""
    left = (store.find(job_id) for job_id in set(ids).difference(done))
    return [job.id for job in left if job is not None and job.state is JobState.FAILED]


def tell_retried(ids: Iterable[str]) -> None:
    """Tell those who listen that jobs were put back."""
    if events.JobRetryRequested in events.listeners:
        for job_id in ids:
            events.tell(events.JobRetryRequested(job_id=job_id))


def until_none(step: Callable[[], int]) -> int:
    """Repeat a bounded step until it finds nothing more; returns the sum."""
    total = 0
    while done := step():
        total += done
    return total


def _failed(store: Store, queue: str | None, limit: int | None) -> Iterator[tuple[Store, StoredJob]]:
    cursor = None
    while True:
        page = store.page("failed", queue=queue, cursor=cursor, limit=min(STEP, limit or STEP))
        yield from ((store, job) for job in page.jobs)
        cursor = page.next_cursor
        if cursor is None:
            return


def _newest_first(found: tuple[Store, StoredJob]) -> int:
    return -(found[1].ended_us or 0)


def pieces(ids: Iterable[T]) -> Iterator[list[T]]:
    """So many at a time as one call of a store is asked to change."""
    rest = iter(ids)
    while piece := list(islice(rest, STEP)):
        yield piece
