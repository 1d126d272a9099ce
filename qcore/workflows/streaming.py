"""Storing batches of any size: a piece of a thousand after the other, each in one step."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from itertools import chain as joined
from itertools import islice
from typing import TYPE_CHECKING, Any

from qcore.drivers.base import MAX_PUSH
from qcore.errors import ConfigurationError, QueueError
from qcore.flows import Weave
from qcore.ids import new_id
from qcore.manager import QueueManager
from qcore.workflows.pending import strand_of
from qcore.workflows.plan import Node, Planner, Spec, Whole

if TYPE_CHECKING:
    from qcore.config import ConnectionSettings

_STRAND_BITS = 42  # times a thousand, what a double holds exactly
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
    ) -> None:
        self._manager = manager
        self._connection = connection
        self._spec = spec
        self._session = session
        self._planner = Planner(manager, connection)
        self.flow_id = flow_id or new_id()
        self.stored = 0

    def begin(self, strands: Sequence[Sequence[Node]], *, is_open: bool) -> str:
        """Store the batch with its first members; returns its id."""
        whole = Whole(self._spec, strands)
        self._weave(self._planner.opening(whole, self.flow_id, is_open=is_open))
        self.stored = len(strands)
        return self.flow_id

    def add(self, strands: Sequence[Sequence[Node]]) -> None:
        """Store more members."""
        self._weave(self._planner.more(self.flow_id, self._spec, strands, self._next_strand()))
        self.stored += len(strands)

    def close(self) -> None:
        """Say that these were all."""
        if self._session is not None:
            raise ConfigurationError(
                f"a batch of more than {MAX_PUSH:,} jobs cannot be stored in a session's transaction",
                hint="dispatch it without session=, after the commit",
            )
        self._manager.connection(self._connection.name).close_flow(self.flow_id)

    def _next_strand(self) -> int:
        """A number from which on a piece has numbers of its own, whoever else adds to the batch."""
        return secrets.randbits(_STRAND_BITS) * MAX_PUSH

    def _weave(self, weave: Weave) -> None:
        self._manager.weave(self._connection, weave, session=self._session)


def stream(sender: Sender, piece: Sequence[Sequence[Node]], rest: Iterator[list[Node]], told: Told) -> None:
    """Store the second piece of a batch and all that follow, and close it."""
    try:
        told(sender.stored)
        for more in joined([piece], pieces_of(rest)):
            sender.add(more)
            told(sender.stored)
        sender.close()
    except Exception as error:
        note = f"batch {sender.flow_id} is open with the {sender.stored:,} jobs stored before that"
        if isinstance(error, QueueError):
            error.message = f"{error.message} ({note})"
            error.args = (error.message,)
        else:
            error.add_note(note)
        raise
    finally:
        if isinstance(told, Shown):
            told.end()


def strands_of(jobs: Iterable[Any]) -> Iterator[list[Node]]:
    """The members of a batch, one by one as they are read; raises `ConfigurationError` at what is none."""
    for place, work in enumerate(jobs):
        strand = strand_of(work, f"job {place + 1:,} of the batch")
        if strand:
            yield strand


def piece_of(strands: Iterator[list[Node]]) -> list[list[Node]]:
    """The next thousand, or what is left."""
    return list(islice(strands, MAX_PUSH))


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
        self._of = f" of {len(jobs):,}" if isinstance(jobs, Sized) else ""
        self._is_seen = sys.stderr is not None and sys.stderr.isatty()

    def __call__(self, stored: int) -> None:
        """Say that so many are stored."""
        self._say(f"\r{stored:,}{self._of} jobs stored")

    def end(self) -> None:
        """Leave the line."""
        self._say("\n")

    def _say(self, words: str) -> None:
        if self._is_seen:
            sys.stderr.write(words)
            sys.stderr.flush()
