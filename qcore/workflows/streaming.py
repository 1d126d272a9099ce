"""Storing batches of any size: a piece of a thousand after the other, each in one step."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import TYPE_CHECKING, Any

from qcore.drivers.base import MAX_PUSH
from qcore.errors import ConfigurationError, QueueError
from qcore.flows import Weave
from qcore.ids import new_id
from qcore.jobs.job import Job
from qcore.manager import QueueManager
from qcore.workflows.pending import strand_of
from qcore.workflows.plan import Node, Planner, Spec, Whole, jobs_in
from qcore.workflows.sizes import MOST_BYTES, is_too_large, refuse_large

if TYPE_CHECKING:
    from qcore.config import ConnectionSettings

_STRAND_BITS = 42  # times a thousand, what a double holds exactly
_BAR = 30
Told = Callable[[int], object]
"""Is told how many members are stored so far."""


class Sender:
    """Stores one batch, piece by piece."""

    def __init__(
        self,
        manager: QueueManager,
        connection: ConnectionSettings,
        spec: Spec,
        session: Any,
        flow_id: str | None = None,
        ids: Callable[[], str] = new_id,
    ) -> None:
        self._manager = manager
        self._connection = connection
        self._spec = spec
        self._session = session
        self._planner = Planner(manager, connection, ids)
        self.flow_id = flow_id or new_id()
        self.stored = 0

    def begin(self, strands: Sequence[Sequence[Node]], *, is_open: bool) -> str:
        """Store the batch with its first members; returns its id."""
        if is_open:
            self._refuse_session()
        weave = self._planner.opening(Whole(self._spec, strands), self.flow_id, is_open=is_open)
        if self._weave(weave, len(strands)):
            return self.flow_id
        half = len(strands) // 2
        self.begin(strands[:half], is_open=True)
        self.add(strands[half:])
        if not is_open:
            self.close()
        return self.flow_id

    def add(self, strands: Sequence[Sequence[Node]]) -> None:
        """Store more members, in as many steps as they need."""
        weave = self._planner.more(self.flow_id, self._spec, strands, self._next_strand())
        if self._weave(weave, len(strands)):
            return
        half = len(strands) // 2
        self.add(strands[:half])
        self.add(strands[half:])

    def close(self) -> None:
        """Say that these were all."""
        self._manager.connection(self._connection.name).close_flow(self.flow_id)

    def _next_strand(self) -> int:
        """A number from which on a piece has numbers of its own, whoever else adds to the batch."""
        return secrets.randbits(_STRAND_BITS) * MAX_PUSH

    def _weave(self, weave: Weave, strands: int) -> bool:
        """Store so many strands, unless they can and must be divided; returns whether they are stored."""
        if is_too_large(weave):
            if strands > 1:
                return False
            refuse_large(weave, self._spec.kind)
        self._manager.weave(self._connection, weave, session=self._session)
        self.stored += strands
        return True

    def _refuse_session(self) -> None:
        if self._session is not None:
            raise ConfigurationError(
                f"a batch of more than {MAX_PUSH:,} jobs, or {MOST_BYTES:,} bytes, cannot be stored in a session's "
                "transaction",
                hint="dispatch it without session=, after the commit",
            )


def stream(sender: Sender, pieces: Iterable[Sequence[Sequence[Node]]], told: Told) -> None:
    """Store all pieces of a batch but the first, and close it."""
    try:
        told(sender.stored)
        for piece in pieces:
            sender.add(piece)
            told(sender.stored)
        sender.close()
    except BaseException as error:  # an interrupt, too, leaves it open: whoever sees that is to know
        tell_with(error, f"batch {sender.flow_id} is open with the {sender.stored:,} jobs stored before that")
        raise
    finally:
        if isinstance(told, Shown):
            told.end()


def tell_with(error: BaseException, note: str) -> None:
    """Let an error say more than it does."""
    if isinstance(error, QueueError):
        error.message = f"{error.message} ({note})"
        error.args = (error.message,)
    else:
        error.add_note(note)


def strands_of(jobs: Iterable[Any]) -> Iterator[list[Node]]:
    """The members of a batch, one by one as they are read; raises `ConfigurationError` at what is none."""
    for place, work in enumerate(jobs):
        if isinstance(work, Job):
            yield [Node(work)]
        elif strand := strand_of(work, f"job {place + 1:,} of the batch"):
            yield strand


def piece_of(strands: Iterator[list[Node]]) -> list[list[Node]]:
    """The next thousand jobs, or what is left; more where one strand brings them."""
    piece, room = [], MAX_PUSH
    for strand in strands:
        piece.append(strand)
        is_one = len(strand) == 1 and isinstance(strand[0].work, Job)
        room -= 1 if is_one else sum(1 for _ in jobs_in([strand]))
        if room <= 0:
            break
    return piece


def pieces_of(strands: Iterator[list[Node]]) -> Iterator[list[list[Node]]]:
    """All that is left, a thousand at a time."""
    while piece := piece_of(strands):
        yield piece


class Shown:
    """Tells a person how far it is, on a line of its own where one looks on.

    Args:
        jobs: that are being stored.
    """

    def __init__(self, jobs: Iterable[Any]) -> None:
        self._total = len(jobs) if isinstance(jobs, Sized) else 0
        self._is_seen = sys.stderr is not None and sys.stderr.isatty()

    def __call__(self, stored: int) -> None:
        """Say that so many are stored."""
        if not self._total:
            self._say(f"\r{stored:,} jobs stored")
            return
        share = min(1.0, stored / self._total)
        bar = ("#" * int(share * _BAR)).ljust(_BAR, ".")
        self._say(f"\r[{bar}] {share:4.0%}  {stored:,} of {self._total:,} jobs stored")

    def end(self) -> None:
        """Leave the line."""
        self._say("\n")

    def _say(self, words: str) -> None:
        if self._is_seen:
            sys.stderr.write(words)
            sys.stderr.flush()
