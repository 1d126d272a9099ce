"""How batches, chains and graphs are shown: as items, as lines of a table, and as a page."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qctl import format as fmt
from qctl import live, output
from qctl.commands.job_items import STATE
from qctl.commands.values import seconds
from qctl.context import Invocation
from qctl.exits import WrongUsage
from qctl.output import Column

if TYPE_CHECKING:
    from qcore.flows import FlowKind
    from qcore.monitor.snapshots import FlowSnapshot, FlowsPage, StepSnapshot

_ONE = {"batches": "batch", "chains": "chain"}
_BAR = 30
_LABEL_WIDTH = 10
_TITLE_WIDTH = 30
_INDENT = "   "
_MARKS = {"completed": "✔", "failed": "✘", "cancelled": "○", "processing": "▶", "retrying": "↻", "pending": "·"}
_ASCII_MARKS = {"completed": "+", "failed": "x", "cancelled": "-", "processing": ">", "retrying": "~", "pending": "."}
COLUMNS = (
    Column("ID", "id", whole=True),
    Column("NAME", "name"),
    STATE,
    Column("OPEN", "open", human=lambda is_open: "open" if is_open else ""),
    Column("DONE", "progress", human=lambda percent: f"{percent} %", right=True),
    Column("TOTAL", "total", right=True),
    Column("PENDING", "pending", right=True),
    Column("FAILED", "failed", right=True),
    Column("CANCELLED", "cancelled", right=True),
    Column("CREATED", "created_at", human=lambda at: fmt.rfc3339(at) or "", right=True),
)


def list_flows(
    call: Invocation, kinds: Sequence["FlowKind"], word: str, limit: int, cursor: str | None, watch: str | None
) -> None:
    """Print a page of them, once or again and again; `word` names them in the JSON and when there are none."""
    every_s = seconds("--watch", watch)

    def read() -> tuple[output.Report, bool]:
        page = _page(call, kinds, cursor, limit)
        items = [item_of(flow) for flow in page.flows]
        report = output.Report(
            schema=f"qctl.{word}/1",
            data={word: items},
            items=items,
            item_schema=f"qctl.{_ONE[word]}/1",
            columns=COLUMNS,
            empty=f"no {word}",
            backend=call.backend(),
            next_cursor=page.next_cursor,
        )
        return report, False

    if every_s is None:
        output.show(call, read()[0])
    else:
        live.watch(call, every_s, read)


def _page(call: Invocation, kinds: Sequence["FlowKind"], cursor: str | None, limit: int) -> "FlowsPage":
    try:
        return call.flows.page(kinds, cursor=cursor, limit=limit)
    except ValueError as error:
        raise WrongUsage(str(error), hint="give next_cursor of the page before") from None


def item_of(flow: "FlowSnapshot") -> dict[str, Any]:
    """One line of a list."""
    return {
        "id": flow.id,
        "kind": flow.kind,
        "name": flow.name,
        "connection": flow.connection,
        "state": flow.state,
        "total": flow.total,
        "pending": flow.pending,
        "processed": flow.processed,
        "failed": flow.failed,
        "cancelled": flow.cancelled,
        "progress": flow.progress,
        "open": flow.open,
        "created_at": flow.created_at,
        "finished_at": flow.finished_at,
        "cancelled_at": flow.cancelled_at,
        "parent": flow.parent,
    }


def whole_item_of(flow: "FlowSnapshot") -> dict[str, Any]:
    """All that is known of one."""
    return {
        **item_of(flow),
        "options": flow.options,
        "error": flow.error,
        "failed_ids": list(flow.failed_ids),
        "steps": [_step_item(step) for step in flow.steps],
    }


def page_of(flow: "FlowSnapshot", *, ascii_only: bool) -> str:
    """Tell a person where one is: a bar, its numbers, and its steps one below the other."""
    lines = [f"{label:<{_LABEL_WIDTH}}{fmt.printable(text)}" for label, text in _described(flow, ascii_only=ascii_only)]
    if flow.steps:
        lines += ["", *_step_lines(flow.steps, 0, ascii_only=ascii_only)]
    if flow.failed_ids and not flow.steps:
        lines += ["", *(f"failed    {one}" for one in flow.failed_ids[:10])]
    return "\n".join(lines)


def _described(flow: "FlowSnapshot", *, ascii_only: bool) -> Iterator[tuple[str, str]]:
    full, empty = ("#", "-") if ascii_only else ("█", "░")
    done = _BAR * flow.progress // 100
    yield flow.kind, f"{flow.id}  {flow.name}".rstrip()
    yield "state", flow.state + (" (open: more jobs are to come)" if flow.open else "")
    yield "progress", f"{full * done}{empty * (_BAR - done)} {flow.progress} %"
    numbers = f"{flow.total:,} total, {flow.pending:,} pending, {flow.processed:,} processed"
    yield "jobs", f"{numbers}, {flow.failed:,} failed, {flow.cancelled:,} cancelled"
    yield "created", fmt.rfc3339(flow.created_at) or ""
    if flow.cancelled_at is not None:
        yield "cancelled", fmt.rfc3339(flow.cancelled_at) or ""
    if flow.finished_at is not None:
        took_s = (flow.finished_at - flow.created_at).total_seconds()
        yield "finished", f"{fmt.rfc3339(flow.finished_at)}, after {fmt.duration(took_s)}"
    if flow.error:
        yield "error", flow.error


def _step_lines(steps: Sequence["StepSnapshot"], depth: int, *, ascii_only: bool) -> Iterator[str]:
    """Steps, and those of the work nested in them below each, further to the right."""
    names = {step.id: step.name or str(place) for place, step in enumerate(steps, 1)}
    for step in steps:
        yield _step_line(step, names, depth, ascii_only=ascii_only)
        yield from _step_lines(step.steps, depth + 1, ascii_only=ascii_only)


def _step_line(step: "StepSnapshot", names: dict[str, str], depth: int, *, ascii_only: bool) -> str:
    mark = (_ASCII_MARKS if ascii_only else _MARKS).get(step.state, " ")
    title = step.job.rpartition(":")[2]
    indent = _INDENT * depth
    words = [f"{indent}{mark} {names[step.id]:>4}  {title:<{max(1, _TITLE_WIDTH - len(indent))}} {step.state:<10}"]
    if step.runtime_s is not None:
        words.append(fmt.duration(step.runtime_s))
    if step.progress is not None:
        words.append(f"{step.progress} %")
    if step.after:
        words.append(f"after {', '.join(names.get(one, one) for one in step.after)}")
    if step.error:
        words.append(step.error)
    return fmt.printable("  ".join(words)).rstrip()


def _step_item(step: "StepSnapshot") -> dict[str, Any]:
    return {
        "id": step.id,
        "name": step.name,
        "job": step.job,
        "state": step.state,
        "runtime_s": step.runtime_s,
        "error": step.error,
        "after": list(step.after),
        "is_flow": step.is_flow,
        "progress": step.progress,
        "steps": [_step_item(one) for one in step.steps],
    }
