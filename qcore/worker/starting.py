"""What happens between the moment a job is ready to run and `handle`: most jobs need nothing of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from qcore.envelope import Exclusive, Lease, Start, Started, StartVerdict
from qcore.errors import ConnectionFailed
from qcore.worker.ends import handed_back
from qcore.worker.lane import Lane

if TYPE_CHECKING:
    from qcore.jobs.options import JobOptions
    from qcore.settlement import Settlement

_PAUSES_S = (0.02, 0.2)
"""Before the store is asked again that did not answer; then the job waits again."""
_SOON_US = 10_000
"""A slot that is so near is waited for: to give the job back and take it again would cost as much."""
_SILENT_US = 1_000_000
"""How long a job waits whose store did not answer."""
_HOLDS_S = 0.04
"""A start that was granted ahead is made within so many seconds, or asked for again."""
_GRANTS_SHARE = 20
_GRANTS_GROW = 1.25
_MOST_AHEAD = 512
_MOST_KEPT = 4096
_KEPT_S = 10.0


class _Answer(NamedTuple):
    """What the store said, and when it was asked."""

    started: Started
    token: str
    asked_at: float

    def at(self, now: float) -> Started | None:
        """What it is worth now; None if nothing."""
        age_s = now - self.asked_at
        if self.started.verdict is StartVerdict.STARTED:
            return self.started if age_s <= _HOLDS_S else None
        left_us = self.started.delay_us - round(age_s * 1_000_000)
        return Started(self.started.verdict, left_us, self.started.is_slot) if left_us > 0 else None


class Starter:
    """Asks the store whether jobs of a lane may run; from any thread.

    Threads that ask at the same time are served by one call. Where a job is limited, others in hand that are likely
    to be are asked for with it: a limit that is shut would else cost each of them a call. Of a large one a few are let
    start ahead.

    Args:
        lane: whose jobs they are.
        options_of: reads the options of a lease in hand; None where it cannot be read.
    """

    def __init__(self, lane: Lane, options_of: Callable[[Lease], JobOptions | None]) -> None:
        self._lane = lane
        self._options_of = options_of
        self._asking = threading.Lock()
        self._wanted: dict[str, Start] = {}
        self._answers: dict[str, _Answer] = {}
        self._ahead = 8
        """How many are asked for ahead."""
        self._grants = 8.0
        """How many of them may be let start: far fewer for each that is not used in time, and slowly more."""

    def start(self, lease: Lease, options: JobOptions) -> Settlement | None:
        """Ask whether the job may run now; returns the attempt's end where it must not.

        A job that is kept back waits again, uncharged. One whose lease was lost is given back too, which the store
        refuses: so it is told as lost, and nothing else happens.
        """
        wanted = self._start_of(lease, options)
        if wanted.lock is None and wanted.exclusive is None and not wanted.limits:
            return None
        try:
            answer = self._asked(lease, wanted)
            if answer.is_slot and answer.delay_us <= _SOON_US:
                time.sleep(answer.delay_us / 1_000_000)
                answer = self._asked(lease, wanted)
        except ConnectionFailed:
            return handed_back(lease, _SILENT_US)
        if answer.verdict is StartVerdict.STARTED:
            return None
        if answer.verdict is StartVerdict.LOST:
            return handed_back(lease)
        pause_us = options.overlap.release_us if options.overlap is not None and not answer.is_slot else 0
        return handed_back(lease, max(answer.delay_us, pause_us, 1))

    def _start_of(self, lease: Lease, options: JobOptions) -> Start:
        overlap, of_queue = options.overlap, self._lane.limited.get(lease.queue)
        return Start(
            id=lease.id,
            token=lease.token,
            lock=lease.lock if options.until_start else None,
            exclusive=Exclusive(overlap.key, overlap.expire_us) if overlap is not None else None,
            limits=options.limits if of_queue is None else (*options.limits, of_queue),
        )

    def _asked(self, lease: Lease, wanted: Start) -> Started:
        for pause_s in _PAUSES_S:
            try:
                return self._answer(lease, wanted)
            except ConnectionFailed as error:
                if error.is_refusal:
                    raise
                time.sleep(pause_s)
        return self._answer(lease, wanted)

    def _answer(self, lease: Lease, wanted: Start) -> Started:
        known = self._known(wanted)
        if known is not None:
            return known
        self._wanted[wanted.id] = wanted
        try:
            with self._asking:
                if wanted.id in self._wanted:  # else somebody has asked for it meanwhile
                    self._ask(lease, wanted)
                return self._answers.pop(wanted.id).started
        finally:
            self._wanted.pop(wanted.id, None)

    def _known(self, wanted: Start) -> Started | None:
        """What is known of a job that was asked for ahead."""
        known = self._answers.pop(wanted.id, None)
        if known is None or known.token != wanted.token:
            return None
        answer = known.at(time.monotonic())
        if answer is None and known.started.verdict is StartVerdict.STARTED:
            self._grants = self._grants_of(wanted) / 2  # its place in the limit is lost
        return answer

    def _ask(self, lease: Lease, wanted: Start) -> None:
        """Ask for all who wait to be asked for, and for some ahead; the caller has the lock."""
        together = dict(self._wanted)
        ahead = self._of_those_in_hand(lease, wanted) if wanted.limits else {}
        starts = [*together.values(), *(start for job_id, start in ahead.items() if job_id not in together)]
        asked_at = time.monotonic()
        answers = self._lane.start(starts)
        if len(self._answers) > _MOST_KEPT:
            self._answers = {i: one for i, one in self._answers.items() if one.asked_at > asked_at - _KEPT_S}
        for start, started in zip(starts, answers, strict=True):
            if not start.ahead or started.is_slot:
                self._answers[start.id] = _Answer(started, start.token, asked_at)
        for job_id in together:
            self._wanted.pop(job_id, None)
        if ahead:
            self._ahead = min(_MOST_AHEAD, 2 * self._ahead)
            self._grants = min(_MOST_AHEAD, _GRANTS_GROW * self._grants)

    def _of_those_in_hand(self, lease: Lease, wanted: Start) -> dict[str, Start]:
        """What others in hand need that are of this job's class, or queue where that is limited: limits alone."""
        ahead: dict[str, Start] = {}
        of_queue = lease.queue in self._lane.limited
        for other in [*self._lane.leases]:
            if len(ahead) >= self._ahead:
                break
            is_alike = other.job == lease.job or (of_queue and other.queue == lease.queue)
            if not is_alike or other.id == wanted.id or other.id in self._answers or other.cancel_requested:
                continue
            options = self._options_of(other)
            start = self._start_of(other, options) if options is not None else None
            if start is not None and start.limits and start.lock is None and start.exclusive is None:
                ahead[other.id] = msgspec.structs.replace(start, ahead=len(ahead) + 1 > self._grants_of(start))
        return ahead

    def _grants_of(self, start: Start) -> float:
        """How many may be let start ahead: so few that a grant which is not used in time costs next to nothing."""
        return min(self._grants, min(limit.most for limit in start.limits) // _GRANTS_SHARE)
