"""What a filter may ask of a job, and where in its snapshot the answer stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from qcore.codec import MASK
from qcore.states import JobState

if TYPE_CHECKING:
    from qcore.monitor.snapshots import JobSnapshot

STATES = ("pending", "delayed", "processing", "retrying", "completed", "failed", "cancelled")
"""Where a job can be, as lists tell it."""
WORDS = ""
"""The field of a word that names none."""
ARGUMENTS = "args"


class Kind(Enum):
    """How the values of a field are compared."""

    NAME = "name"
    """As they are written; `*` stands for anything."""
    TEXT = "text"
    """By a part of it, in upper or lower case."""
    STATE = "state"
    NUMBER = "number"
    SPAN = "span"
    """A length of time, in seconds."""
    INSTANT = "instant"

    @property
    def is_ordered(self) -> bool:
        """Whether a value can be above another."""
        return self in {Kind.NUMBER, Kind.SPAN, Kind.INSTANT}


Read = Callable[["JobSnapshot", datetime, str], Any]
"""Reads a job as of an instant, at the field's full name: the texts that will do, or a number or instant or None."""


@dataclass(frozen=True)
class Field:
    """One thing that a filter may ask."""

    name: str
    kind: Kind
    read: Read
    help: str
    in_payload: bool = False
    """It stands in the job's payload, which lists do not read otherwise."""


def state_of(job: JobSnapshot) -> str:
    """Where a job is, as lists tell it: one that was never tried and is not due yet is `delayed`."""
    return "delayed" if job.delayed and job.state is JobState.PENDING else job.state.value


def exception_of(job: JobSnapshot) -> str | None:
    """The class of a job's last error, with its module unless builtin."""
    return None if job.error is None else job.error.partition(": ")[0]


def _exceptions(job: JobSnapshot, _now: datetime, _name: str) -> Iterator[str]:
    kind = exception_of(job)
    if kind is not None:
        yield kind
        yield kind.rpartition(".")[2]


def _runtime(job: JobSnapshot, now: datetime, _name: str) -> float | None:
    if job.state is JobState.PROCESSING and job.reserved_at is not None:
        return (now - job.reserved_at).total_seconds()
    return job.runtime_s


def _tenants(job: JobSnapshot, _now: datetime, _name: str) -> list[str]:
    return _some((job.payload or {}).get("options", {}).get("tenant"))


def _hosts(job: JobSnapshot, _now: datetime, _name: str) -> list[str]:
    return [] if job.worker is None else [job.worker.rsplit(":", 2)[0]]


def _words(job: JobSnapshot, _now: datetime, _name: str) -> list[str]:
    texts = (job.id, job.job, job.queue, job.worker, job.error, job.progress_note)
    return [text for text in texts if text is not None] + list(job.tags)


def _arguments(job: JobSnapshot, _now: datetime, name: str) -> Iterator[str]:
    """The arguments below a path such as `args.user.id`; a hidden one is none."""
    payload = job.payload or {}
    places: list[Any] = [payload.get("kwargs", {}), payload.get("args", [])]
    for key in name.split(".")[1:]:
        places = [place for parent in places for place in _inside(parent, key)]
    return _leaves(places)


def _inside(parent: Any, key: str) -> Iterator[Any]:
    if isinstance(parent, dict) and key in parent:
        yield parent[key]
    elif isinstance(parent, list) and key.isdecimal() and len(key) < len("1000000") and int(key) < len(parent):
        yield parent[int(key)]


def _leaves(places: Iterable[Any]) -> Iterator[str]:
    for place in places:
        if isinstance(place, dict):
            yield from _leaves(place.values())
        elif isinstance(place, list):
            yield from _leaves(place)
        elif place != MASK:
            yield _spelt(place)


def _spelt(value: Any) -> str:
    """A value as a filter writes it: as JSON does, without quotes."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _some(text: str | None) -> list[str]:
    return [] if text is None else [text]


def _listed(*fields: Field) -> dict[str, Field]:
    return {field.name: field for field in fields}


FIELDS = _listed(
    Field("id", Kind.NAME, lambda job, *_: [job.id], "its id"),
    Field("job", Kind.NAME, lambda job, *_: [job.name, job.job], "its class, or module:Class"),
    Field("queue", Kind.NAME, lambda job, *_: [job.queue], "its queue"),
    Field("state", Kind.STATE, lambda job, *_: [state_of(job)], " ".join(STATES)),
    Field("tag", Kind.NAME, lambda job, *_: job.tags, "one of its tags"),
    Field("silenced", Kind.NAME, lambda job, *_: [_spelt(job.silenced)], "true where it completed and is silenced"),
    Field("tenant", Kind.NAME, _tenants, "its tenant", in_payload=True),
    Field("connection", Kind.NAME, lambda job, *_: [job.connection], "where it is stored"),
    Field("worker", Kind.NAME, lambda job, *_: _some(job.worker), "who runs it, or ran it last"),
    Field("host", Kind.NAME, _hosts, "the host of that worker"),
    Field("error", Kind.TEXT, lambda job, *_: _some(job.error), "a part of its last error"),
    Field("exception", Kind.NAME, _exceptions, "the class of its last error"),
    Field("fingerprint", Kind.NAME, lambda job, *_: _some(job.fingerprint), "what its last error is told apart by"),
    Field(ARGUMENTS, Kind.NAME, _arguments, "args.NAME, args.0, args.user.id; args alone is any", in_payload=True),
    Field("tries", Kind.NUMBER, lambda job, *_: job.attempts, "tries charged so far"),
    Field("crashes", Kind.NUMBER, lambda job, *_: job.crashes, "workers that died under it"),
    Field("priority", Kind.NUMBER, lambda job, *_: job.priority, "larger goes first"),
    Field("progress", Kind.NUMBER, lambda job, *_: job.progress, "percent, as it reported"),
    Field("age", Kind.SPAN, lambda job, now, _: (now - job.created_at).total_seconds(), "time since it was stored"),
    Field("runtime", Kind.SPAN, _runtime, "time its last attempt took, or has taken"),
    Field("created", Kind.INSTANT, lambda job, *_: job.created_at, "when it was stored"),
    Field("due", Kind.INSTANT, lambda job, *_: job.due_at, "when it is due"),
    Field("ended", Kind.INSTANT, lambda job, *_: job.ended_at, "when it ended: failed, completed, cancelled"),
)
"""Every field by its name."""
ALIASES = {"class": "job", "attempts": "tries", "tags": "tag", "exc": "exception"}
_WORD_FIELD = Field(WORDS, Kind.TEXT, _words, "a part of its id, class, queue, worker, error, note or tags")


def field_of(name: str) -> Field | None:
    """The field of a full name such as `args.user.id`, or of none; None where there is no such field."""
    if not name:
        return _WORD_FIELD
    head, dot, _ = name.partition(".")
    return FIELDS.get(head) if not dot or head == ARGUMENTS else None
