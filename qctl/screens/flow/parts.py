"""What there is to tell of a batch, chain or graph: how far it is, its steps as a tree, and what failed. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text

from qctl import format as fmt
from qctl.screens.job.facts import STATES
from qctl.screens.rows import Cell, Column, Row

if TYPE_CHECKING:
    from qcore.monitor.snapshots import FlowSnapshot, JobSnapshot, StepSnapshot

_BAR = 30
_LABEL = 11
COLUMNS = (
    Column("step", "STEP", 18, grows=True),
    Column("job", "JOB", 16, keep=6),
    Column("state", "STATE", 13),
    Column("runtime", "RUNTIME", 9, right=True, keep=7),
    Column("after", "AFTER", 16, keep=5),
    Column("error", "ERROR", 20, grows=True, keep=8),
    Column("id", "ID", 36, keep=2),
)


def title(flow: FlowSnapshot, *, ascii_only: bool) -> Text:
    """Which one, and where it is."""
    sign, style = _sign(flow.state, ascii_only=ascii_only)
    state = f"{sign} {flow.state}" + (" (open: more jobs are to come)" if flow.open else "")
    name = f" {flow.kind} {fmt.printable(flow.name)}".rstrip()
    return Text.assemble((name, "bold"), (f"  {flow.id}  ", "dim"), (state, f"bold {style}"))


def head(flow: FlowSnapshot, now: datetime, *, ascii_only: bool) -> Text:
    """How far it is, in numbers and times."""
    text = Text()
    for label, value, style in _lines(flow, now, ascii_only=ascii_only):
        text.append(f"{label:<{_LABEL}}", style="dim").append(f"{fmt.printable(value)}\n", style=style)
    text.rstrip()
    return text


def _lines(flow: FlowSnapshot, now: datetime, *, ascii_only: bool) -> Iterator[tuple[str, str, str]]:
    full, empty = ("#", "-") if ascii_only else ("█", "░")
    done = _BAR * flow.progress // 100
    yield "progress", f"{full * done}{empty * (_BAR - done)} {flow.progress} %", "green"
    numbers = f"{flow.total:,} total, {flow.pending:,} pending, {flow.processed:,} processed"
    yield "jobs", f"{numbers}, {flow.failed:,} failed, {flow.cancelled:,} cancelled", ""
    for label, at in (("created", flow.created_at), ("cancelled", flow.cancelled_at), ("finished", flow.finished_at)):
        if at is not None:
            yield label, f"{at:%Y-%m-%d %H:%M:%S}  {fmt.age(at, now)}", ""
    if flow.finished_at is not None:
        yield "took", fmt.duration((flow.finished_at - flow.created_at).total_seconds()), ""
    if flow.options:
        yield "options", json.dumps(flow.options, default=str), ""
    if flow.parent:
        yield "part of", flow.parent, ""
    if flow.error:
        yield "error", flow.error, "red"


def rows(flow: FlowSnapshot, failed: Sequence[JobSnapshot], *, ascii_only: bool) -> list[Row]:
    """Its steps, those of work nested in them below each; of one without steps the jobs that failed."""
    if flow.steps:
        return list(_steps(flow.steps, 0, ascii_only=ascii_only))
    return [_failed(job, ascii_only=ascii_only) for job in failed]


def _steps(steps: Sequence[StepSnapshot], depth: int, *, ascii_only: bool) -> Iterator[Row]:
    names = {step.id: step.name or str(place) for place, step in enumerate(steps, 1)}
    for step in steps:
        state = step.state if step.progress is None else f"{step.state} {step.progress} %"
        cells = {
            "step": Cell(names[step.id]),
            "job": Cell(step.job.rpartition(":")[2]),
            "state": _state(step.state, state, ascii_only=ascii_only),
            "runtime": Cell("" if step.runtime_s is None else fmt.duration(step.runtime_s)),
            "after": Cell(", ".join(names.get(one, one) for one in step.after), "dim"),
            "error": Cell(step.error or "", "red"),
            "id": Cell(step.id),
        }
        yield Row(step.id, cells, depth)
        yield from _steps(step.steps, depth + 1, ascii_only=ascii_only)


def _failed(job: JobSnapshot, *, ascii_only: bool) -> Row:
    cells = {
        "step": Cell(job.id),
        "job": Cell(job.name),
        "state": _state("failed", "failed", ascii_only=ascii_only),
        "runtime": Cell("" if job.runtime_s is None else fmt.duration(job.runtime_s)),
        "error": Cell(job.error or "", "red"),
        "id": Cell(job.id),
    }
    return Row(job.id, cells)


def flows_in(steps: Sequence[StepSnapshot]) -> Iterator[str]:
    """The ids of the steps that are batches or chains themselves."""
    for step in steps:
        if step.is_flow:
            yield step.id
        yield from flows_in(step.steps)


def _state(state: str, words: str, *, ascii_only: bool) -> Cell:
    sign, style = _sign(state, ascii_only=ascii_only)
    return Cell(f"{sign} {words}", style)


def _sign(state: str, *, ascii_only: bool) -> tuple[str, str]:
    glyph, ascii_glyph, style = STATES.get(state, ("·", ".", ""))
    return (ascii_glyph if ascii_only else glyph), style
