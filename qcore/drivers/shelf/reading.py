"""What the store can tell a person."""

from __future__ import annotations

import time
from collections.abc import Sequence
from heapq import nlargest, nsmallest
from typing import TYPE_CHECKING

import msgspec

from qcore.drivers.timing import timed
from qcore.flows import FlowPage, FlowRecord
from qcore.records import LimitPage, LockPage, Page, QueueCounts, StoredJob, StoreFacts, WorkerRecord

if TYPE_CHECKING:
    from qcore import measures
    from qcore.drivers.shelf.ordered import Key
    from qcore.drivers.shelf.shelf import Shelf
    from qcore.flows import FlowKind, Opening, Step


class Reading:
    """The `Reader` face."""

    _shelf: Shelf

    def counts(self, queues: Sequence[str] | None = None) -> Sequence[QueueCounts]:
        """Count the jobs of the named queues, or of all, sorted by name."""
        with self._shelf.lock:
            now_us = self._shelf.now()
            names = self._shelf.lanes if queues is None else set(queues)
            return [lane.counts(now_us) for lane in self._shelf.known(sorted(names))]

    def find(self, job_id: str) -> StoredJob | None:
        """Read one job whole, wherever it is in its life."""
        with self._shelf.lock:
            entry = self._shelf.entries.get(job_id)
            return entry.stored(self._shelf.now()) if entry is not None else None

    def page(
        self,
        view: str,
        *,
        queue: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
        payloads: bool = False,
    ) -> Page:
        """List jobs of a view, newest first; see `Reader.page`."""
        bound = _key(cursor) if cursor else None
        with self._shelf.lock:
            now_us = self._shelf.now()
            lanes = self._shelf.lanes.values() if queue is None else self._shelf.known([queue])
            keys = [key for lane in lanes for key in lane.views[view].below(bound, limit + 1)]
            shown = nlargest(limit, keys)
            jobs = tuple(self._shelf.entries[key[-1]].stored(now_us, whole=payloads) for key in shown)
        return Page(jobs, _cursor(shown[-1]) if len(keys) > len(shown) else None)

    def results(self, *, cursor: str | None = None, limit: int = 50) -> Page:
        """List completed jobs whose result is kept, by id; see `Reader.results`."""
        with self._shelf.lock:
            now_us = self._shelf.now()
            known = self._shelf.entries.values()
            kept = (entry for entry in known if entry.result is not None and now_us < entry.result_until_us)
            found = nsmallest(limit + 1, (entry.id for entry in kept if cursor is None or entry.id > cursor))
            jobs = tuple(self._shelf.entries[one].stored(now_us) for one in found[:limit])
        return Page(jobs, jobs[-1].id if len(found) > limit else None)

    def workers(self) -> Sequence[WorkerRecord]:
        """List the workers that reported within three lease terms, by supervisor and id."""
        with self._shelf.lock:
            return self._shelf.registry.known(self._shelf.now())

    def locks(self, *, cursor: str | None = None, limit: int = 50) -> LockPage:
        """List the locks that are held, by key."""
        with self._shelf.lock:
            return self._shelf.locks.page(cursor, limit, self._shelf.now())

    def limits(self, *, cursor: str | None = None, limit: int = 50) -> LimitPage:
        """List the limits by which jobs started of late, by key."""
        with self._shelf.lock:
            now_us = self._shelf.now()
            return self._shelf.limits.page(cursor, limit, now_us)

    def monitored_tags(self) -> Sequence[str]:
        """List the tags that somebody keeps an eye on, sorted."""
        with self._shelf.lock:
            return sorted(self._shelf.tags)

    def flow(self, flow: str) -> FlowRecord | None:
        """Read one flow."""
        with self._shelf.lock:
            opening = self._shelf.flows.all.get(flow)
            return None if opening is None else _record(opening)

    def flows(self, kinds: Sequence[FlowKind], *, cursor: str | None = None, limit: int = 50) -> FlowPage:
        """List flows, newest first; see `Reader.flows`."""
        with self._shelf.lock:
            known = self._shelf.flows.all.values()
            chosen = [one for one in known if one.flow.kind in kinds and (cursor is None or one.flow.id < cursor)]
            shown = sorted(chosen, key=lambda one: one.flow.id, reverse=True)[:limit]
            more = shown[-1].flow.id if len(chosen) > len(shown) else None
            return FlowPage(tuple(_record(one) for one in shown), more)

    def steps(self, flow: str) -> Sequence[Step]:
        """Read the steps of a flow, in order."""
        with self._shelf.lock:
            return self._shelf.flows.steps_of(flow)

    def steps_among(self, flow: str, ids: Sequence[str]) -> Sequence[Step]:
        """Read those of the ids that are steps of a flow."""
        del flow
        with self._shelf.lock:
            return list(self._shelf.flows.steps(ids).values())

    def payloads_of(self, flow: str) -> Sequence[bytes]:
        """Read the payloads that a flow keeps for later."""
        with self._shelf.lock:
            flows = self._shelf.flows
            later = [step.envelope for step in flows.steps_of(flow) if step.envelope and step.state.may_start]
            callbacks = flows.callbacks(flow).values() if flow in flows.all else ()
            return [envelope.payload for envelope in (*later, *callbacks)]

    def failed_of(self, flow: str, *, limit: int = 1000) -> Sequence[str]:
        """Name failed members of a flow."""
        with self._shelf.lock:
            return sorted(entry.id for entry in self._shelf.flows.failed(flow))[:limit]

    def readings(self, span: measures.Span, first: int, after: int) -> Sequence[measures.Reading]:
        """Read what was measured of jobs; see `Reader.readings`."""
        with self._shelf.lock:
            return self._shelf.measures.read(span, first, after)

    def ping(self) -> float:
        """Ask the store for an answer; returns the seconds it took."""
        began = time.perf_counter()
        with self._shelf.lock:
            return time.perf_counter() - began

    def facts(self) -> StoreFacts:
        """Tell what the store is; see `Reader.facts`."""
        with self._shelf.lock:
            return StoreFacts(product="memory", **timed(self._shelf.now))


def _record(opening: Opening) -> FlowRecord:
    return FlowRecord(flow=msgspec.structs.replace(opening.flow), options=opening.options)


def _cursor(key: Key) -> str:
    return f"{key[0]}:{key[-1]}"


def _key(cursor: str) -> Key:
    stamp, _, job_id = cursor.partition(":")
    return (int(stamp), 0, job_id)
