"""What there is to tell of one job, part by part. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from rich.text import Text

from qcore.filters import state_of
from qcore.monitor.tail import Happening, events_of
from qctl import format as fmt
from qctl.screens.job.painting import json_text, traceback_text

if TYPE_CHECKING:
    from qcore.monitor.snapshots import FailureSnapshot, FlowSnapshot, JobSnapshot

STATES: Mapping[str, tuple[str, str, str]] = {
    "completed": ("✔", "+", "green"), "failed": ("✘", "x", "red"), "cancelled": ("○", "-", "dim"),
    "processing": ("▶", ">", "cyan"), "retrying": ("↻", "~", "yellow"), "pending": ("·", ".", ""),
    "delayed": ("◷", "@", "blue"),
}  # fmt: skip
"""How a state is drawn: a sign, one of ASCII, and its colour."""
_LABEL = 11
_BAR = 20
_EVENTS = {
    Happening.DISPATCHED: ("dispatched", "pending"), Happening.STARTED: ("started", "processing"),
    Happening.RETRYING: ("failed, to be tried again", "retrying"), Happening.COMPLETED: ("completed", "completed"),
    Happening.FAILED: ("failed", "failed"), Happening.CANCELLED: ("cancelled", "cancelled"),
}  # fmt: skip


class Told(NamedTuple):
    """A job, and what is known beside it.

    Args:
        job: whole.
        now: tells ages.
        flow: the batch, chain or graph that it belongs to; None where it has none, or that is not known.
        ascii_only: draw with ASCII alone.
        width: columns for its fields.
    """

    job: JobSnapshot
    now: datetime
    flow: FlowSnapshot | None = None
    ascii_only: bool = False
    width: int = 80

    def sign(self, state: str) -> tuple[str, str]:
        """The sign of a state, and its style."""
        glyph, ascii_glyph, style = STATES[state]
        return (ascii_glyph if self.ascii_only else glyph), style


class _Field(NamedTuple):
    label: str
    value: str
    style: str = ""


class Part(NamedTuple):
    """One part of the page."""

    title: str
    draw: Callable[[Told], Text]


def title(told: Told) -> Text:
    """Which job, and where it is."""
    state = state_of(told.job)
    sign, style = told.sign(state)
    return Text.assemble(
        (f" {fmt.printable(told.job.name)}", "bold"),
        (f"  {told.job.id}  ", "dim"),
        (f"{sign} {state}", f"bold {style}"),
    )


def facts(told: Told) -> Text:
    """Its fields, one below the other."""
    text, room = Text(), max(20, told.width - _LABEL)
    for label, value, style in _fields(told):
        for number, line in enumerate(wrap(fmt.printable(value), room) or [""]):
            text.append(f"{'' if number else label:<{_LABEL}}", style="dim").append(f"{line}\n", style=style)
    return text


def _fields(told: Told) -> Iterator[_Field]:
    job = told.job
    sign, style = told.sign(state_of(job))
    crashes = f", {job.crashes} by a crash" if job.crashes else ""
    yield _Field("id", job.id)
    yield _Field("job", job.job)
    yield _Field("queue", f"{job.queue} on {job.connection}")
    yield _Field("state", f"{sign} {state_of(job)}", style)
    if job.progress is not None:
        yield _Field("progress", _bar(job.progress, ascii_only=told.ascii_only), "green")
        yield _Field("", job.progress_note or "", "dim")
    yield _Field("priority", str(job.priority))
    yield _Field("attempts", f"{job.attempts}{crashes}")
    yield from _times(told)
    for label, value in (
        ("worker", job.worker), ("tags", ", ".join(job.tags)), ("error", job.error), ("trouble", job.fingerprint)
    ):  # fmt: skip
        if value:
            yield _Field(label, value, "red" if label == "error" else "")
    if job.flow:
        yield from _of_flow(job.flow, told.flow)


def _times(told: Told) -> Iterator[_Field]:
    job = told.job
    for label, at in (
        ("created", job.created_at), ("due", job.due_at), ("reserved", job.reserved_at), ("ended", job.ended_at)
    ):  # fmt: skip
        if at is not None:
            yield _Field(label, f"{at:%Y-%m-%d %H:%M:%S}  {fmt.age(at, told.now)}")
    if job.runtime_s is not None:
        yield _Field("runtime", fmt.duration(job.runtime_s))


def _of_flow(flow_id: str, flow: FlowSnapshot | None) -> Iterator[_Field]:
    if flow is None:
        yield _Field("part of", flow_id)
        return
    yield _Field(flow.kind, flow.name or flow_id)
    if flow.name:
        yield _Field("", flow_id, "dim")
    yield _Field("", f"{flow.state}, {flow.progress} % of {flow.total:,}, {flow.failed:,} failed", "dim")


def _bar(percent: int, *, ascii_only: bool) -> str:
    full, empty = ("#", "-") if ascii_only else ("█", "░")
    done = _BAR * percent // 100
    return f"{full * done}{empty * (_BAR - done)} {percent} %"


def timeline(told: Told) -> Text:
    """What happened to it, and how long it took from one to the next."""
    text, before = Text(), None
    bar = "|" if told.ascii_only else "│"
    for at, label, state, more in _happenings(told):
        if before is not None:
            text.append(f" {bar}  {fmt.duration(max(0.0, (at - before).total_seconds()))}\n", style="dim")
        sign, style = told.sign(state)
        text.append(f" {sign} ", style=style).append(f"{at:%H:%M:%S}  ", style="dim").append(
            label, style=style or "bold"
        )
        text.append(f"  {fmt.printable(more)}\n" if more else "\n", style="dim")
        before = at
    return text


def _happenings(told: Told) -> Iterator[tuple[datetime, str, str, str]]:
    """When, what, the state that it led to, and what else is to be said."""
    job = told.job
    for event in sorted(events_of(job), key=lambda event: event.at):
        label, state = _EVENTS[event.what]
        tried = f"attempt {event.attempt} " if event.attempt and event.what is not Happening.CANCELLED else ""
        worker = job.worker or "" if event.what is Happening.STARTED else ""
        yield event.at, f"{tried}{label}", state, event.error or worker
    if job.ended_at is None and job.reserved_at is None and job.due_at > told.now:
        yield job.due_at, "due", "delayed", ""


def payload(told: Told) -> Text:
    """What it was given and what it gave; what is encrypted or private stays hidden."""
    given, text = dict(told.job.payload or {}), Text()
    options = given.pop("options", None)
    for label, value in (("Arguments", given), ("Options", options), ("Result", told.job.result)):
        if value not in (None, {}):
            text.append(f"{label}\n", style="bold").append_text(json_text(value)).append("\n\n")
    return text or Text("Nothing is known of its payload.", style="dim")


def exception(told: Told) -> Text:
    """What went wrong last."""
    failures = told.job.failures
    return _failure(failures[-1], told) if failures else Text("No attempt of it has failed.", style="dim")


def attempts(told: Told) -> Text:
    """What went wrong in each attempt, the last one first."""
    every = [_failure(one, told) for one in reversed(told.job.failures)]
    return Text("\n\n").join(every) if every else exception(told)


def _failure(one: FailureSnapshot, told: Told) -> Text:
    text = Text.assemble((f"Attempt {one.attempt}", "bold"), (f"  {fmt.age(one.at, told.now)}", "dim"))
    text.append(f"{fmt.printable(f'  on {one.worker}') if one.worker else ''}\n", style="dim")
    if not one.traceback or one.text not in one.traceback:
        text.append(fmt.printable(f"{one.kind}: {one.text}") + "\n", style="red")
    return text.append_text(traceback_text(one.traceback)) if one.traceback else text


def raw(told: Told) -> Text:
    """All of it, as JSON."""
    return json_text(msgspec.to_builtins(told.job))


FACTS = Part("Facts", facts)
"""What stands beside the others where there is room."""
TIMELINE = Part("Timeline", timeline)
EXCEPTION = Part("Exception", exception)
PARTS = (TIMELINE, Part("Payload", payload), EXCEPTION, Part("Attempts", attempts), Part("Raw", raw))
