"""Getting envelopes into a store: in pieces that are all or nothing, repeated while the answer is unsure."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from qcore.drivers import Store
from qcore.drivers.base import MAX_PUSH, MAX_PUSH_BYTES
from qcore.envelope import Envelope
from qcore.errors import ConnectionFailed, QueueError
from qcore.flows import Weave

REPEAT_FOR_S = 5.0
"""An ambiguous push is repeated for so long; below the time for which ended jobs are surely remembered."""


_AT_ONCE_S = 0.5
"""A push that failed later had waited for the store: to wait again would take a dispatch twice its timeout."""


def push_all(store: Store, envelopes: Sequence[Envelope], *, within: Any = None) -> list[str | None]:
    """Push any number of envelopes, 1,000 (or 8 MB) in each atomic step.

    Returns:
        The id of each, in order; None where a unique lock refused it.

    Raises:
        QueueError: as `push` raises; its `stored_ids` and its message name what the steps before have stored.
    """
    stored: list[str | None] = []
    for piece in pieces(envelopes):
        try:
            stored += push_surely(store, piece, within=within)
        except QueueError as error:
            if stored and within is None:
                name_stored(error, [job_id for job_id in stored if job_id])
            raise
    return stored


def name_stored(error: Exception, ids: Sequence[str], *, where: str = "") -> None:
    """Let an error say what was stored before it: in words, and in the `stored_ids` of a `QueueError`.

    Args:
        error: about to be raised again; its `stored_ids` so far are kept.
        ids: of the jobs stored; with none the error stays as it is.
        where: they are, if not where the error comes from: "on a, b ".
    """
    if not ids:
        return
    told = f"{len(ids):,} jobs, {ids[0]} to {ids[-1]}" if len(ids) > 1 else f"1 job, {ids[0]}"
    words = f"(stored {where}before that: {told})"
    if not isinstance(error, QueueError):
        error.add_note(words)
        return
    error.stored_ids = (*ids, *error.stored_ids)
    error.message = f"{error.message} {words}"
    error.args = (error.message,)


def push_surely(store: Store, envelopes: Sequence[Envelope], *, within: Any = None) -> Sequence[str | None]:
    """Push one piece; where its answer is lost, repeat it for 5 s (an id is stored once).

    Raises:
        ConnectionFailed: no answer for so long; the message says whether the jobs may have been stored.
    """
    began = time.monotonic()
    try:
        return store.push(envelopes, within=within)
    except ConnectionFailed as error:
        is_over = time.monotonic() - began > _AT_ONCE_S and not error.may_have_reached
        if within is not None or is_over:
            raise  # the caller's transaction is broken: only its owner can begin anew; a silent store had its time
        return _repeat(store, envelopes, error, began)


def pieces(envelopes: Sequence[Envelope]) -> Iterator[Sequence[Envelope]]:
    """Split by count and by bytes."""
    if len(envelopes) <= 1:
        yield envelopes
        return
    begin, held = 0, 0
    for index, envelope in enumerate(envelopes):
        size = len(envelope.payload)
        if index > begin and (index - begin == MAX_PUSH or held + size > MAX_PUSH_BYTES):
            yield envelopes[begin:index]
            begin, held = index, 0
        held += size
    yield envelopes[begin:]


def _repeat(store: Store, envelopes: Sequence[Envelope], error: ConnectionFailed, began: float) -> Sequence[str | None]:
    """Push again: once after a failure that stored nothing, else until 5 s have gone since `began`."""
    until = began + (REPEAT_FOR_S if error.may_have_reached else 0.0)
    ambiguous = error.may_have_reached
    pause_s = 0.02
    while not error.is_refusal:
        time.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311  jitter is no secret
        pause_s = min(pause_s * 2, 1.0)
        try:
            return store.push(envelopes, repeat=True)
        except ConnectionFailed as again:
            error = again
            ambiguous = ambiguous or again.may_have_reached
        if time.monotonic() + pause_s > until:
            break
    if ambiguous:
        _say_may_be_stored(error, envelopes)
    raise error


def _say_may_be_stored(error: ConnectionFailed, envelopes: Sequence[Envelope]) -> None:
    ids = ", ".join(envelope.id for envelope in envelopes[:3])
    more = f" and {len(envelopes) - 3:,} more" if len(envelopes) > 3 else ""  # noqa: PLR2004  three are shown
    error.message = f"{error.message}; the push may have been stored: {ids}{more}"
    error.args = (error.message,)


# -- flows -----------------------------------------------------------------------------------------------------------


def weave_surely(store: Store, weave: Weave, *, within: Any = None) -> int:
    """Weave; where the answer is lost, repeat it for 5 s (each flow, step and member is stored once).

    Raises:
        ConnectionFailed: no answer for so long; what was to be stored may have been.
    """
    until = time.monotonic() + REPEAT_FOR_S
    pause_s = 0.02
    while True:
        try:
            return store.weave(weave, within=within)
        except ConnectionFailed as error:
            is_over = time.monotonic() + pause_s > until
            if within is not None or error.is_refusal or is_over:
                raise
        weave = replace(weave, is_first=False)
        time.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311  jitter is no secret
        pause_s = min(pause_s * 2, 1.0)


def jobs_in(weave: Weave) -> Iterator[Envelope]:
    """Every job that a weave brings: members, steps and callbacks."""
    yield from weave.members
    yield from (step.envelope for step in weave.steps if step.envelope is not None)
    yield from (envelope for opening in weave.openings for _, envelope in opening.callbacks)


def due_now(weave: Weave) -> Weave:
    """The same with nothing delayed, for a connection that runs it at once."""
    steps = tuple(
        replace(step, envelope=None if step.envelope is None else _due_now(step.envelope)) for step in weave.steps
    )
    openings = tuple(
        replace(opening, callbacks=tuple((hook, _due_now(envelope)) for hook, envelope in opening.callbacks))
        for opening in weave.openings
    )
    return replace(weave, members=tuple(map(_due_now, weave.members)), steps=steps, openings=openings)


def _due_now(envelope: Envelope) -> Envelope:
    return replace(envelope, delay_us=0, due_us=None)
